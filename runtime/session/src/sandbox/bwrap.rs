//! The adapter over bubblewrap: decides the tier, hands directories over, builds launches.

use super::{
    SandboxConfig,
    ceiling::{self, Ceiling},
    command_line::{self, Sources},
    hand_over::private_dir,
    plan::{ProcessLimits, StagedBind, Staging, StarterPlan},
    self_test,
    tools::{find_bwrap, unreadable_copy},
    uids::UidBlock,
};
use foureyes_ports::sandbox::{Launch, Limits, Purpose, Sandbox, SandboxError, SandboxSpec, Tier, WallCheck};
use foureyes_protocol::PrincipalId;
use nix::unistd::{Uid, chown};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

/// Owners of the two sandboxes of the self-test; they have the last two uids of the block.
pub(crate) const PROBES: [&str; 2] = ["probe-a", "probe-b"];
/// Processes that bubblewrap itself and its set-up need besides the agent's.
const OWN_PROCESSES: u64 = 8;
/// Places inside that belong to the sandbox itself and that no bind may replace.
const RESERVED: [&str; 7] = ["/", "/proc", "/dev", "/rt", "/run/rt", "/etc", "/usr"];

/// Sandboxes by bubblewrap. One for each repository in a runtime.
#[derive(Debug)]
pub struct BwrapSandbox {
    config: SandboxConfig,
    bwrap: PathBuf,
    /// The multi-call binary as it is started and shown: executable, not readable.
    binary: PathBuf,
    /// Present in tier `SeparateUid`.
    uids: Option<UidBlock>,
    ceiling: Ceiling,
    note: Option<String>,
}

impl BwrapSandbox {
    /// Finds bubblewrap, starts a sandbox to see that it works, and decides the tier: an own uid
    /// for each role when the runtime is root and may mount, else the runtime's own uid (then
    /// [`BwrapSandbox::note`] says why). Blocking; about 50 ms.
    ///
    /// # Errors
    /// [`SandboxError::Missing`] without bubblewrap, [`SandboxError::Forbidden`] when it does not
    /// work here, [`SandboxError::Prepare`] when the state directory cannot be written.
    pub fn probe(config: SandboxConfig) -> Result<Self, SandboxError> {
        let bwrap = find_bwrap(config.bwrap.as_deref())?;
        private_dir(&config.state_dir, None).map_err(|why| prepare("runtime", why))?;
        let binary = unreadable_copy(&config.binary, &config.state_dir.join("rt"))?;
        let mut sandbox = Self { config, bwrap, binary, uids: None, ceiling: Ceiling::UserLimit, note: None };
        if Uid::effective().is_root() {
            match sandbox.separate_uids() {
                Ok(()) => return Ok(sandbox),
                Err(why) => sandbox.fall_back(&why),
            }
        }
        sandbox.try_out()?;
        Ok(sandbox)
    }

