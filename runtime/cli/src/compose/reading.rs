//! What roles without a shell read: the target branch as it is now, as plain files that only the runtime
//! writes. A clone would need them to fetch, and the runtime never runs git in what an agent owns.

use super::launcher::Inner;
use foureyes_config::sections::roster::Backend;
use foureyes_ports::sandbox::Bind;
use foureyes_protocol::{CommitId, Family, PrincipalId};
use foureyes_session::agent::claude::tools_of;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The files, and the commit that they are of, in a role's directory.
const VIEW: &str = "view";
const STAMP: &str = "view.commit";
const NEXT: &str = "view.next";

impl Inner {
    /// Whether a role reads files and never writes one.
    fn only_reads(&self, role: &PrincipalId) -> bool {
        let config = &self.context.facts.config;
        config.role(role).is_some_and(|known| {
            let claude = matches!(config.backend(known), Backend::Claude { .. });
            claude && reads(known.family) && !self.context.facts.advisory
        })
    }

    /// The files of the target branch, shown read-only in place of the clone.
    pub(super) fn reading_bind(&self, role: &PrincipalId) -> Option<Bind> {
        let host = self.reading_dir(role).join(VIEW);
        self.only_reads(role).then(|| Bind { host, inside: PathBuf::from("/work"), writable: false })
    }

    fn reading_dir(&self, role: &PrincipalId) -> PathBuf {
        self.state.roles().join(role.as_str())
    }

    /// Brings the files to the present state of the target branch.
    ///
    /// # Errors
    /// What version control or the file system says.
    pub(super) fn refresh_reading(&self, role: &PrincipalId) -> Result<(), String> {
        if !self.only_reads(role) {
            return Ok(());
        }
        let vcs = &self.context.ports.vcs;
        let main = vcs.ref_value(&self.context.facts.main_ref()).map_err(|e| e.to_string())?;
        let main = main.ok_or("nothing was imported yet")?;
        let dir = self.reading_dir(role);
        let checkout = |to: &Path| vcs.checkout_tree(&main, to).map_err(|e| e.to_string());
        bring(&dir, &main, checkout).map_err(|e| format!("{}: {e}", dir.display()))
    }
}

fn reads(family: Family) -> bool {
    !tools_of(family).contains(&"Bash")
}

/// The directory stays the same, since it is shown inside: what is in it is replaced.
fn bring(
    dir: &Path,
    main: &CommitId,
    checkout: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let said = |e: io::Error| e.to_string();
    let (view, next, stamp) = (dir.join(VIEW), dir.join(NEXT), dir.join(STAMP));
    if fs::read_to_string(&stamp).is_ok_and(|known| known == main.as_str()) && view.is_dir() {
        return Ok(());
    }
    empty(&next).map_err(said)?;
    checkout(&next)?;
    readable(&next).map_err(said)?;
    // What is cut off from here on is done again: the stamp is written last.
    match fs::remove_file(&stamp) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(said(e)),
        _ => {}
    }
    empty(&view).map_err(said)?;
    for entry in fs::read_dir(&next).map_err(said)? {
        let entry = entry.map_err(said)?;
        fs::rename(entry.path(), view.join(entry.file_name())).map_err(said)?;
    }
    fs::write(&stamp, main.as_str()).map_err(said)
}

/// Makes an empty directory that others may look into.
fn empty(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Lets the role's uid read all of it; links are left as they are.
fn readable(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755))?;
            readable(&entry.path())?;
        } else if kind.is_file() {
            let mode = entry.metadata()?.permissions().mode();
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode | 0o444))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_reads() {
        for family in Family::ROLES {
            let writes = matches!(family, Family::Dev | Family::Qa | Family::Docs);
            assert_eq!(reads(family), !writes, "{family}");
        }
    }

    #[test]
    fn the_files_follow_the_branch_in_the_same_directory() {
        let dir = tempfile::tempdir().unwrap();
        let commit = |c: char| CommitId::new(&c.to_string().repeat(40)).unwrap();
        let write = |name: &'static str| {
            move |to: &Path| {
                fs::create_dir_all(to.join("src")).unwrap();
                fs::write(to.join("src").join(name), name).map_err(|e| e.to_string())
            }
        };
        bring(dir.path(), &commit('a'), write("one")).unwrap();
        let held = fs::File::open(dir.path().join(VIEW)).unwrap();
        bring(dir.path(), &commit('a'), |_| panic!("it is there already")).unwrap();
        bring(dir.path(), &commit('b'), write("two")).unwrap();
        let shown = format!("/proc/self/fd/{}/src", std::os::fd::AsRawFd::as_raw_fd(&held));
        let names: Vec<_> = fs::read_dir(shown).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["two"]);
        assert!(bring(dir.path(), &commit('c'), |_| Err("no".to_owned())).is_err());
        assert!(dir.path().join(VIEW).join("src/two").exists(), "what failed changed nothing");
        let mode = fs::metadata(dir.path().join(VIEW).join("src/two")).unwrap().permissions().mode();
        assert_eq!(mode & 0o444, 0o444);
    }
}
