#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use super::*;
use foureyes_ports::{screen::Color, text::is_safe};
use proptest::prelude::*;

fn screen(rows: u16, cols: u16) -> AlacrittyScreen {
    AlacrittyScreen::new(Size::new(rows, cols), DEFAULT_SCROLLBACK)
}

fn shown(bytes: &[u8]) -> ScreenSnapshot {
    let mut screen = screen(6, 20);
    screen.feed(bytes);
    ScreenSnapshot::clone(&screen.snapshot())
}

fn answers(query: &[u8]) -> String {
    let mut screen = screen(24, 80);
    screen.feed(query);
    String::from_utf8(screen.take_answers()).expect("answers are text")
}

/// Whether a redraw holds nothing but text, line ends, SGR, home, erase line and erase below.
fn only_redraws(ansi: &str) -> Result<(), String> {
    let mut rest = ansi;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\x1b' => {
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or("no final byte")?;
                let (sequence, tail) = rest.split_at(end + 1);
                let numbers = sequence[..end].strip_prefix('[').ok_or("not a CSI")?;
                let sgr = sequence.ends_with('m') && numbers.bytes().all(|b| b.is_ascii_digit() || b == b';');
                if !(sgr || matches!(sequence, "[H" | "[K" | "[J")) {
                    return Err(format!("sequence {sequence:?}"));
                }
                rest = tail;
            }
            '\r' | '\n' => {}
            c if is_safe(c) => {}
            c => return Err(format!("character {c:?}")),
        }
    }
    Ok(())
}

#[test]
fn text_wraps_scrolls_and_stays_in_the_transcript() {
    let mut screen = screen(3, 10);
    for n in 0..20 {
        screen.feed(format!("line {n}\r\n").as_bytes());
    }
    assert_eq!(screen.snapshot().to_text(), "line 18\nline 19");
    assert_eq!(screen.transcript(3), "line 17\nline 18\nline 19");
    assert!(screen.transcript(100).starts_with("line 0\nline 1\n"));
    assert_eq!(screen.snapshot().cursor.row, 2);
}

#[test]
fn history_is_bounded() {
    let mut screen = AlacrittyScreen::new(Size::new(3, 10), 5);
    for n in 0..100 {
        screen.feed(format!("{n}\r\n").as_bytes());
    }
    assert_eq!(screen.transcript(1000), "93\n94\n95\n96\n97\n98\n99");
    screen.resize(Size::new(5, 500));
    assert_eq!(screen.snapshot().cols, 500);
}

#[test]
fn styles_are_kept() {
    let shot = shown(b"\x1b[1;31mA\x1b[0;2mB\x1b[3;4;48;2;1;2;3mC\x1b[0;7;9mD\x1b[0;8mE\x1b[38;5;200mF");
    let style = |col: usize| shot.rows[0][col].style;
    assert!(style(0).bold && style(0).fg == Color::Indexed(1));
    assert!(style(1).dim && !style(1).bold);
    assert!(style(2).italic && style(2).underline && style(2).bg == Color::Rgb(1, 2, 3));
    assert!(style(3).inverse && style(3).strike);
    assert_eq!(shot.rows[0][4].ch, 'E', "concealed text is shown");
    assert_eq!(style(5).fg, Color::Indexed(200));
}

#[test]
fn a_redraw_looks_as_it_should() {
    let shot = shown("\x1b[1;32mok\x1b[0m plain\r\n世界 e\u{301}\r\n\x1b[44m  \x1b[0m|\r\n".as_bytes());
    insta::assert_snapshot!(shot.to_ansi(20, 6).escape_debug().to_string());
    insta::assert_snapshot!(shot.to_ansi(3, 2).escape_debug().to_string());
    assert_eq!(shot.to_text(), "ok plain\n世界 e\u{301}\n  |");
}

#[test]
fn a_full_screen_program_is_drawn_by_places() {
    let shot = shown(
        b"\x1b[?1049h\x1b[2J\x1b[1;1H+--- board ---+\x1b[3;3H\x1b[7mRED\x1b[0m\x1b[5;1Hq quits\x1b[?25l",
    );
    insta::assert_snapshot!(shot.to_text());
    assert!(shot.alternate && !shot.cursor.visible);
}

