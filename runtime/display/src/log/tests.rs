use super::*;
use crate::scenes;

fn text(old: &View, new: &View) -> String {
    changes(old, new).iter().map(|e| e.line(Format::Text) + "\n").collect()
}

#[test]
fn a_run_in_lines() {
    let views = [View::default(), scenes::start(), scenes::flight(), scenes::frozen(), scenes::done()];
    let lines: String = views.windows(2).map(|pair| text(&pair[0], &pair[1]) + "---\n").collect();
    insta::assert_snapshot!(lines);
}

#[test]
fn json_lines_hold_the_same() {
    let lines: String =
        changes(&scenes::start(), &scenes::question()).iter().map(|e| e.line(Format::Json) + "\n").collect();
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("every line is one JSON object");
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn nothing_changed_is_no_line() {
    for view in [scenes::start(), scenes::question(), scenes::hostile()] {
        assert_eq!(changes(&view, &view), []);
    }
}

#[test]
fn alerts_are_told_once_while_their_window_moves() {
    let view = |alerts: &[&str]| View {
        alerts: alerts.iter().map(|a| (*a).to_owned()).collect(),
        ..View::default()
    };
    for (old, new, fresh) in [
        (&["a", "b"][..], &["a", "b", "c"][..], 1),
        (&["a", "b"], &["b", "c"], 1),
        (&["a", "a"], &["a", "a", "a"], 1),
        (&["a"], &["b", "c"], 2),
        (&["a"], &[], 0),
    ] {
        assert_eq!(changes(&view(old), &view(new)).len(), fresh, "{old:?} {new:?}");
    }
}

#[test]
fn hostile_text_cannot_write_controls_or_lines() {
    let entries = changes(&View::default(), &scenes::hostile());
    for format in [Format::Text, Format::Json] {
        for line in entries.iter().map(|e| e.line(format)) {
            assert!(line.chars().all(foureyes_ports::text::is_safe), "{line:?}");
        }
    }
}

#[tokio::test]
async fn a_late_log_tells_the_whole_picture_and_ends_with_it() {
    let (sender, views) = watch::channel(Arc::new(scenes::flight()));
    drop(sender);
    let mut out = Vec::new();
    run(views, &mut out, Format::Text).await.expect("a buffer takes everything");
    assert_eq!(String::from_utf8(out).expect("UTF-8"), text(&View::default(), &scenes::flight()));
}

#[tokio::test]
async fn a_dead_pipe_is_told() {
    struct Dead;
    impl Write for Dead {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (_sender, views) = watch::channel(Arc::new(scenes::flight()));
    let error = run(views, &mut Dead, Format::Text).await.expect_err("the pipe is dead");
    assert_eq!(error.to_string(), "log: cannot write to its file or pipe: broken pipe");
}
