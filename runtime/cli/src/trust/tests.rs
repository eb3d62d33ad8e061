mod prompts;

use super::*;
use crate::{state::StateRoot, terminal::Scripted};
use std::{fs, path::Path};

struct Fixture {
    dir: tempfile::TempDir,
    codes: usize,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("repository")).unwrap();
        Self { dir, codes: 0 }
    }

    fn repository(&self) -> std::path::PathBuf {
        self.dir.path().join("repository")
    }

    fn state(&self) -> StateDir {
        StateRoot::at(&self.dir.path().join("state")).of(&self.repository())
    }

    fn config(&self, text: &str) -> ConfigSource {
        let file = self.dir.path().join("c.yaml");
        fs::write(&file, text).unwrap();
        ConfigSource::File(file)
    }

    fn accepted(&mut self, source: &ConfigSource, prompt: &mut Scripted) -> Result<Accepted, CliError> {
        let codes = &mut self.codes;
        let state = StateRoot::at(&self.dir.path().join("state")).of(&self.dir.path().join("repository"));
        let mut confirm = |_: &mut dyn Prompt, _: &Digest| {
            *codes += 1;
            Ok(())
        };
        accepted(&state, source, prompt, &mut confirm, 1_800_000_000_000)
    }
}

#[test]
fn what_the_program_brings_along_is_accepted_by_its_digest() {
    let mut fixture = Fixture::new();
    let demo = ConfigSource::Embedded("demo");
    let first = fixture.accepted(&demo, &mut Scripted::default()).unwrap();
    assert_eq!(first.new_acceptance.unwrap().policy, first.digest);
    mark_recorded(&fixture.state()).unwrap();
    let again = fixture.accepted(&demo, &mut Scripted::default()).unwrap();
    assert_eq!((again.new_acceptance, again.digest), (None, first.digest));
    assert_eq!(fixture.codes, 0);
}

#[test]
fn without_a_terminal_the_command_is_named_and_nothing_is_kept() {
    let mut fixture = Fixture::new();
    let source = fixture.config("four_eyes: {lines: 99}\ndeliver: branch\n");
    let error = fixture.accepted(&source, &mut Scripted::default()).unwrap_err();
    assert_eq!(error.exit, Exit::NotTrusted);
    let text = error.to_string().replace(fixture.dir.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(text, @r"
    error: the configuration is not accepted (DIR/c.yaml)
      because: DIR/c.yaml, compared with the built-in default:
                         deliver: nothing -> branch
                 LOOSENS four_eyes.lines: 50 -> 99
      hint: read it, then accept it in a terminal: agents trust (with the same CONFIG and --repo)
    ");
    assert!(load(&fixture.state()).unwrap().is_none());
}

#[test]
fn what_loosens_is_typed_out_and_confirmed() {
    let mut fixture = Fixture::new();
    let source = fixture.config("four_eyes: {lines: 99}\n");
    let declined = fixture.accepted(&source, &mut Scripted::typing(["yes"])).unwrap_err();
    assert_eq!((declined.exit, fixture.codes), (Exit::NotTrusted, 0));
    let given = fixture.accepted(&source, &mut Scripted::typing(["accept"])).unwrap();
    assert_eq!((given.config.four_eyes.lines, fixture.codes), (99, 1));
    let stricter = fixture.config("four_eyes: {lines: 9}\n");
    fixture.accepted(&stricter, &mut Scripted::typing(["yes"])).unwrap();
    assert_eq!(fixture.codes, 1, "nothing is loosened, no code is asked for");
}

#[test]
fn the_accepted_copy_holds_and_not_the_file() {
    let mut fixture = Fixture::new();
    let source = fixture.config("four_eyes: {lines: 9}\n");
    fixture.accepted(&source, &mut Scripted::typing(["yes"])).unwrap();
    fixture.config("# a comment\nfour_eyes: {lines: 9}\n");
    fixture.accepted(&source, &mut Scripted::default()).unwrap();
    fixture.config("four_eyes: {lines: 10}\n");
    assert_eq!(fixture.accepted(&source, &mut Scripted::default()).unwrap_err().exit, Exit::NotTrusted);
    assert_eq!(load(&fixture.state()).unwrap().unwrap().config.four_eyes.lines, 9);
}

#[test]
fn instructions_of_the_repository_are_accepted_too() {
    let mut fixture = Fixture::new();
    let demo = ConfigSource::Embedded("demo");
    fs::write(fixture.repository().join("CLAUDE.md"), "obey me").unwrap();
    let error = fixture.accepted(&demo, &mut Scripted::default()).unwrap_err();
    assert!(error.to_string().contains("LOOSENS CLAUDE.md: new"), "{error}");
    fixture.accepted(&demo, &mut Scripted::typing(["accept"])).unwrap();
    assert_eq!(fixture.codes, 1);
    fixture.accepted(&demo, &mut Scripted::default()).unwrap();
    fs::write(fixture.repository().join("CLAUDE.md"), "obey me more").unwrap();
    assert!(fixture.accepted(&demo, &mut Scripted::default()).is_err());
}

#[test]
fn yes_alone_accepts_only_what_is_stricter() {
    let fixture = Fixture::new();
    let review = |text: &str| Review::of(&fixture.state(), &fixture.config(text)).unwrap();
    let wide = review("four_eyes: {lines: 99}\n").accept_if_stricter(&fixture.state(), 1).unwrap_err();
    assert!(wide.to_string().contains("--yes is not enough"), "{wide}");
    review("four_eyes: {lines: 9}\n").accept_if_stricter(&fixture.state(), 1).unwrap();
    assert!(load(&fixture.state()).unwrap().is_some());
}

#[test]
fn a_damaged_copy_is_no_acceptance() {
    let mut fixture = Fixture::new();
    let source = fixture.config("four_eyes: {lines: 9}\n");
    fixture.accepted(&source, &mut Scripted::typing(["yes"])).unwrap();
    let file = fixture.state().accepted().join("acceptance.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("lines: 9", "lines: 99")).unwrap();
    assert!(load(&fixture.state()).unwrap().is_none(), "its digest is another");
    fs::write(&file, "{").unwrap();
    let error = fixture.accepted(&source, &mut Scripted::typing(["yes"])).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(Path::new(&file).exists());
}
