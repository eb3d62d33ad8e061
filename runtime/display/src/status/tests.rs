use super::*;
use crate::Page;
use crate::scenes;
use foureyes_ports::text::is_safe;
use foureyes_protocol::FeatureId;

fn id(name: &str) -> FeatureId {
    FeatureId::new(name).expect("a valid name")
}

#[test]
fn summaries() {
    let page = Page::plain(80);
    let scenes = [scenes::start(), scenes::question(), scenes::frozen(), scenes::done()];
    let all: Vec<String> = scenes.iter().map(|view| summary(view, page)).collect();
    insta::assert_snapshot!(all.join("\n==========\n\n"));
}

#[test]
fn tables() {
    let page = Page::plain(100);
    let view = scenes::question();
    let parts = [
        ps(&view, page),
        inbox(&view, page),
        feature_list(&view, page),
        gate(&view, None, page).expect("all"),
        feature_show(&view, &id("clamp"), page).expect("it is there"),
    ];
    insta::assert_snapshot!(parts.join("\n==========\n\n"));
}

#[test]
fn unknown_features_are_none() {
    let view = scenes::question();
    assert_eq!(feature_show(&view, &id("absent"), Page::plain(80)), None);
    assert_eq!(gate(&view, Some(&id("absent")), Page::plain(80)), None);
    assert_eq!(inbox(&View::default(), Page::plain(80)), "nothing waits for you\n");
}

#[test]
fn one_line_tells_the_most_urgent_first() {
    let lines = [scenes::start(), scenes::flight(), scenes::question(), scenes::frozen(), scenes::done()];
    let lines: Vec<String> = lines.iter().map(status_line).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn tmux_gets_no_format_of_an_agent() {
    let line = tmux_status_line(&scenes::hostile());
    let ours = line.strip_prefix("#[bg=red,fg=brightwhite,bold]").expect("frozen");
    assert!(!ours.replace("##", "").contains('#'), "{line}");
    assert!(ours.contains("##(touch"), "{line}");
}

#[test]
fn json_is_the_part_of_the_view() {
    let view = scenes::question();
    assert_eq!(serde_json::from_str::<View>(&json(&view)).expect("a view"), view);
}

#[test]
fn hostile_text_reaches_no_output() {
    let view = scenes::hostile();
    let clamp = id("clamp");
    for page in [Page::plain(60), Page::plain(120)] {
        let outputs = [
            summary(&view, page),
            ps(&view, page),
            inbox(&view, page),
            feature_list(&view, page),
            gate(&view, None, page).expect("all"),
            feature_show(&view, &clamp, page).expect("it is there"),
            logs(&view, Format::Text),
            status_line(&view),
            crate::closing::closing_table(&view, page),
        ];
        for output in outputs {
            assert!(output.chars().all(|c| is_safe(c) || c == '\n'), "{output:?}");
            assert!(!output.lines().any(|line| line.starts_with("second")), "{output}");
        }
    }
}

#[test]
fn no_line_is_wider_than_its_page() {
    for width in [60, 80, 120] {
        let page = Page::plain(width);
        for view in [scenes::question(), scenes::done(), scenes::hostile()] {
            let outputs =
                [summary(&view, page), inbox(&view, page), crate::closing::closing_table(&view, page)];
            for line in outputs.iter().flat_map(|o| o.lines()) {
                assert!(crate::text::width(line) <= width, "{width}: {line}");
            }
        }
    }
}
