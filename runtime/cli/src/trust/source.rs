//! Where a configuration comes from, and reading it once.

use super::prompts::PartFolder;
use crate::{error::CliError, exit::Exit, terminal};
use foureyes_config::{Config, DEFAULT_YAML, builtin, load_with_plays};
use foureyes_protocol::Digest;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

/// The file of a repository that holds its configuration.
pub const REPOSITORY_CONFIG: &str = ".agents/config.yaml";

/// The largest configuration or play that is read, in bytes (1 MiB).
const MAX_BYTES: u64 = 1 << 20;

/// Configurations that the program brings along: name and text.
const EMBEDDED: [(&str, &str); 5] = [
    ("demo", include_str!("../../../../config/demo.yaml")),
    ("claude-offline", include_str!("../../../../config/claude-offline.yaml")),
    ("default", DEFAULT_YAML),
    ("rust-crate", include_str!("../../../../config/examples/rust-crate.yaml")),
    ("python-package", include_str!("../../../../config/examples/python-package.yaml")),
];

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// A file.
    File(PathBuf),
    /// One that the program brings along, by name.
    Embedded(&'static str),
}

impl ConfigSource {
    /// The configuration that is meant: the file `named`, else the embedded one of that name;
    /// without a name [`REPOSITORY_CONFIG`] in `repository`.
    ///
    /// # Errors
    /// [`Exit::Config`] when there is none.
    pub fn resolve(named: Option<&str>, repository: Option<&Path>) -> Result<Self, CliError> {
        match (named, repository) {
            (Some(name), _) if Path::new(name).is_file() => Ok(Self::File(PathBuf::from(name))),
            (Some(name), _) => {
                embedded(name).map(|(name, _)| Self::Embedded(name)).ok_or_else(|| missing(name))
            }
            (None, Some(repository)) => {
                let file = repository.join(REPOSITORY_CONFIG);
                if file.is_file() { Ok(Self::File(file)) } else { Err(missing(&file.display().to_string())) }
            }
            (None, None) => Err(missing(REPOSITORY_CONFIG)),
        }
    }
}

fn missing(place: &str) -> CliError {
    let known = EMBEDDED.map(|(name, _)| name).join(", ");
    CliError::new(Exit::Config, "there is no such configuration")
        .at(place)
        .hint(format!("`agents init` writes {REPOSITORY_CONFIG}; brought along are: {known}"))
}

fn embedded(name: &str) -> Option<(&'static str, &'static str)> {
    EMBEDDED.into_iter().find(|(known, _)| *known == name)
}

/// A configuration as it was read, once: what is shown, judged and kept is this and nothing that
/// a file says later.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it came from, for people and for the record.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What it says.
    pub config: Config,
    /// The plays that it names and that are not built in: name and text.
    pub plays: BTreeMap<String, String>,
    /// The parts of prompts that lie beside it. What the program brings along has none of its own.
    pub prompts: PartFolder,
    /// Whether it is, to the byte, one that the program brings along.
    pub embedded: bool,
}

impl Candidate {
    /// Reads a configuration with the plays that it names and the parts of prompts beside it.
    ///
    /// # Errors
    /// [`Exit::Config`] with every mistake; a file that cannot be read.
    pub fn read(source: &ConfigSource) -> Result<Self, CliError> {
        match source {
            ConfigSource::File(path) => Self::of_file(path),
            ConfigSource::Embedded(name) => {
                let text = embedded(name).ok_or_else(|| missing(name))?.1;
                Self::of_text((*name).to_owned(), text.to_owned(), None)
            }
        }
    }

    fn of_file(path: &Path) -> Result<Self, CliError> {
        let text = read_text(path).map_err(|e| CliError::file("cannot read the configuration", path, &e))?;
        Self::of_text(path.display().to_string(), text, path.parent())
    }

