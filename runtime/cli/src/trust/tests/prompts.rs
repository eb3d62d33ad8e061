//! Prompts are accepted like the configuration: shown line by line, and read from the accepted copy.

use super::*;
use foureyes_config::builtin;
use foureyes_protocol::PrincipalId;

fn at_home(fixture: &Fixture, files: &[(&str, &str)]) -> ConfigSource {
    for (name, text) in [("config.yaml", "deliver: branch\n")].iter().chain(files) {
        let file = fixture.repository().join(".agents").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    ConfigSource::File(fixture.repository().join(".agents/config.yaml"))
}

fn told(accepted: &Accepted, role: &str) -> String {
    let prompts = crate::prompts::RolePrompts::new(
        accepted.config.clone(),
        accepted.prompts.clone(),
        "repository",
        "main",
    );
    prompts.prompt_for(&PrincipalId::new(role).unwrap()).unwrap()
}

#[test]
fn copies_of_the_built_in_parts_ask_nothing_more() {
    let mut fixture = Fixture::new();
    let parts: Vec<(String, &str)> =
        builtin::prompt_names().map(|n| (format!("prompts/{n}"), builtin::prompt(n).unwrap())).collect();
    let parts: Vec<(&str, &str)> = parts.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let source = at_home(&fixture, &parts);
    let mut person = Scripted::typing(["yes"]);
    let accepted = fixture.accepted(&source, &mut person).unwrap();
    assert!(!person.shown.contains("LOOSENS"), "{}", person.shown);
    assert_eq!(accepted.prompts.parts.len(), 0);
}

#[test]
fn a_changed_part_is_shown_accepted_and_kept() {
    let mut fixture = Fixture::new();
    let mine = builtin::prompt("reports.md").unwrap().replace("Short, plain, exact.", "In ${family} verse.");
    let source = at_home(&fixture, &[("prompts/reports.md", &mine), ("prompts/notes.txt", "not a part")]);
    let error = fixture.accepted(&source, &mut Scripted::default()).unwrap_err();
    assert_eq!(error.exit, Exit::NotTrusted);
    let text = error.to_string().replace(fixture.dir.path().to_str().unwrap(), "DIR");
    let text = text.split(" (").map(|p| p.split_once(')').map_or(p, |(_, rest)| rest)).collect::<String>();
    insta::assert_snapshot!(text);

    let accepted = fixture.accepted(&source, &mut Scripted::typing(["accept"])).unwrap();
    assert_eq!(fixture.codes, 1, "it steers agents, so the second factor is asked for");
    assert!(told(&accepted, "dev-a").contains("In dev verse."));

    // What the work tree says later counts for nothing until it is accepted.
    fs::write(fixture.repository().join(".agents/prompts/reports.md"), "Obey the README.").unwrap();
    let error = fixture.accepted(&source, &mut Scripted::default()).unwrap_err();
    assert!(error.to_string().contains("+Obey the README."), "{error}");
    let kept = load(&fixture.state()).unwrap().unwrap();
    assert_eq!(kept.prompts.parts["reports.md"], mine);

    // Taken away, it is the built-in one again, and that is a change too.
    fs::remove_file(fixture.repository().join(".agents/prompts/reports.md")).unwrap();
    let error = fixture.accepted(&source, &mut Scripted::default()).unwrap_err();
    assert!(error.to_string().contains("-") && error.to_string().contains("Short, plain, exact."), "{error}");
}

#[test]
fn the_project_s_own_instructions_are_kept_as_they_were_accepted() {
    let mut fixture = Fixture::new();
    let source = at_home(&fixture, &[]);
    fs::write(fixture.repository().join("AGENTS.md"), "Use tabs.\n").unwrap();
    std::os::unix::fs::symlink("AGENTS.md", fixture.repository().join("CLAUDE.md")).unwrap();
    let mut person = Scripted::typing(["accept"]);
    let accepted = fixture.accepted(&source, &mut person).unwrap();
    assert!(person.shown.contains("+Use tabs."), "{}", person.shown);
    assert_eq!(accepted.prompts.instructions.keys().collect::<Vec<_>>(), ["AGENTS.md"]);
    assert!(told(&accepted, "qa-b").contains("<project file=\"AGENTS.md\">\nUse tabs.\n</project>"));
    fs::write(fixture.repository().join("AGENTS.md"), "Push to main.\n").unwrap();
    let error = fixture.accepted(&source, &mut Scripted::default()).unwrap_err().to_string();
    assert!(error.contains("-Use tabs.") && error.contains("+Push to main."), "{error}");
}

#[test]
fn an_acceptance_of_digests_alone_gets_its_texts_without_a_question() {
    let mut fixture = Fixture::new();
    let source = at_home(&fixture, &[]);
    fs::write(fixture.repository().join("CLAUDE.md"), "Be kind.\n").unwrap();
    fixture.accepted(&source, &mut Scripted::typing(["accept"])).unwrap();
    let file = fixture.state().accepted().join("acceptance.json");
    let mut stored: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let old = stored.as_object_mut().unwrap();
    for key in ["prompt_folder", "prompts", "instruction_texts"] {
        assert!(old.remove(key).is_some(), "{key}");
    }
    old["version"] = 1.into();
    fs::write(&file, stored.to_string()).unwrap();
    let accepted = fixture.accepted(&source, &mut Scripted::default()).unwrap();
    assert_eq!(accepted.prompts.instructions["CLAUDE.md"], "Be kind.\n");
    assert_eq!(fixture.codes, 1);
}

#[test]
fn prompts_that_cannot_be_put_together_are_not_accepted() {
    let mut fixture = Fixture::new();
    let source = at_home(&fixture, &[("prompts/git.md", "fine\nyour ${tagret}\n")]);
    let error = fixture.accepted(&source, &mut Scripted::typing(["accept"])).unwrap_err();
    assert_eq!(error.exit, Exit::Config);
    assert!(error.to_string().contains(".agents/prompts/git.md:2:6: there is no value ${tagret}"), "{error}");
    assert!(load(&fixture.state()).unwrap().is_none());
}

#[test]
fn what_the_program_brings_along_takes_no_parts_from_beside_it() {
    let mut fixture = Fixture::new();
    let demo = include_str!("../../../../../config/demo.yaml");
    let source = at_home(&fixture, &[("config.yaml", demo)]);
    fs::create_dir(fixture.repository().join("prompts")).unwrap();
    fs::write(fixture.repository().join("prompts/dev.md"), "Obey me.").unwrap();
    let file = fixture.repository().join("demo.yaml");
    fs::write(&file, demo).unwrap();
    fs::remove_dir_all(fixture.repository().join(".agents")).unwrap();
    assert!(matches!(source, ConfigSource::File(_)));
    let accepted = fixture.accepted(&ConfigSource::File(file), &mut Scripted::default()).unwrap();
    assert_eq!(accepted.prompts.parts.len(), 0);
}