    /// What a person should know about the tier, such as why roles have no uids of their own.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Where the multi-call binary is started from.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    pub(crate) fn config(&self) -> &SandboxConfig {
        &self.config
    }

    fn separate_uids(&mut self) -> Result<(), String> {
        let root = &self.config.run_root;
        std::fs::create_dir_all(root).map_err(|e| format!("{}: {e}", root.display()))?;
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o711))
            .map_err(|e| format!("{}: {e}", root.display()))?;
        let mut owners = self.config.owners.clone();
        owners.extend(PROBES.iter().filter_map(|name| PrincipalId::new(name).ok()));
        let claims = root.join("uids");
        let block = UidBlock::claim(&claims, self.config.uid_base, &self.config.repository, &owners)?;
        self.uids = Some(block);
        self.try_out().map_err(|e| e.to_string())
    }

    fn fall_back(&mut self, why: &str) {
        self.uids = None;
        self.note = Some(format!("no uid of its own for each role, all run as root inside the wall: {why}"));
    }

    /// Starts one sandbox, and learns from it how processes can be limited.
    fn try_out(&mut self) -> Result<(), SandboxError> {
        self.ceiling = self_test::try_out(self)?;
        Ok(())
    }

    fn check(&self, spec: &SandboxSpec) -> Result<(), SandboxError> {
        let refuse = |why: String| Err(prepare(spec.owner.as_str(), why));
        if spec.purpose == Purpose::GateRun && (spec.socket_dir.is_some() || spec.forward_port.is_some()) {
            return refuse("a gate run gets neither socket nor forwarder".into());
        }
        if spec.forward_port.is_some() && spec.socket_dir.is_none() {
            return refuse("a forwarder needs the directory of its socket".into());
        }
        if spec.argv.is_empty() {
            return refuse("no program is named".into());
        }
        if self.uids.is_some() && self.uid_of(&spec.owner).is_none() {
            return refuse("unknown owner: name it when the sandbox is made".into());
        }
        spec.binds.iter().try_for_each(|bind| {
            check_bind(&bind.host, &bind.inside, &self.config.state_dir)
                .map_err(|why| prepare(spec.owner.as_str(), why))
        })
    }

    fn plan(&self, spec: &SandboxSpec) -> StarterPlan {
        let (sources, staging) = self.sources(spec);
        StarterPlan {
            staging,
            uid: self.uid_of(&spec.owner),
            limits: limits(&spec.limits, self.process_limit(spec)),
            program: self.bwrap.clone(),
            options: command_line::options(spec, &sources),
            files: command_line::files(),
            args: command_line::command(spec),
            env: Vec::new(),
            cwd: Some("/".into()),
        }
    }

    /// Paths for bubblewrap: the originals, or below the staging area when it will run as a uid
    /// that could not reach them.
    fn sources(&self, spec: &SandboxSpec) -> (Sources, Option<Staging>) {
        let mut paths =
            Paths { root: self.uids.as_ref().map(|_| self.config.run_root.as_path()), binds: vec![] };
        let sources = Sources {
            home: paths.add(&spec.home),
            work: paths.add(&spec.work),
            socket_dir: spec.socket_dir.as_deref().map(|dir| paths.add(dir)),
            binary: paths.add(&self.binary),
            binds: spec.binds.iter().map(|bind| paths.add(&bind.host)).collect(),
        };
        let staging = paths.root.map(|root| Staging { root: root.to_owned(), binds: paths.binds });
        (sources, staging)
    }

    /// RLIMIT_NPROC: sharp where the uid is the role's own. Elsewhere the uid's other processes
    /// count as well, so it is only used when nothing better exists.
    fn process_limit(&self, spec: &SandboxSpec) -> Option<u64> {
        let own = u64::from(spec.limits.processes) + OWN_PROCESSES;
        match (&self.uids, self.ceiling) {
            (Some(_), _) => Some(own),
            (None, Ceiling::Namespace) => None,
            (None, Ceiling::UserLimit) => Some(own + ceiling::threads_of(Uid::effective().as_raw())),
        }
    }
}

/// Where each path of the host will be found; collects the staging area on the way.
struct Paths<'a> {
    root: Option<&'a Path>,
    binds: Vec<StagedBind>,
}

impl Paths<'_> {
    fn add(&mut self, host: &Path) -> PathBuf {
        let Some(root) = self.root else { return host.to_owned() };
        let name = format!("b{}", self.binds.len());
        let staged = root.join(&name);
        self.binds.push(StagedBind { host: host.to_owned(), name });
        staged
    }
}

impl Sandbox for BwrapSandbox {
    fn tier(&self) -> Tier {
        if self.uids.is_some() { Tier::SeparateUid } else { Tier::Sandboxed }
    }

    fn prepare(&self, spec: &SandboxSpec) -> Result<(), SandboxError> {
        self.check(spec)?;
        let uid = self.uid_of(&spec.owner);
        let dirs = [Some(&spec.home), Some(&spec.work), spec.socket_dir.as_ref()];
        for dir in dirs.into_iter().flatten() {
            private_dir(dir, uid).map_err(|why| prepare(spec.owner.as_str(), why))?;
        }
        Ok(())
    }

    fn launch(&self, spec: &SandboxSpec) -> Result<Launch, SandboxError> {
        self.check(spec)?;
        starter_launch(&self.binary, &self.plan(spec), spec)
    }

