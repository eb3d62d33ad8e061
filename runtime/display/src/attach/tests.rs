use super::keys::meaning;
use super::*;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use foureyes_ports::text::is_safe;

fn update(text: &str) -> ScreenUpdate {
    ScreenUpdate {
        role: PrincipalId::new("dev-a").expect("a valid name"),
        family: Family::Dev,
        state: RoleState::Busy,
        work: "clamp: implementation\x1b]0;owned\x07\u{202e}".to_owned(),
        restarts: 1,
        taken: false,
        screen: Arc::new(ScreenSnapshot::of_text(text, 5, 40)),
    }
}

fn options(colour: bool) -> Options {
    Options { colour, hint: true }
}

struct Feed(Vec<ScreenUpdate>);

#[async_trait::async_trait]
impl ScreenFeed for Feed {
    async fn next(&mut self) -> Option<ScreenUpdate> {
        self.0.pop()
    }
}

#[test]
fn a_frame_is_the_screen_and_a_line_below() {
    insta::assert_snapshot!(
        frame(&update("$ cargo test\nrunning 3 tests"), 60, 6, options(false)).escape_debug().to_string()
    );
}

#[test]
fn a_frame_holds_no_control_of_the_agent() {
    for (width, height) in [(1, 1), (10, 2), (60, 6), (200, 50)] {
        for colour in [false, true] {
            let drawn = frame(&update("a\x1b[2Jb\u{202e}c\u{9b}31m"), width, height, options(colour));
            let ours = drawn.replace("\x1b[?2026h", "").replace("\x1b[?2026l", "");
            assert!(
                !ours.contains("owned") && !ours.contains("\x1b]") && !ours.contains("\x1b[2J"),
                "{ours:?}"
            );
            assert!(ours.chars().all(|c| is_safe(c) || matches!(c, '\x1b' | '\r' | '\n')), "{ours:?}");
        }
    }
}

#[test]
fn the_line_below_never_wraps() {
    for width in 1..80 {
        let drawn = frame(&update(""), width, 1, options(true));
        let line = foureyes_ports::text::clean_lines(&drawn, 1, 1_000);
        assert!(crate::text::width(&line) < usize::from(width).max(2), "{width}: {line:?}");
    }
}

#[test]
fn keys_mean_leaving_or_nothing() {
    let key = |code, modifiers| meaning(&Event::Key(KeyEvent::new(code, modifiers)));
    assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Key::Leave));
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Leave));
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
    assert_eq!(key(KeyCode::Enter, KeyModifiers::NONE), None);
    assert_eq!(meaning(&Event::Resize(80, 24)), Some(Key::Resized));
}

#[tokio::test]
async fn a_pipe_gets_the_text_once() {
    let mut out = Vec::new();
    let end =
        print_once(&mut Feed(vec![update("one\ntwo")]), &mut out).await.expect("a buffer takes everything");
    assert_eq!((end, out.as_slice()), (AttachEnd::Printed, b"one\ntwo\n".as_slice()));
    let end = print_once(&mut Feed(Vec::new()), &mut out).await.expect("nothing is written");
    assert_eq!(end, AttachEnd::FeedEnded);
}

#[test]
fn who_has_it_is_told_in_the_line_below() {
    let mut taken = update("$ cargo test");
    taken.taken = true;
    assert!(frame(&taken, 100, 6, options(false)).contains("taken over by the user"));
    assert!(!frame(&update(""), 100, 6, options(false)).contains("taken over"));
}

#[test]
fn a_taken_frame_has_a_cursor_and_what_is_typed() {
    let mut update = update("$ cargo test");
    update.taken = true;
    update.screen = Arc::new(ScreenSnapshot {
        cursor: foureyes_ports::screen::Cursor { row: 0, col: 3, visible: true },
        ..(*update.screen).clone()
    });
    let drawn = |line: Option<&str>| {
        frame::taken_frame(&update, (70, 6), options(false), line, " Ctrl-] gives it back ")
            .escape_debug()
            .to_string()
    };
    insta::assert_snapshot!(format!("{}\n{}", drawn(None), drawn(Some("hello agent"))));
    let long = "x".repeat(300);
    for (width, height) in [(1, 1), (2, 2), (10, 3), (70, 6)] {
        frame::taken_frame(&update, (width, height), options(true), Some(&long), "keys");
    }
}
