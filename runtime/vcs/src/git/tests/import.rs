//! Importing the user's branch.

use super::*;

#[test]
fn any_head_branch_is_imported_and_followed() {
    for program in gits() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let bench = Bench::with(&program, "master", format);
            let first = bench.commit(&[("a", "1\n")]);
            let import = bench.repo.import_main(&bench.user, None).expect("first import");
            assert_eq!(
                (import.branch.as_str(), import.kind, &import.new),
                ("refs/heads/master", ImportKind::First, &first)
            );
            assert_eq!(bench.repo.import_main(&bench.user, None).expect("again").kind, ImportKind::Unchanged);
            let second = bench.commit(&[("a", "2\n")]);
            let import = bench.repo.import_main(&bench.user, Some("refs/heads/master")).expect("second");
            assert_eq!((import.kind, import.old), (ImportKind::FastForward, Some(first)));
            assert_eq!(bench.repo.ref_value("refs/heads/master").expect("ref"), Some(second));
            assert_eq!(bench.repo.object_format(), format);
        }
    }
}

#[test]
fn a_rewritten_or_diverged_branch_is_told_and_not_moved() {
    let bench = Bench::new();
    let first = bench.commit(&[("a", "1\n")]);
    let imported = bench.import();
    let landed = bench.commit(&[("b", "landed\n")]);
    bench.take("refs/heads/landed");
    let update =
        RefUpdate { name: "refs/heads/main".into(), old: Some(imported.clone()), new: Some(landed.clone()) };
    bench.repo.update_refs(&[update]).expect("land");
    bench.git(&["reset", "-q", "--hard", first.as_str()]);
    assert_eq!(bench.repo.import_main(&bench.user, None).expect("import").kind, ImportKind::Ahead);
    bench.commit(&[("c", "the user's\n")]);
    assert_eq!(bench.repo.import_main(&bench.user, None).expect("import").kind, ImportKind::Diverged);
    bench.git(&["commit", "-q", "--amend", "-m", "other"]);
    assert_eq!(bench.repo.import_main(&bench.user, None).expect("import").kind, ImportKind::Rewritten);
    assert_eq!(bench.repo.ref_value("refs/heads/main").expect("ref"), Some(landed));
}

#[test]
fn what_cannot_be_imported_says_what_mends_it() {
    let bench = Bench::new();
    let unborn = bench.repo.import_main(&bench.user, None).expect_err("unborn");
    assert!(matches!(&unborn, VcsError::Unborn { .. }), "{unborn}");
    bench.commit(&[("a", "1\n")]);
    let none = bench.repo.import_main(&bench.user, Some("refs/heads/nope")).expect_err("no such branch");
    assert!(matches!(none, VcsError::NoSuchRef { .. }), "{none}");
    bench.git(&["checkout", "-q", "--detach"]);
    let detached = bench.repo.import_main(&bench.user, None).expect_err("detached");
    assert!(matches!(detached, VcsError::DetachedHead(_)), "{detached}");
    bench.repo.import_main(&bench.user, Some("refs/heads/main")).expect("named branch");
    let plain = tempfile::TempDir::new().expect("temporary directory");
    let error = bench.repo.import_main(plain.path(), None).expect_err("no repository");
    assert!(matches!(&error, VcsError::NotARepository(_)), "{error}");
    let feature = bench.repo.import_main(&bench.user, Some("refs/heads/feature")).expect_err("collides");
    assert!(matches!(feature, VcsError::BadRefName { .. }), "{feature}");
}

#[test]
fn shallow_and_linked_and_submodule_repositories_are_imported() {
    for program in gits() {
        let bench = Bench::with(&program, "main", ObjectFormat::Sha1);
        (0..4).for_each(|i| drop(bench.commit(&[("a", &format!("{i}\n"))])));
        let shallow = bench.dir.path().join("shallow");
        let url = format!("file://{}", bench.user.display());
        bench.git(&["clone", "-q", "--depth=2", &url, shallow.to_str().expect("utf-8")]);
        assert!(bench.repo.inspect_user_repo(&shallow).expect("inspect").shallow);
        let import = bench.repo.import_main(&shallow, None).expect("shallow import");
        assert_eq!(import.kind, ImportKind::First);
        let linked = bench.dir.path().join("linked tree");
        bench.git(&["worktree", "add", "-q", "-b", "other", linked.to_str().expect("utf-8")]);
        let seen = bench.repo.inspect_user_repo(&linked).expect("linked");
        assert_eq!(
            (seen.head_branch.as_deref(), seen.root),
            (Some("refs/heads/other"), linked.canonicalize().expect("path"))
        );
    }
}

#[test]
fn a_second_opening_finds_the_same_repository() {
    let bench = Bench::with(&gits()[0], "main", ObjectFormat::Sha256);
    let tip = bench.commit(&[("a", "1\n")]);
    bench.import();
    fs::create_dir_all(bench.dir.path().join("state/tmp/1-left")).expect("mkdir");
    let again = GitRepository::init_authoritative(
        &bench.program,
        &bench.dir.path().join("state"),
        ObjectFormat::Sha1,
    );
    let again = again.expect("open");
    assert_eq!(again.object_format(), ObjectFormat::Sha256, "the repository decides");
    assert_eq!(again.ref_value("refs/heads/main").expect("ref"), Some(tip));
    assert_eq!(fs::read_dir(bench.dir.path().join("state/tmp")).expect("tmp").count(), 0);
}

#[test]
fn an_old_history_that_git_would_no_longer_make_is_imported() {
    for program in gits() {
        let bench = Bench::with(&program, "main", ObjectFormat::Sha1);
        bench.commit(&[("a", "1\n")]);
        let blob = bench.git(&["rev-parse", "HEAD:a"]);
        let bytes = (0..20).map(|i| u8::from_str_radix(&blob[2 * i..2 * i + 2], 16).expect("hex"));
        let raw: Vec<u8> = b"0100644 a\0".iter().copied().chain(bytes).collect();
        fs::write(bench.user.join(".git/raw"), raw).expect("write");
        let tree = bench.git(&["hash-object", "-t", "tree", "--literally", "-w", ".git/raw"]);
        let commit = bench.git(&["commit-tree", "-m", "old", "-p", "HEAD", &tree]);
        bench.git(&["update-ref", "refs/heads/main", &commit]);
        assert!(!bench.try_git(&bench.user, &["fsck", "--strict"]).status.success());
        let tip = bench.import();
        assert_eq!(bench.repo.read_blob(&tip, "a", 10).expect("read").as_deref(), Some(&b"1\n"[..]));
    }
}

#[test]
fn a_repository_of_another_uid_is_read_and_written() {
    for program in gits() {
        let (bench, head) = landed(&program);
        // Where an ordinary user runs the tests, the repository stays theirs: nothing is given away.
        for path in [bench.user.clone(), bench.user.join(".git")] {
            let _ = std::os::unix::fs::chown(path, Some(65_534), None);
        }
        bench.repo.import_main(&bench.user, None).expect("import");
        let target = DeliveryTarget::Main("refs/heads/main".into());
        assert!(bench.repo.deliver(&bench.user, &target, &head).expect("deliver").work_tree_updated);
    }
}