#[test]
fn redrawing_a_redraw_gives_the_same_screen() {
    let first = shown("a\x1b[33mb\x1b[0m\r\n\x1b[7m世\x1b[0m界\r\n\r\nlast".as_bytes());
    let second = shown(first.to_ansi(20, 6).as_bytes());
    assert_eq!(first.rows, second.rows);
    let full = shown("x".repeat(119).as_bytes());
    let mut again = screen(6, 20);
    again.feed("old ".repeat(30).as_bytes());
    again.feed(full.to_ansi(20, 6).as_bytes());
    assert_eq!(full.rows, again.snapshot().rows, "a full screen over another one");
}

#[test]
fn queries_are_answered() {
    assert!(answers(b"\x1b[c").starts_with("\x1b[?6"), "primary attributes");
    assert!(answers(b"\x1b[>c").starts_with("\x1b[>"), "secondary attributes");
    assert_eq!(answers(b"ab\x1b[6n"), "\x1b[1;3R", "cursor position");
    assert_eq!(answers(b"\x1b[5n"), "\x1b[0n", "status");
    assert_eq!(answers(b"\x1b[?2004$p"), "\x1b[?2004;2$y", "a mode");
    assert!(answers(b"\x1b]11;?\x07").starts_with("\x1b]11;rgb:0000"), "background");
    assert_eq!(answers(b"\x1b[18t"), "\x1b[8;24;80t", "size");
    assert_eq!(answers(b"\x1b]52;c;?\x07"), "", "the clipboard is nobody's");
    let flood = b"\x1b[c".repeat(100_000);
    assert!(answers(&flood).len() <= 4096);
}

#[test]
fn modes_and_titles_are_told() {
    let mut screen = screen(24, 80);
    assert!(!screen.bracketed_paste());
    screen.feed(b"\x1b[?2004h\x1b]0;dev-a \xe2\x80\xae is busy\x07");
    assert!(screen.bracketed_paste() && screen.snapshot().bracketed_paste);
    assert_eq!(screen.snapshot().title, "dev-a is busy");
    screen.feed(b"\x1b]2;");
    screen.feed(&b"x".repeat(100_000));
    screen.feed(b"\x07after");
    assert_eq!(screen.snapshot().title, "dev-a is busy", "a title without measure is none");
    assert_eq!(screen.snapshot().to_text(), "after");
}

#[test]
fn an_update_that_is_never_ended_does_not_freeze_the_screen() {
    assert_eq!(shown(b"\x1b[?2026hseen").to_text(), "seen");
}

