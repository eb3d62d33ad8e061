//! No wall: the program runs as the runtime's uid with all that this uid may do. Only for who asked
//! for it in so many words (`--tier advisory`).

use super::{
    bwrap::{limits, prepare, starter_launch},
    command_line::PATH,
    hand_over::private_dir,
    plan::StarterPlan,
    tools::{NAMES, unreadable_copy},
};
use foureyes_ports::sandbox::{Launch, Sandbox, SandboxError, SandboxSpec, Tier, WallCheck};
use foureyes_protocol::PrincipalId;
use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Starts programs with an environment of their own and limits, and nothing else.
#[derive(Debug)]
pub struct AdvisorySandbox {
    binary: PathBuf,
    /// Stands for `/rt/bin`: links with the multi-call binary's names.
    names: PathBuf,
}

impl AdvisorySandbox {
    /// Copies the multi-call binary into the state directory and links its names.
    ///
    /// # Errors
    /// [`SandboxError::Prepare`] when the state directory cannot be written.
    pub fn new(binary: &Path, state_dir: &Path) -> Result<Self, SandboxError> {
        let fail = |e: std::io::Error| prepare("runtime", format!("{}: {e}", state_dir.display()));
        let binary = unreadable_copy(binary, &state_dir.join("rt"))?;
        let version = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names = state_dir.join("rt").join(format!("names-{version}"));
        std::fs::create_dir_all(&names).map_err(fail)?;
        for name in NAMES {
            match symlink(&binary, names.join(name)) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(fail(e)),
                _ => {}
            }
        }
        Ok(Self { binary, names })
    }

    /// Where a path of the inside lies when there is no inside; the longest prefix counts.
    fn outside(&self, spec: &SandboxSpec, path: &str) -> String {
        let fixed = [("/home/agent", spec.home.as_path()), ("/work", &spec.work), ("/rt/bin", &self.names)];
        let binds = spec.binds.iter().filter_map(|b| Some((b.inside.to_str()?, b.host.as_path())));
        let socket = spec.socket_dir.as_deref().map(|dir| ("/run/rt", dir));
        let known = fixed.into_iter().chain(socket).chain(binds);
        let matching = known.filter_map(|(inside, host)| {
            let rest = path.strip_prefix(inside)?;
            (rest.is_empty() || rest.starts_with('/'))
                .then(|| (inside.len(), format!("{}{rest}", host.display())))
        });
        matching.max_by_key(|(length, _)| *length).map_or_else(|| path.to_owned(), |(_, found)| found)
    }

    /// Each part of a value such as PATH by itself.
    fn outside_list(&self, spec: &SandboxSpec, value: &str) -> String {
        value.split(':').map(|part| self.outside(spec, part)).collect::<Vec<_>>().join(":")
    }

    fn environment(&self, spec: &SandboxSpec) -> Vec<(String, String)> {
        let own = [("PATH", PATH), ("HOME", "/home/agent"), ("LANG", "C.UTF-8")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let term = ("TERM".to_owned(), if spec.tty { "xterm-256color" } else { "dumb" }.to_owned());
        let replaced = |name: &str| spec.env.iter().any(|(given, _)| given == name);
        let kept = own.into_iter().chain([term]).filter(|(name, _)| !replaced(name));
        kept.chain(spec.env.iter().cloned())
            .map(|(name, value)| (name, self.outside_list(spec, &value)))
            .collect()
    }
}

impl Sandbox for AdvisorySandbox {
    fn tier(&self) -> Tier {
        Tier::Advisory
    }

    fn prepare(&self, spec: &SandboxSpec) -> Result<(), SandboxError> {
        let dirs = [Some(&spec.home), Some(&spec.work), spec.socket_dir.as_ref()];
        dirs.into_iter()
            .flatten()
            .try_for_each(|dir| private_dir(dir, None).map_err(|why| prepare(spec.owner.as_str(), why)))
    }

    fn launch(&self, spec: &SandboxSpec) -> Result<Launch, SandboxError> {
        if spec.argv.is_empty() {
            return Err(prepare(spec.owner.as_str(), "no program is named".into()));
        }
        let mut args = vec!["--".to_owned()];
        if let Some((port, dir)) = spec.forward_port.zip(spec.socket_dir.as_ref()) {
            let socket = dir.join("rt.sock").display().to_string();
            args.splice(0..0, ["--forward".into(), port.to_string(), socket]);
        }
        args.extend(spec.argv.iter().map(|arg| self.outside(spec, arg)));
        let plan = StarterPlan {
            staging: None,
            uid: None,
            limits: limits(&spec.limits, None),
            program: self.names.join("agents-init"),
            options: Vec::new(),
            files: Vec::new(),
            args,
            env: self.environment(spec),
            cwd: Some(self.outside(spec, &spec.cwd.to_string_lossy()).into()),
        };
        starter_launch(&self.binary, &plan, spec)
    }

    fn uid_of(&self, _: &PrincipalId) -> Option<u32> {
        None
    }

    fn hand_over_socket(&self, _: &PrincipalId, _: &Path) -> Result<(), SandboxError> {
        Ok(())
    }

    fn finish(&self, _: &SandboxSpec, _: u32) -> Result<(), SandboxError> {
        Ok(())
    }

    /// One row, which says that there is no wall.
    fn self_test(&self) -> Result<Vec<WallCheck>, SandboxError> {
        Ok(vec![WallCheck {
            attack: "anything".into(),
            held: false,
            detail: "ADVISORY: one uid and no sandbox, nothing is held back".into(),
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::sandbox::{Bind, Limits, Purpose};

    #[test]
    fn paths_of_the_inside_are_found_outside() {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = AdvisorySandbox::new(Path::new("/bin/true"), dir.path()).unwrap();
        let spec = SandboxSpec {
            owner: PrincipalId::new("dev-a").unwrap(),
            purpose: Purpose::Agent,
            home: "/h".into(),
            work: "/w".into(),
            socket_dir: Some("/s".into()),
            binds: vec![Bind { host: "/tools".into(), inside: "/work/tools".into(), writable: false }],
            env: vec![],
            argv: vec!["/rt/bin/agents-play".into()],
            cwd: "/work/src".into(),
            limits: Limits { memory_bytes: 1, processes: 1, file_bytes: 1, open_files: 1, tmp_bytes: 1 },
            tty: false,
            forward_port: None,
        };
        for (inside, outside) in [
            ("/work", "/w"),
            ("/work/a", "/w/a"),
            ("/work/tools/x", "/tools/x"),
            ("/workshop", "/workshop"),
            ("/run/rt/rt.sock", "/s/rt.sock"),
            ("--flag", "--flag"),
        ] {
            assert_eq!(sandbox.outside(&spec, inside), outside);
        }
        assert!(sandbox.outside_list(&spec, PATH).starts_with(&sandbox.names.display().to_string()));
    }
}
