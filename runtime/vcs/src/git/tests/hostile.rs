//! Repositories whose configuration names programs.

use super::*;

/// Configures every place of a repository that can name a program with one that leaves a mark.
fn arm(bench: &Bench, dir: &Path) -> std::path::PathBuf {
    let marks = bench.dir.path().join("marks");
    fs::create_dir_all(&marks).expect("mkdir");
    let script = bench.dir.path().join("evil.sh");
    fs::write(&script, format!("#!/bin/sh\necho \"$0 $*\" >> '{}/ran'\ncat 2>/dev/null\n", marks.display()))
        .expect("write");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    let git_dir = std::path::PathBuf::from(bench.git_at(dir, &["rev-parse", "--absolute-git-dir"]));
    let evil = script.to_str().expect("utf-8");
    let hooks = git_dir.join("hooks");
    fs::create_dir_all(&hooks).expect("mkdir");
    for hook in [
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "reference-transaction",
        "post-checkout",
        "post-merge",
        "pre-push",
        "post-index-change",
        "pre-auto-gc",
        "fsmonitor-watchman",
        "post-rewrite",
    ] {
        let _ = fs::remove_file(hooks.join(hook));
        symlink(&script, hooks.join(hook)).expect("link");
    }
    let ours = bench.repo.dir().to_str().expect("utf-8");
    let ext = format!("ext::{evil}");
    for (key, value) in [
        ("core.hooksPath", hooks.to_str().expect("utf-8")),
        ("core.fsmonitor", evil),
        ("core.sshCommand", evil),
        ("core.gitProxy", evil),
        ("core.askPass", evil),
        ("core.pager", evil),
        ("core.editor", evil),
        ("core.alternateRefsCommand", evil),
        ("credential.helper", evil),
        ("gpg.program", evil),
        ("diff.external", evil),
        ("diff.evil.textconv", evil),
        ("diff.evil.command", evil),
        ("merge.evil.driver", evil),
        ("filter.evil.clean", evil),
        ("filter.evil.smudge", evil),
        ("filter.evil.process", evil),
        (&format!("remote.{ours}.uploadpack"), evil),
        ("hook.evil.command", evil),
        ("hook.evil.event", "reference-transaction"),
        ("filter.evil.required", "true"),
        ("uploadpack.packObjectsHook", evil),
        ("remote.origin.uploadpack", evil),
        ("remote.origin.receivepack", evil),
        ("protocol.allow", "always"),
        ("protocol.ext.allow", "always"),
        ("transfer.credentialsInUrl", "allow"),
        ("log.showSignature", "true"),
        ("submodule.recurse", "true"),
        ("gc.auto", "1"),
        ("sequence.editor", evil),
        ("interactive.diffFilter", evil),
        ("trailer.x.command", evil),
    ] {
        bench.git_at(dir, &["config", key, value]);
    }
    bench
        .git_at(dir, &["config", &format!("url.{ext}.insteadOf"), bench.repo.dir().to_str().expect("utf-8")]);
    fs::create_dir_all(git_dir.join("info")).expect("mkdir");
    fs::write(git_dir.join("info/attributes"), "* filter=evil diff=evil merge=evil\n").expect("write");
    marks.join("ran")
}

#[test]
fn a_hostile_repository_runs_nothing() {
    for program in gits() {
        let (bench, head) = landed(&program);
        bench.commit(&[(".gitattributes", "* filter=evil diff=evil merge=evil\n")]);
        // A repository that borrows, so that the command for borrowed refs would be asked.
        let mirror = bench.dir.path().join("mirror.git");
        bench.git(&["clone", "-q", "--bare", ".", mirror.to_str().expect("utf-8")]);
        let alternates = bench.user.join(".git/objects/info/alternates");
        fs::write(alternates, format!("{}/objects\n", mirror.display())).expect("write");
        let main = bench.import();
        let Merge::Clean { tree } = bench.repo.merge(&main, &head).expect("merge") else {
            panic!("conflict")
        };
        let new = NewCommit {
            tree,
            parents: vec![main, head],
            author: system_at(1),
            committer: system_at(1),
            message: "land".into(),
            trailers: Vec::new(),
        };
        let merged = bench.repo.commit(&new, &|_| Ok(b"sig\n".to_vec())).expect("commit");
        let ran = arm(&bench, &bench.user);
        bench.repo.inspect_user_repo(&bench.user).expect("inspect");
        bench.repo.import_main(&bench.user, None).expect("import");
        fs::write(bench.user.join("keep"), "k\n").expect("same content, newer time");
        let branch = DeliveryTarget::Branch("refs/heads/foureyes/x".into());
        // The address is rewritten by the repository's own configuration: refused, not followed.
        let _ = bench.repo.deliver(&bench.user, &branch, &merged);
        let rewrite = format!("url.ext::{}", bench.dir.path().join("evil.sh").display());
        bench.git(&["config", "--remove-section", &rewrite]);
        bench.repo.deliver(&bench.user, &branch, &merged).expect("deliver to a branch");
        let delivered =
            bench.repo.deliver(&bench.user, &DeliveryTarget::Main("refs/heads/main".into()), &merged);
        assert!(delivered.expect("deliver to main").work_tree_updated);
        assert_eq!(fs::read_to_string(bench.user.join("a")).expect("read"), "2\n");
        let text = fs::read_to_string(&ran).unwrap_or_default();
        assert_eq!(text, "", "ran with {}", program.display());
    }
}

#[test]
fn the_trap_of_the_hostile_repository_works() {
    let bench = Bench::new();
    bench.commit(&[("a", "1\n")]);
    let ran = arm(&bench, &bench.user);
    let _ = bench.try_git(&bench.user, &["status"]);
    assert!(ran.exists(), "an ordinary git runs what the configuration names");
}