/// What is written, and what a person sees.
const SHOWN: &[(&[u8], &str)] = &[
    (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
    (b"\x1bP1;2;3qdata\x1b\\x", "x"),
    (b"\x1b_Gf=24\x1b\\x\x1b^pm\x1b\\y\x1bXsos\x1b\\z", "xyz"),
    (b"\x1b]0;t\x18x", "x"),
    (b"\x1b\x07]0;t\x07x", "x"),
    (b"\x1b[31\x1b]0;t\x07mx", "mx"),
    (b"\x1b[31\x1b]8;;t\x07mx", "mx"),
    (b"\x1b(\x1bPq\x1b\\0x", "0x"),
    (b"\x1b[31\x1b\\mx\x1b[3\x18my", "mxmy"),
    ("a\u{202e}b\u{2066}c\u{200b}d\u{feff}e".as_bytes(), "abcde"),
    ("\u{9b}31mred".as_bytes(), "31mred"),
    (b"\x9b31mred", "\u{fffd}31mred"),
    (b"a\xffb\xc3(c\xe2\x82d", "a\u{fffd}b\u{fffd}(c\u{fffd}d"),
    ("e\u{301}\u{302}\u{303}\u{304}x".as_bytes(), "e\u{301}\u{302}x"),
    ("e\x1b[m\u{301}x".as_bytes(), "ex"),
    ("e\x1b[1\u{301}mx".as_bytes(), "ex"),
    (b"\x1b(0qx\x1b(Bq", "\u{2500}\u{2502}q"),
    (b"tab\tx\x08y", "tab     y"),
];

#[test]
fn hostile_output_is_shown_as_plain_text() {
    for (bytes, text) in SHOWN {
        let shot = shown(bytes);
        assert_eq!(shot.to_text(), *text, "from {:?}", bytes.escape_ascii().to_string());
        only_redraws(&shot.to_ansi(20, 6)).expect("a redraw is harmless");
    }
}

#[test]
fn sequences_may_be_cut_anywhere() {
    for (bytes, text) in SHOWN {
        let mut screen = screen(6, 20);
        for byte in *bytes {
            screen.feed(std::slice::from_ref(byte));
        }
        assert_eq!(screen.snapshot().to_text(), *text);
    }
}

#[test]
fn marks_do_not_pile_up_on_one_cell() {
    let mut screen = screen(6, 20);
    let attacks = [
        "e\u{301}",
        "\x1b[1;2H\u{301}",
        "\x1b[?7l\x1b[1;20H世\u{301}",
        "\x1b[1;5Hx\r\x1b[C\u{301}",
        "\x1b[2;2H\x1b[1\x1b]8;;\x07m\u{301}",
    ];
    for attack in attacks {
        screen.feed(attack.repeat(2000).as_bytes());
    }
    let stored = |row: i32, col: usize| {
        use alacritty_terminal::index::{Column, Line};
        screen.stored_marks(Line(row), Column(col))
    };
    assert!((0..6).all(|row| (0..20).all(|col| stored(row, col) <= 2)));
}

#[test]
fn a_snapshot_is_made_once_for_a_version() {
    let mut screen = screen(6, 20);
    screen.feed(b"x");
    let first = screen.snapshot();
    assert!(Arc::ptr_eq(&first, &screen.snapshot()));
    screen.feed(b"y");
    assert!(screen.snapshot().version > first.version);
}

/// Output that a model without measure would keep for ever.
const HOARDS: &[&str] = &[
    "\x1b]0;a title without end and without any line break at all, over and over again ",
    "\x1b]8;;http://example.org/a/long/address/of/a/link\x1b\\x",
    "\x1b[1;2H\u{301}\u{302}\u{303}",
    "\x1b_an application's string that never ends",
    "\x1b[?2026hheld back",
    "\x1b[22t\x1b[>1u",
    "\x1b[c\x1b[6n",
    "no line break, ",
];

/// The most memory that this process has ever had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs itself alone in a process of its own, where other tests do not blur the measure.
#[test]
fn memory_is_bounded_whatever_is_written() {
    const PROBE: &str = "FOUREYES_MEMORY_PROBE";
    if std::env::var_os(PROBE).is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "screen::tests::memory_is_bounded_whatever_is_written"]);
        let output = alone.env(PROBE, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let mut screen = AlacrittyScreen::new(Size::new(24, 80), 100);
    screen.feed("warm\r\n".repeat(1000).as_bytes());
    let before = peak_kib();
    for hoard in HOARDS {
        let block = hoard.repeat(16 * 1024 / hoard.len());
        for _ in 0..192 {
            screen.feed(block.as_bytes());
        }
        screen.feed(b"\x18\x1b[?2026l");
        let grown = peak_kib() - before;
        assert!(grown < 2048, "{grown} KiB more after 3 MiB of {hoard:?}");
    }
}

/// Pieces that find faults faster than bytes drawn evenly do.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let params = proptest::collection::vec(0_u16..600, 0..4);
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "\\PC{0,20}".prop_map(String::into_bytes),
        (params, "[?>!]?", "[@-~]").prop_map(|(numbers, prefix, end)| {
            let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
            format!("\x1b[{prefix}{}{end}", numbers.join(";")).into_bytes()
        }),
        "\x1b[ -~]{1,3}".prop_map(String::into_bytes),
        "\x1b\\][0-9]{1,3};[ -~]{0,30}(\x07|\x1b\\\\)?".prop_map(String::into_bytes),
        Just("世\u{301}\u{202e}\u{200d}🎉".as_bytes().to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_the_model_or_the_redraw(
        pieces in proptest::collection::vec((piece(), proptest::option::of((0_u16..60, 0_u16..120))), 1..30),
        (width, height) in (0_u16..130, 0_u16..70),
    ) {
        let mut screen = screen(10, 40);
        for (bytes, size) in &pieces {
            screen.feed(bytes);
            if let Some((rows, cols)) = size {
                screen.resize(Size::new(*rows, *cols));
            }
        }
        let shot = screen.snapshot();
        prop_assert_eq!(only_redraws(&shot.to_ansi(width, height)), Ok(()));
        prop_assert!(shot.to_text().chars().all(|c| c == '\n' || is_safe(c)));
        prop_assert!(screen.transcript(500).chars().all(|c| c == '\n' || is_safe(c)));
        prop_assert!(shot.rows.iter().all(|row| row.len() == usize::from(shot.cols)));
    }
}