    /// Plays are looked for below `folder`.
    pub(super) fn of_text(name: String, text: String, folder: Option<&Path>) -> Result<Self, CliError> {
        let file_of = |play: &str| folder.map(|dir| dir.join(play)).filter(|file| file.is_file());
        let exists = |play: &str| builtin::play(play).is_some() || file_of(play).is_some();
        let config = load_with_plays(&text, &name, &exists).map_err(|errors| {
            CliError::config(&errors, terminal::colours(io::stderr().is_terminal()), terminal::width())
        })?;
        let mut plays = BTreeMap::new();
        for play in own_plays(&config) {
            let file = file_of(play).ok_or_else(|| missing(play))?;
            let text = read_text(&file).map_err(|e| CliError::file("cannot read a play", &file, &e))?;
            plays.insert(play.to_owned(), text);
        }
        let embedded = EMBEDDED.iter().any(|(_, known)| *known == text);
        let folder = folder.filter(|_| !embedded).map(|dir| dir.join(&config.prompts.directory));
        let prompts = folder.map_or_else(|| Ok(PartFolder::default()), PartFolder::read)?;
        Ok(Self { name, text, config, plays, prompts, embedded })
    }

    /// The digest of all that the configuration means, its plays and parts of prompts included.
    pub fn digest(&self) -> Digest {
        meaning(&self.config, &self.plays, &self.prompts.own)
    }
}

/// The digest of a configuration with its plays and its parts of prompts.
pub(super) fn meaning(
    config: &Config,
    plays: &BTreeMap<String, String>,
    prompts: &BTreeMap<String, String>,
) -> Digest {
    let policy = config.digest();
    let pairs = |files: &'_ BTreeMap<String, String>| -> Vec<Vec<u8>> {
        files.iter().flat_map(|(name, text)| [name.clone().into_bytes(), text.clone().into_bytes()]).collect()
    };
    let prompts = match prompts.is_empty() {
        true => None,
        false => {
            Some(Digest::of_parts("foureyes.trust.prompts.v1", pairs(prompts).iter().map(Vec::as_slice)))
        }
    };
    let plays = pairs(plays);
    let parts = std::iter::once(policy.0.as_slice()).chain(plays.iter().map(Vec::as_slice));
    Digest::of_parts("foureyes.trust.v1", parts.chain(prompts.as_ref().map(|p| p.0.as_slice())))
}

/// The plays that are not built in.
fn own_plays(config: &Config) -> impl Iterator<Item = &str> {
    let scripted = config.roles.iter().filter_map(|role| config.backend(role).play());
    let named = scripted.chain(config.model.plays.values().map(String::as_str));
    named.filter(|play| builtin::play(play).is_none())
}

/// The text of a file that is not larger than this program reads.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_brought_along_loads() {
        for (name, _) in EMBEDDED {
            let candidate = Candidate::read(&ConfigSource::Embedded(name)).unwrap();
            assert!(candidate.embedded && candidate.plays.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_file_comes_before_a_name_and_the_repository_s_own_last() {
        let temp = tempfile::tempdir().unwrap();
        let source = |named| ConfigSource::resolve(named, Some(temp.path()));
        assert_eq!(source(Some("demo")), Ok(ConfigSource::Embedded("demo")));
        let error = source(None).unwrap_err();
        assert!(error.to_string().contains("agents init"), "{error}");
        assert!(source(Some("nothing.yaml")).is_err());
        fs::create_dir(temp.path().join(".agents")).unwrap();
        let file = temp.path().join(REPOSITORY_CONFIG);
        fs::write(&file, "").unwrap();
        assert_eq!(source(None), Ok(ConfigSource::File(file.clone())));
        assert_eq!(source(file.to_str()), Ok(ConfigSource::File(file)));
    }

    #[test]
    fn plays_are_part_of_what_is_accepted() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("mine.yaml");
        for text in
            ["agents: {backend: {kind: scripted, play: mine.yaml}}\n", "model: {plays: {dev-a: mine.yaml}}\n"]
        {
            let read = || Candidate::of_text("x".into(), text.into(), Some(temp.path()));
            assert_eq!(read().unwrap_err().exit, Exit::Config);
            fs::write(&file, "steps: []\n").unwrap();
            let before = read().unwrap();
            assert_eq!(before.plays["mine.yaml"], "steps: []\n");
            fs::write(&file, "steps: [x]\n").unwrap();
            assert_ne!(read().unwrap().digest(), before.digest());
            fs::remove_file(&file).unwrap();
        }
    }
}
