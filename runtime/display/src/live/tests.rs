use super::draw::draw;
use super::ui::{Effect, Mode, Ui};
use crate::scenes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use foureyes_ports::text::is_safe;
use foureyes_ports::view::View;
use foureyes_protocol::Digest;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use std::sync::Arc;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

fn ui(view: View) -> Ui {
    let mut ui = Ui::new(true);
    ui.show(Arc::new(view));
    ui
}

fn drawn(ui: &Ui, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
    terminal.draw(|frame| draw(frame, ui)).expect("memory");
    terminal
}

fn text(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(buffer.area.width));
    let row = |cells: &[ratatui::buffer::Cell]| cells.iter().map(|c| c.symbol()).collect::<String>();
    rows.map(|cells| row(cells).trim_end().to_owned() + "\n").collect()
}

fn press(ui: &mut Ui, keys: &str) -> Vec<Effect> {
    let code = |c| match c {
        '\n' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\x1b' => KeyCode::Esc,
        c => KeyCode::Char(c),
    };
    keys.chars().filter_map(|c| ui.key(KeyEvent::new(code(c), KeyModifiers::NONE))).collect()
}

fn snapshots(name: &str, ui: &Ui) {
    for size in SIZES {
        insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), text(&drawn(ui, size)));
    }
}

#[test]
fn start() {
    snapshots("start", &ui(scenes::start()));
}

#[test]
fn two_features_in_flight() {
    let mut ui = ui(scenes::flight());
    ui.caption = "a lying developer: each refusal with its code and rule".to_owned();
    snapshots("flight", &ui);
}

#[test]
fn a_freeze() {
    snapshots("frozen", &ui(scenes::frozen()));
}

#[test]
fn an_open_question() {
    snapshots("question", &ui(scenes::question()));
}

#[test]
fn done() {
    let mut ui = ui(scenes::done());
    ui.finished = true;
    snapshots("done", &ui);
}

#[test]
fn what_lies_over_the_view() {
    let mut ui = ui(scenes::question());
    let mut shots = Vec::new();
    for keys in ["?", "\x1bq", "\x1ba", "\t", "y"] {
        press(&mut ui, keys);
        shots.push(text(&drawn(&ui, (80, 24))));
    }
    insta::assert_snapshot!(shots.join("\n"));
}

#[test]
fn every_size_can_be_drawn() {
    let views = [View::default(), scenes::start(), scenes::question(), scenes::frozen(), scenes::hostile()];
    for view in views {
        let mut ui = ui(view);
        for keys in ["", "a", "\x1b?", "\x1bq"] {
            press(&mut ui, keys);
            for size in
                [(1, 1), (20, 5), (40, 10), (41, 11), (80, 12), (99, 30), (100, 10), (100, 24), (250, 60)]
            {
                drawn(&ui, size);
            }
        }
    }
}

#[test]
fn many_features_leave_room_for_the_rest() {
    let mut view = scenes::flight();
    let one = view.features[1].clone();
    view.features.extend(std::iter::repeat_n(one, 40));
    let ui = ui(view);
    for size in SIZES {
        let text = text(&drawn(&ui, size));
        assert!(text.contains("Messages") && text.contains("orchestrator"), "{text}");
    }
    assert!(text(&drawn(&ui, (120, 40))).contains("+ 39 more"));
}

#[test]
fn hostile_text_reaches_no_cell() {
    let mut ui = ui(scenes::hostile());
    ui.caption = crate::text::clean("\x1b[2Jcaption\u{202e}");
    for keys in ["", "a"] {
        press(&mut ui, keys);
        for size in SIZES {
            let terminal = drawn(&ui, size);
            for cell in &terminal.backend().buffer().content {
                assert!(cell.symbol().chars().all(is_safe), "{:?}", cell.symbol());
            }
        }
    }
}

