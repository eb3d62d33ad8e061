//! Where the runtime keeps a repository's state: nothing of it lies in the repository, nothing is
//! readable by others, and nothing of two repositories mixes.

mod private;
mod root;
mod sockets;

pub use private::{read, write};
pub use root::StateRoot;
pub use sockets::{MAX_SOCKET_PATH, SOCKET_NAME};

use crate::error::CliError;
use foureyes_ledger::StateFiles;
use foureyes_protocol::{Digest, PrincipalId};
use std::path::{Path, PathBuf};

/// The state directory of one repository. Making a value touches no file; [`StateDir::create`]
/// makes the directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
    id: String,
    repository: PathBuf,
    sockets: PathBuf,
}

/// The id of a repository: a readable name and 12 hexadecimal digits of the digest of its canonical
/// path. At most 37 characters of a-z, 0-9 and '-'.
pub fn repository_id(repository: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let name = repository.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let keep = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.chars().map(keep).take(24).collect();
    let name = name.trim_matches('-');
    let digest = Digest::of(repository.as_os_str().as_bytes()).short();
    format!("{}-{digest}", if name.is_empty() { "repository" } else { name })
}

impl StateDir {
    /// Makes every directory that has to be there, for the owner only, and puts right the mode of
    /// those that are.
    ///
    /// # Errors
    /// A directory that cannot be made, or belongs to someone else.
    pub fn create(&self) -> Result<(), CliError> {
        let dirs = [
            self.ledger(),
            self.git(),
            self.artifacts(),
            self.scratch(),
            self.accepted(),
            self.sandbox(),
            self.gates(),
        ];
        private::create_dir(&self.root)?;
        dirs.iter().try_for_each(|dir| private::create_dir(dir))?;
        private::write(&self.repository_file(), self.repository.as_os_str().as_encoded_bytes())?;
        sockets::create(self)
    }

    /// Makes the directories of one role, for the runtime's owner only: the sandbox hands them over.
    ///
    /// # Errors
    /// As [`StateDir::create`].
    pub fn create_role(&self, role: &PrincipalId) -> Result<(), CliError> {
        [self.role_home(role), self.role_work(role), self.role_socket_dir(role)]
            .iter()
            .try_for_each(|dir| private::create_dir(dir))
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The repository's id: the name of this directory.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The root of the user's repository.
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    /// Whether any runtime ever worked here.
    pub fn exists(&self) -> bool {
        self.repository_file().is_file()
    }

    /// The ledger's directory: database, lock, checkpoint and its keys.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// The files in the ledger's directory.
    pub fn ledger_files(&self) -> StateFiles {
        StateFiles::in_dir(&self.ledger())
    }

    /// The git directory's parent: the authoritative repository and what belongs to it.
    pub fn git(&self) -> PathBuf {
        self.root.join("git")
    }

    /// The OpenPGP keys of roles and gates; made by the signer.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The second factor's secret; made by the second factor.
    pub fn second_factor(&self) -> PathBuf {
        self.root.join("second-factor")
    }

    /// Bulk by digest.
    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    /// Checkouts of gate runs and prepared dependencies; may be emptied when no runtime runs.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// What the sandbox needs for itself.
    pub fn sandbox(&self) -> PathBuf {
        self.root.join("box")
    }

    /// The gate runner's seeds and prepared dependencies.
    pub fn gates(&self) -> PathBuf {
        self.root.join("gates")
    }

    /// The accepted configuration.
    pub fn accepted(&self) -> PathBuf {
        self.root.join("accepted")
    }

    /// The runtime's own log.
    pub fn log(&self) -> PathBuf {
        self.root.join("runtime.log")
    }

    /// The home of a role's agent.
    pub fn role_home(&self, role: &PrincipalId) -> PathBuf {
        self.role(role).join("home")
    }

    /// The clone of a role.
    pub fn role_work(&self, role: &PrincipalId) -> PathBuf {
        self.role(role).join("work")
    }

    fn role(&self, role: &PrincipalId) -> PathBuf {
        self.roles().join(role.as_str())
    }

    /// The directories of all roles.
    pub fn roles(&self) -> PathBuf {
        self.root.join("roles")
    }

    /// The directory of a role's one socket, [`SOCKET_NAME`].
    pub fn role_socket_dir(&self, role: &PrincipalId) -> PathBuf {
        self.sockets.join(sockets::short_name(role))
    }

    /// The socket on which the runtime listens for its owner's commands.
    pub fn control_socket(&self) -> PathBuf {
        self.sockets.join("control.sock")
    }

    /// The directory of all sockets.
    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    fn repository_file(&self) -> PathBuf {
        self.root.join("repository")
    }
}

#[cfg(test)]
mod tests;