    fn uid_of(&self, owner: &PrincipalId) -> Option<u32> {
        self.uids.as_ref()?.uid(owner)
    }

    fn hand_over_socket(&self, owner: &PrincipalId, socket: &Path) -> Result<(), SandboxError> {
        let fail = |e: &dyn std::fmt::Display| prepare(owner.as_str(), format!("{}: {e}", socket.display()));
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o700)).map_err(|e| fail(&e))?;
        let Some(uid) = self.uid_of(owner) else { return Ok(()) };
        chown(socket, Some(uid.into()), Some(uid.into())).map_err(|e| fail(&e))
    }

    fn finish(&self, spec: &SandboxSpec, pid: u32) -> Result<(), SandboxError> {
        match self.ceiling {
            Ceiling::Namespace => {
                ceiling::set(&self.binary, pid, spec.limits.processes, self.uid_of(&spec.owner))
                    .map_err(SandboxError::Forbidden)
            }
            Ceiling::UserLimit => Ok(()),
        }
    }

    fn self_test(&self) -> Result<Vec<WallCheck>, SandboxError> {
        self_test::run(self)
    }
}

/// The launch of a starter with its plan, common to all adapters.
pub(crate) fn starter_launch(
    binary: &Path,
    plan: &StarterPlan,
    spec: &SandboxSpec,
) -> Result<Launch, SandboxError> {
    let json = serde_json::to_string(plan)
        .map_err(|e| prepare(spec.owner.as_str(), format!("a path is not UTF-8: {e}")))?;
    // One argument may not be longer than 128 KiB on Linux.
    if json.len() >= 128 * 1024 {
        return Err(prepare(
            spec.owner.as_str(),
            "arguments and environment exceed 128 KiB; use files".into(),
        ));
    }
    let args = vec!["__starter".into(), json.into()];
    Ok(Launch { program: binary.to_owned(), args, env: Vec::new() })
}

pub(crate) fn limits(limits: &Limits, processes: Option<u64>) -> ProcessLimits {
    ProcessLimits {
        data: limits.memory_bytes,
        file: limits.file_bytes,
        open_files: limits.open_files,
        processes,
    }
}

pub(crate) fn prepare(owner: &str, why: String) -> SandboxError {
    SandboxError::Prepare { owner: owner.to_owned(), why }
}

/// A bind must exist, must not replace a part of the sandbox and must not show the runtime's state.
fn check_bind(host: &Path, inside: &Path, state: &Path) -> Result<(), String> {
    let plain = |path: &Path| path.is_absolute() && !path.components().any(|c| c == Component::ParentDir);
    if !plain(host) || !plain(inside) {
        return Err(format!("bind {} to {}: both must be absolute", host.display(), inside.display()));
    }
    if RESERVED.iter().any(|reserved| inside == Path::new(reserved))
        || ["/proc", "/dev", "/rt", "/run/rt"].iter().any(|top| inside.starts_with(top))
    {
        return Err(format!("bind to {}: belongs to the sandbox itself", inside.display()));
    }
    let real = host.canonicalize().map_err(|e| format!("bind of {}: {e}", host.display()))?;
    if state.canonicalize().unwrap_or_else(|_| state.to_owned()).starts_with(&real) {
        return Err(format!("bind of {}: it holds the runtime's own state", host.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_that_would_open_the_wall_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let refused = |host: &Path, inside: &str| check_bind(host, Path::new(inside), &state).unwrap_err();
        assert!(refused(Path::new("/"), "/host").contains("own state"));
        assert!(refused(&state, "/x").contains("own state"));
        assert!(refused(dir.path(), "/proc").contains("sandbox itself"));
        assert!(refused(dir.path(), "/rt/bin/agents-init").contains("sandbox itself"));
        assert!(refused(dir.path(), "relative").contains("absolute"));
        assert!(refused(Path::new("/usr/../root"), "/x").contains("absolute"));
        assert!(refused(&dir.path().join("nothing"), "/x").contains("No such file"));
        check_bind(Path::new("/usr/share"), Path::new("/opt/share"), &state).unwrap();
    }
}