#[test]
fn families_have_their_colours_and_none_without_colour() {
    let colour_of = |ui: &Ui, name: &str| {
        let terminal = drawn(ui, (120, 40));
        let shown = text(&terminal);
        let row = shown.lines().position(|line| line.contains(name)).expect("the role is shown");
        let line = shown.lines().nth(row).expect("that row");
        let column = line[..line.find(name).expect("found above")].chars().count();
        terminal.backend().buffer()[(column as u16, row as u16)].fg
    };
    let coloured = ui(scenes::start());
    let mut plain = Ui::new(false);
    plain.show(Arc::new(scenes::start()));
    for (name, colour) in [
        ("orchestrator", Color::Red),
        ("librarian", Color::Red),
        ("planner-b", Color::LightBlue),
        ("architect-c", Color::Magenta),
        ("dev-a", Color::Green),
        ("qa-b", Color::Yellow),
        ("docs", Color::Cyan),
    ] {
        assert_eq!(colour_of(&coloured, name), colour, "{name}");
        assert_eq!(colour_of(&plain, name), Color::Reset, "{name}");
    }
}

#[test]
fn a_freeze_is_white_on_red_and_reversed_without_colour() {
    let coloured = ui(scenes::frozen());
    assert_eq!(drawn(&coloured, (80, 24)).backend().buffer()[(1, 1)].bg, Color::Red);
    let mut plain = Ui::new(false);
    plain.show(Arc::new(scenes::frozen()));
    let cell = drawn(&plain, (80, 24)).backend().buffer()[(1, 1)].clone();
    assert!(cell.modifier.contains(ratatui::style::Modifier::REVERSED));
}

#[test]
fn a_question_is_answered_by_text_or_by_number() {
    for (keys, text) in [("a2\n", "swap the ends"), ("aerror\n", "error"), ("a7\n", "7")] {
        let mut ui = ui(scenes::question());
        assert_eq!(press(&mut ui, keys), [Effect::Answer { number: 3, text: text.to_owned() }], "{keys:?}");
        assert_eq!(ui.mode, Mode::Watch);
    }
    assert_eq!(press(&mut ui(scenes::question()), "a\n\x1b"), []);
}

#[test]
fn a_decision_needs_the_beginning_of_its_digest_and_a_code() {
    let digest = Digest::of(b"decision").to_string()[..8].to_owned();
    let mut ui = ui(scenes::question());
    assert_eq!(press(&mut ui, "a\tyabcdef\n"), [], "a wrong digest is not taken");
    let (code, approve) = ("123456".to_owned(), true);
    let mut ui = self::ui(scenes::question());
    let sent = press(&mut ui, &format!("a\ty{digest}\n12\n"));
    assert_eq!(sent, [], "a short code is not taken");
    let sent = press(&mut ui, "3456\n");
    assert_eq!(sent, [Effect::Decide { number: 4, approve, digest, code }]);
    let rejected = Effect::Decide { number: 4, approve: false, digest: String::new(), code: String::new() };
    assert_eq!(press(&mut self::ui(scenes::question()), "a\tn"), [rejected]);
}

#[test]
fn a_form_closes_when_its_question_is_settled_elsewhere() {
    let mut ui = ui(scenes::question());
    press(&mut ui, "a");
    ui.show(Arc::new(scenes::flight()));
    assert_eq!(ui.mode, Mode::Watch);
    assert_eq!(ui.notice, "question 3 is settled");
}

#[test]
fn pasted_text_goes_into_a_form_and_presses_no_key() {
    let mut ui = ui(scenes::question());
    ui.paste("qs");
    assert_eq!(ui.mode, Mode::Watch);
    press(&mut ui, "a");
    ui.paste("a\x1b[2J b\nc");
    assert_eq!(press(&mut ui, "\n"), [Effect::Answer { number: 3, text: "a b c".to_owned() }]);
}

#[test]
fn quitting_asks_first() {
    assert_eq!(press(&mut ui(scenes::flight()), "q\x1b"), []);
    assert_eq!(press(&mut ui(scenes::flight()), "qs"), [Effect::Stop]);
    assert_eq!(press(&mut ui(scenes::flight()), "ql"), [Effect::Leave]);
    let mut over = ui(scenes::done());
    over.finished = true;
    assert_eq!(press(&mut over, "x"), [Effect::Leave]);
}

#[test]
fn what_is_read_stays_in_place_while_messages_arrive() {
    let mut ui = ui(scenes::flight());
    press(&mut ui, "kk");
    assert_eq!(ui.scroll, 2);
    ui.show(Arc::new(scenes::frozen()));
    assert_eq!(ui.scroll, 3, "one message is new");
    press(&mut ui, "jjjjj");
    assert_eq!(ui.scroll, 0);
}
