//! The Python interpreter: configuration, then `python3` of PATH (also behind pyenv's shims).

use super::first_line;
use crate::{session::bind, settings::Settings};
use foureyes_ports::sandbox::Bind;
use std::path::{Path, PathBuf};

/// What mends an absent interpreter.
pub(crate) const REMEDY: &str =
    "no python3 was found; install Python 3.8 or later, or name the interpreter in the configuration";

/// Prints what is needed on one line, tab-separated; `-I` keeps the current directory out.
const PROBE: &str = "import sys,importlib.util as u\n\
p=''\n\
if u.find_spec('pytest'):\n    import pytest; p='pytest '+pytest.__version__\n\
print('\\t'.join([sys.executable,sys.prefix,sys.base_prefix,'Python '+sys.version.split()[0],p]))";

/// An interpreter that runs.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// The interpreter itself, not a shim; in a virtual environment, that environment's.
    pub(crate) program: PathBuf,
    prefixes: Vec<PathBuf>,
    /// Such as `Python 3.12.1`.
    pub(crate) version: String,
    /// Such as `pytest 8.3`, when it can be imported.
    pub(crate) pytest: Option<String>,
}

impl Python {
    /// The first interpreter that answers.
    pub(crate) async fn find(settings: &Settings) -> Option<Self> {
        let on_path = settings.host.path_dirs().into_iter().map(|dir| dir.join("python3"));
        for program in settings.python.iter().cloned().chain(on_path) {
            if program.is_file()
                && let Some(found) = Self::probe(&program).await
            {
                return Some(found);
            }
        }
        None
    }

    async fn probe(program: &Path) -> Option<Self> {
        let line = first_line(program, &["-I", "-c", PROBE]).await?;
        let mut fields = line.split('\t');
        let mut next = || fields.next().map(str::to_owned);
        let (program, prefix, base, version) = (next()?, next()?, next()?, next()?);
        let pytest = next().filter(|text| !text.is_empty());
        let mut prefixes = vec![PathBuf::from(prefix), PathBuf::from(base)];
        prefixes.dedup();
        Some(Self { program: program.into(), prefixes, version, pytest })
    }

    /// Where it lies.
    pub(crate) fn place(&self) -> String {
        self.program.display().to_string()
    }

    /// What must be shown inside; the distribution's own is there already.
    pub(crate) fn binds(&self) -> Vec<Bind> {
        let own = self.prefixes.iter().filter(|dir| !dir.starts_with("/usr"));
        own.map(|dir| bind(dir, dir.clone(), false)).collect()
    }
}
