//! Stock tools as a stranger would use them: gpg with a ring that knows nothing but the exported keys.

use crate::repo::{Repo, git_in};
use foureyes_ports::signer::Signer as _;
use foureyes_vcs::openpgp::OpenPgpSigner;
use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A GnuPG home of its own.
pub struct Gpg {
    home: PathBuf,
}

impl Gpg {
    /// A home in the new directory `home`, whose path must be short, with this ring.
    ///
    /// # Panics
    /// When gpg does not take the ring.
    pub fn with(home: &Path, armor: &str) -> Self {
        fs::DirBuilder::new().mode(0o700).create(home).expect("the home of gpg");
        let file = home.join("ring.asc");
        fs::write(&file, armor).expect("the ring");
        let import = gpg(home).arg("--import").arg(&file).output().expect("gpg starts");
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
        Self { home: home.to_owned() }
    }

    /// A home with the public keys of the signer whose files lie in `keys`.
    ///
    /// # Panics
    /// When there is no such signer.
    pub fn of_signer(home: &Path, keys: &Path) -> Self {
        let ring = OpenPgpSigner::open(keys).expect("a signer").export_ring().expect("its public keys");
        Self::with(home, &String::from_utf8_lossy(ring.armor.as_ref()))
    }

    /// The address whose good signature the commit carries, says `git verify-commit --raw`.
    ///
    /// # Errors
    /// What git and gpg said instead.
    pub fn signer(&self, repo: &Repo, commit: &str) -> Result<String, String> {
        let mut git = git_in(&repo.path);
        let output = git.env("GNUPGHOME", &self.home).args([
            "-c",
            "gpg.program=gpg",
            "verify-commit",
            "--raw",
            commit,
        ]);
        let output: Output = output.output().expect("git starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let good = text.lines().find_map(|l| l.strip_prefix("[GNUPG:] GOODSIG "));
        let address = good.and_then(|l| Some(l.rsplit_once('<')?.1.trim_end_matches('>').to_owned()));
        address.filter(|_| output.status.success()).ok_or(text)
    }
}

fn gpg(home: &Path) -> Command {
    let mut gpg = Command::new("gpg");
    gpg.arg("--homedir").arg(home).args(["--batch", "--quiet", "--no-autostart"]);
    gpg
}
