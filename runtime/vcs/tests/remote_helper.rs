//! The remote helper between a real git and the served repository. This program is its own helper:
//! started under the helper's name (git finds it on PATH) it runs the helper, else the cases.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use foureyes_ports::vcs::{ObjectFormat, PushLimits, PushOutcome, Vcs, Visible, permit};
use foureyes_protocol::PrincipalId;
use foureyes_vcs::git::{GitRepository, find_git, remote_helper};
use std::{
    env, fs,
    io::Read,
    os::unix::{
        fs::symlink,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Command, ExitCode, Output, exit},
    thread,
    time::Duration,
};

fn main() -> ExitCode {
    let name = env::args_os().next().unwrap_or_default();
    if Path::new(&name).file_name().is_some_and(|n| n == "git-remote-agents") {
        exit(remote_helper::main(env::args_os()));
    }
    a_clone_a_push_and_a_dead_socket();
    // The closing line that a runner of many binaries counts; a panic above leaves it out.
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}

struct World {
    dir: tempfile::TempDir,
    repository: GitRepository,
}

impl World {
    fn git(&self, dir: &Path, args: &[&str]) -> Output {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.dir.path().join("bin").display());
        let who = [("GIT_AUTHOR_NAME", "dev-a"), ("GIT_AUTHOR_EMAIL", "dev-a@agents.invalid")];
        let committer = [("GIT_COMMITTER_NAME", "dev-a"), ("GIT_COMMITTER_EMAIL", "dev-a@agents.invalid")];
        let mut command = Command::new(find_git().expect("git"));
        command.env_clear().env("PATH", path).env("HOME", "/nonexistent").envs(who).envs(committer);
        command.current_dir(dir).args(args).output().expect("git runs")
    }

    fn ok(&self, dir: &Path, args: &[&str]) {
        let output = self.git(dir, args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Serves one connection as the gateway would, while the client runs.
    fn served(&self, listener: &UnixListener, dir: &Path, args: &[&str]) -> (String, Output) {
        thread::scope(|scope| {
            let client = scope.spawn(|| self.git(dir, args));
            let (stream, _) = listener.accept().expect("accept");
            let line = request_line(&stream);
            let role = PrincipalId::new("dev-a").expect("name");
            if line.contains("receive-pack") {
                let outcome =
                    self.repository.serve_push(&role, &stream, &PushLimits::default(), &|_, _| Ok(permit()));
                assert!(matches!(outcome.expect("served"), PushOutcome::Accepted(_)));
            } else {
                let time = Duration::from_secs(20);
                self.repository.serve_fetch(&stream, &Visible::AllBranches, time).expect("served");
            }
            drop(stream);
            (line, client.join().expect("client"))
        })
    }
}

/// Reads up to the line feed and not one byte more.
fn request_line(mut stream: &UnixStream) -> String {
    let (mut line, mut byte) = (String::new(), [0]);
    while !line.ends_with('\n') {
        stream.read_exact(&mut byte).expect("request line");
        line.push(char::from(byte[0]));
    }
    line
}

fn a_clone_a_push_and_a_dead_socket() {
    let dir = tempfile::TempDir::new().expect("temporary directory");
    let (bin, user) = (dir.path().join("bin"), dir.path().join("user"));
    fs::create_dir(&bin).expect("mkdir");
    fs::create_dir(&user).expect("mkdir");
    symlink(env::current_exe().expect("own path"), bin.join("git-remote-agents")).expect("link");
    let state = dir.path().join("state");
    let repository = GitRepository::init_authoritative(&find_git().expect("git"), &state, ObjectFormat::Sha1)
        .expect("init");
    let socket = dir.path().join("rt.sock");
    let listener = UnixListener::bind(&socket).expect("bind");
    let address = format!("agents::{}#repo", socket.display());
    let world = World { dir, repository };
    world.ok(&user, &["init", "-q", "-b", "main"]);
    world.ok(&user, &["commit", "-q", "--allow-empty", "-m", "first"]);
    world.repository.import_main(&user, None).expect("import");
    let (line, client) = world.served(&listener, &user, &["clone", "-q", &address, "../clone"]);
    assert_eq!(line, "GIT1 upload-pack repo\n");
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    let clone = user.with_file_name("clone");
    world.ok(&clone, &["commit", "-q", "--allow-empty", "-m", "second"]);
    let (line, client) =
        world.served(&listener, &clone, &["push", "-q", "origin", "HEAD:refs/heads/feature/x"]);
    assert_eq!(line, "GIT1 receive-pack repo\n");
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    assert!(world.repository.ref_value("refs/heads/feature/x").expect("ref").is_some());
    drop(listener);
    let dead = world.git(&clone, &["fetch"]);
    assert!(String::from_utf8_lossy(&dead.stderr).contains("does not answer"), "the socket is named");
}
