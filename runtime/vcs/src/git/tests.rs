//! The authoritative repository against real git, every version that this machine has.

use super::{
    GitRepository,
    testing::{Bench, gits, id, plain_git, system_at},
};
use foureyes_ports::vcs::{
    CloneSpec, DeliveryTarget, ImportKind, Merge, NewBlob, NewCommit, ObjectFormat, PushLimits, PushOutcome,
    PushRequest, RefUpdate, Refusal, Vcs, VcsError, Visible,
};
use foureyes_protocol::{CommitId, FileChange, PrincipalId, change::FileStatus};
use proptest::prelude::*;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

const FEATURE: &str = "refs/heads/feature/login";

fn accept(_: &PushRequest, _: &dyn Vcs) -> Result<(), Refusal> {
    Ok(())
}

fn file<'a>(files: &'a [FileChange], path: &str) -> &'a FileChange {
    files.iter().find(|f| f.path == path).unwrap_or_else(|| panic!("{path} in {files:?}"))
}

fn numbered(n: usize) -> String {
    (0..n).map(|i| format!("line {i}\n")).collect()
}

/// A bench whose user has `main` imported and then a feature commit, taken as the feature branch.
fn changed(program: &Path, before: &[(&str, &str)], after: &[(&str, &str)]) -> (Bench, CommitId, CommitId) {
    let bench = Bench::with(program, "main", ObjectFormat::Sha1);
    bench.commit(before);
    let main = bench.import();
    bench.git(&["checkout", "-q", "-b", "work"]);
    bench.commit(after);
    let head = bench.take(FEATURE);
    (bench, main, head)
}

// Import.

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

// Changes.

#[test]
fn a_change_is_counted_from_blobs() {
    for program in gits() {
        let (bench, main, head) = changed(
            &program,
            &[("a.txt", &numbered(10)), ("gone", "x\ny\n"), ("ünï cödé", "a\n"), ("crlf", "a\r\nb\r\n")],
            &[
                ("a.txt", &(numbered(9) + "line nine\nand a tenth\n")),
                ("ünï cödé", "b\n"),
                ("crlf", "a\nb\n"),
                ("new", "1\n2"),
            ],
        );
        fs::remove_file(bench.user.join("gone")).expect("remove");
        bench.commit(&[("tab\tand \"quote\"", "z\n")]);
        let head = {
            drop(head);
            bench.take(FEATURE)
        };
        let change = bench.repo.change_summary(&main, &head).expect("summary");
        let counts = |path| {
            let f = file(&change.files, path);
            (f.status, f.added, f.deleted)
        };
        assert_eq!(counts("a.txt"), (FileStatus::Modified, 2, 1));
        assert_eq!(counts("gone"), (FileStatus::Deleted, 0, 2));
        assert_eq!(counts("new"), (FileStatus::Added, 2, 0));
        assert_eq!(counts("crlf"), (FileStatus::Modified, 2, 2));
        assert_eq!(counts("ünï cödé"), (FileStatus::Modified, 1, 1));
        assert_eq!(counts("tab\tand \"quote\""), (FileStatus::Added, 1, 0));
        assert_eq!(change.contributors, ["dev-a"]);
        assert_eq!(change.base, main);
        assert_eq!(change.head_tree, id(&bench.git(&["rev-parse", "HEAD^{tree}"])));
        assert_eq!(change.base_tree, id(&bench.git(&["rev-parse", "main^{tree}"])));
    }
}

#[test]
fn attributes_cannot_hide_a_line() {
    for program in gits() {
        let lie = "* -diff binary linguist-generated\n*.txt -text diff=x merge=ours eol=crlf export-ignore\n";
        let (bench, main, head) = changed(
            &program,
            &[("a.txt", "1\n"), (".gitattributes", lie)],
            &[("a.txt", "2\n3\n"), ("b.bin", &numbered(300))],
        );
        // Also from the tip that HEAD of a bare repository names.
        let update =
            RefUpdate { name: "refs/heads/main".into(), old: Some(main.clone()), new: Some(head.clone()) };
        bench.repo.update_refs(&[update]).expect("move");
        let change = bench.repo.change_summary(&main, &head).expect("summary");
        let text = file(&change.files, "a.txt");
        assert_eq!((text.added, text.deleted, text.binary), (2, 1, false));
        assert_eq!(file(&change.files, "b.bin").added, 300);
        assert_eq!(change.lines(), 303);
        let diff = bench.repo.diff_text(&main, &head, &["a.txt".into()], 4096).expect("diff");
        assert!(
            diff.text.contains("+2\n+3\n") && !diff.text.contains("b.bin") && !diff.truncated,
            "{}",
            diff.text
        );
        assert!(bench.repo.diff_text(&main, &head, &[], 100).expect("cut").truncated);
    }
}

#[test]
fn renames_modes_links_and_binaries_are_seen() {
    for program in gits() {
        let bench = Bench::with(&program, "main", ObjectFormat::Sha1);
        bench.commit(&[("old.rs", &numbered(40)), ("run.sh", "#!\n"), ("plain", "x\n"), ("bin", "a\n")]);
        let main = bench.import();
        bench.git(&["checkout", "-q", "-b", "work"]);
        fs::remove_file(bench.user.join("old.rs")).expect("remove");
        fs::set_permissions(bench.user.join("run.sh"), fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::remove_file(bench.user.join("plain")).expect("remove");
        symlink("run.sh", bench.user.join("plain")).expect("link");
        fs::write(bench.user.join("bin"), b"a\0b\n").expect("write");
        let wide = format!("{}\n", "w".repeat(40_000));
        bench.commit(&[("dir/new.rs", &(numbered(40) + "one more\n")), ("min.js", &wide)]);
        let head = bench.take(FEATURE);
        let change = bench.repo.change_summary(&main, &head).expect("summary");
        let renamed = file(&change.files, "dir/new.rs");
        assert_eq!(
            (renamed.status, renamed.old_path.as_deref(), renamed.lines()),
            (FileStatus::Renamed, Some("old.rs"), 1)
        );
        let mode = file(&change.files, "run.sh");
        assert!(mode.mode_changed() && mode.lines() == 0 && mode.widest_line == 0, "{mode:?}");
        assert!(file(&change.files, "plain").is_symlink());
        let binary = file(&change.files, "bin");
        assert!(binary.binary && binary.lines() == 0, "{binary:?}");
        assert_eq!(file(&change.files, "min.js").widest_line, 40_000);
    }
}

#[test]
fn a_submodule_bump_is_a_file_of_its_own_kind() {
    let bench = Bench::new();
    bench.commit(&[("a", "1\n")]);
    let main = bench.import();
    bench.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{main},sub")]);
    bench.git(&["commit", "-q", "-m", "sub"]);
    let head = bench.take(FEATURE);
    let change = bench.repo.change_summary(&main, &head).expect("summary");
    assert!(file(&change.files, "sub").is_submodule());
    let out = bench.dir.path().join("out");
    bench.repo.checkout_tree(&head, &out).expect("checkout");
    assert!(out.join("sub").is_dir());
}

#[test]
fn histories_that_no_single_difference_describes_are_refused() {
    for program in gits() {
        let bench = Bench::with(&program, "main", ObjectFormat::Sha1);
        bench.commit(&[("a", "1\n")]);
        bench.git(&["checkout", "-q", "-b", "left"]);
        bench.commit(&[("l", "1\n")]);
        bench.git(&["checkout", "-q", "-b", "right", "main"]);
        bench.commit(&[("r", "1\n")]);
        bench.git(&["checkout", "-q", "main"]);
        let main = bench.import();
        bench.git(&["checkout", "-q", "-b", "octopus", "main"]);
        bench.commit(&[("o", "1\n")]);
        bench.git(&["merge", "-q", "--no-edit", "left", "right"]);
        let octopus = bench.take(FEATURE);
        let error = bench.repo.change_summary(&main, &octopus).expect_err("octopus");
        assert!(matches!(error, VcsError::Octopus(_)), "{error}");
        bench.git(&["checkout", "-q", "-b", "cross1", "left"]);
        bench.git(&["merge", "-q", "--no-edit", "right"]);
        let one = bench.take("refs/heads/one");
        bench.git(&["checkout", "-q", "-b", "cross2", "right"]);
        bench.git(&["merge", "-q", "--no-edit", "left"]);
        let two = bench.take("refs/heads/two");
        let error = bench.repo.change_summary(&one, &two).expect_err("criss-cross");
        assert!(matches!(error, VcsError::SeveralMergeBases { count: 2, .. }), "{error}");
        bench.git(&["checkout", "-q", "--orphan", "alone"]);
        bench.commit(&[("x", "1\n")]);
        let alone = bench.take("refs/heads/alone");
        let error = bench.repo.change_summary(&main, &alone).expect_err("unrelated");
        assert!(matches!(error, VcsError::NoMergeBase { .. }), "{error}");
        assert!(matches!(bench.repo.merge(&main, &alone), Err(VcsError::NoMergeBase { .. })));
    }
}

#[test]
fn the_range_holds_every_commit_that_a_merge_brings_in() {
    let bench = Bench::new();
    bench.commit(&[("a", "1\n")]);
    let main = bench.import();
    bench.git(&["checkout", "-q", "-b", "side"]);
    bench.commit_at(&bench.user.clone(), "dev-b", &[("s", "1\n")]);
    bench.git(&["checkout", "-q", "-b", "work", "main"]);
    bench.commit(&[("w", "1\n")]);
    bench.git(&["merge", "-q", "--no-edit", "side"]);
    let head = bench.take(FEATURE);
    let commits = bench.repo.commits_between(&main, &head).expect("range");
    assert_eq!(commits.len(), 3);
    assert_eq!(commits.last().map(|c| (c.id.clone(), c.parents.len())), Some((head.clone(), 2)));
    let raw = plain_git(&bench.program)
        .current_dir(&bench.user)
        .args(["cat-file", "commit", head.as_str()])
        .output();
    assert_eq!(commits[2].signed_payload, raw.expect("git").stdout, "an unsigned commit is its own payload");
    assert_eq!(bench.repo.change_summary(&main, &head).expect("summary").contributors, ["dev-a", "dev-b"]);
    assert!(bench.repo.is_ancestor(&main, &head).expect("ancestor"));
    assert!(!bench.repo.is_ancestor(&head, &main).expect("ancestor"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn lines_are_counted_as_git_counts_them(
        pairs in proptest::collection::vec((proptest::collection::vec("[abc\r]{0,2}", 0..30), proptest::collection::vec("[abc\r]{0,2}", 0..30)), 1..12),
    ) {
        let bench = Bench::new();
        let names: Vec<String> = (0..pairs.len()).map(|i| format!("f{i}")).collect();
        let side = |pick: fn(&(Vec<String>, Vec<String>)) -> &Vec<String>| -> Vec<(String, String)> {
            names.iter().cloned().zip(pairs.iter().map(|p| pick(p).join("\n"))).collect()
        };
        let (old, new) = (side(|p| &p.0), side(|p| &p.1));
        let refs = |v: &[(String, String)]| v.to_vec();
        let put = |v: Vec<(String, String)>| {
            let files: Vec<(&str, &str)> = v.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            bench.commit(&files)
        };
        put(refs(&old));
        let main = bench.import();
        put(refs(&new));
        let head = bench.take(FEATURE);
        let change = bench.repo.change_summary(&main, &head).expect("summary");
        let shown = bench.git(&["diff", "--no-renames", "--numstat", "HEAD~1", "HEAD"]);
        let expected: u64 = shown.lines().flat_map(|l| l.split('\t').take(2)).map(|n| n.parse::<u64>().expect("count")).sum();
        prop_assert_eq!(change.lines(), expected);
    }
}

// Reading, composing, merging, committing.

#[test]
fn blobs_and_trees_are_read() {
    let bench = Bench::new();
    let commit = bench.commit(&[("a/b.txt", "hello\n"), ("sp ace", "x")]);
    bench.import();
    assert_eq!(
        bench.repo.read_blob(&commit, "a/b.txt", 100).expect("read").as_deref(),
        Some(&b"hello\n"[..])
    );
    assert_eq!(bench.repo.read_blob(&commit, "a", 100).expect("a directory is no file"), None);
    assert_eq!(bench.repo.read_blob(&commit, "nope", 100).expect("absent"), None);
    assert!(matches!(bench.repo.read_blob(&commit, "a/b.txt", 3), Err(VcsError::TooLarge { .. })));
    assert!(matches!(bench.repo.read_blob(&commit, "../x", 3), Err(VcsError::UnsafePath { .. })));
    let paths: Vec<String> =
        bench.repo.list_tree(&commit).expect("list").into_iter().map(|e| e.path).collect();
    assert_eq!(paths, ["a/b.txt", "sp ace"]);
}

#[test]
fn a_tree_is_composed_of_a_base_and_the_files_of_another() {
    let (bench, main, head) = changed(
        &gits()[0],
        &[("src", "file\n"), ("gone", "1\n"), ("kept", "k\n")],
        &[("tests/t", "new\n"), ("kept", "changed\n")],
    );
    let paths = ["tests/t".to_owned(), "gone".to_owned(), "absent".to_owned()];
    fs::remove_file(bench.user.join("gone")).expect("remove");
    fs::remove_file(bench.user.join("src")).expect("remove");
    bench.commit(&[("src/lib", "in a directory now\n")]);
    let head = {
        drop(head);
        bench.take(FEATURE)
    };
    let tree = bench.repo.compose_tree(&main, &head, &paths).expect("compose");
    let read = |path: &str| {
        bench.repo.read_blob(&tree, path, 100).expect("read").map(|b| String::from_utf8(b).expect("utf-8"))
    };
    assert_eq!(read("tests/t").as_deref(), Some("new\n"));
    assert_eq!(read("kept").as_deref(), Some("k\n"));
    assert_eq!(read("gone"), None);
    let tree = bench
        .repo
        .compose_tree(&main, &head, &["src/lib".to_owned()])
        .expect("a file gives way to a directory");
    assert_eq!(bench.repo.list_tree(&tree).expect("list").len(), 3);
    let blob = NewBlob { path: "src".into(), mode: 0o100_644, content: b"inline\n".to_vec() };
    let tree = bench.repo.compose_tree_with_blobs(&main, &[blob]).expect("compose");
    assert_eq!(bench.repo.read_blob(&tree, "src", 100).expect("read").as_deref(), Some(&b"inline\n"[..]));
    let evil = NewBlob { path: ".git/hooks/x".into(), mode: 0o100_755, content: Vec::new() };
    assert!(matches!(bench.repo.compose_tree_with_blobs(&main, &[evil]), Err(VcsError::UnsafePath { .. })));
    assert!(bench.repo.compose_tree(&main, &head, &["../x".to_owned()]).is_err());
}

#[test]
fn merges_are_clean_or_name_the_paths() {
    for program in gits() {
        let union = "* merge=union\n";
        let (bench, _, head) =
            changed(&program, &[("a", "1\n"), (".gitattributes", union)], &[("a", "2\n"), ("b", "b\n")]);
        bench.git(&["checkout", "-q", "main"]);
        bench.commit(&[("c", "c\n")]);
        let main = bench.import();
        let Merge::Clean { tree } = bench.repo.merge(&main, &head).expect("merge") else {
            panic!("conflict")
        };
        assert_eq!(bench.repo.list_tree(&tree).expect("list").len(), 4);
        bench.commit(&[("a", "3\n")]);
        let main = bench.import();
        let merge = bench.repo.merge(&main, &head).expect("merge");
        assert_eq!(merge, Merge::Conflict { paths: vec!["a".to_owned()] }, "an attribute may not settle it");
    }
}

#[test]
fn a_commit_of_the_runtime_is_what_git_reads() {
    for program in gits() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let bench = Bench::with(&program, "main", format);
            let parent = bench.commit(&[("a", "1\n")]);
            bench.import();
            let tree = bench.repo.commit_info(&parent).expect("info").tree;
            let new = NewCommit {
                tree,
                parents: vec![parent],
                author: system_at(1_700_000_000),
                committer: system_at(1_700_000_001),
                message: "feat: login".into(),
                trailers: vec![("Foureyes-Feature".into(), "login".into())],
            };
            let signature = b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
            let covered = std::cell::RefCell::new(Vec::new());
            let sign = |bytes: &[u8]| {
                *covered.borrow_mut() = bytes.to_vec();
                Ok(signature.to_vec())
            };
            let commit = bench.repo.commit(&new, &sign).expect("commit");
            let info = bench.repo.commit_info(&commit).expect("info");
            assert_eq!(info.signed_payload, *covered.borrow());
            assert_eq!(info.signature.as_deref(), Some(&signature[..]));
            assert_eq!((info.committer.seconds, info.irregular), (1_700_000_001, None));
            bench.git_at(bench.repo.dir(), &["fsck", "--strict"]);
            let shown = bench.git_at(
                bench.repo.dir(),
                &[
                    "log",
                    "-1",
                    "--format=%s|%(trailers:key=Foureyes-Feature,valueonly,separator=%x2C)",
                    commit.as_str(),
                ],
            );
            assert_eq!(shown, "feat: login|login");
            let refused = bench.repo.commit(&new, &|_| Err("frozen".into())).expect_err("refused");
            assert!(refused.to_string().contains("frozen"), "{refused}");
        }
    }
}

#[test]
fn refs_move_only_from_where_they_are_believed_to_be() {
    let bench = Bench::new();
    let one = bench.commit(&[("a", "1\n")]);
    let two = bench.commit(&[("a", "2\n")]);
    bench.import();
    let update = |name: &str, old: Option<&CommitId>, new: Option<&CommitId>| RefUpdate {
        name: name.to_owned(),
        old: old.cloned(),
        new: new.cloned(),
    };
    bench.repo.update_refs(&[update(FEATURE, None, Some(&one))]).expect("create");
    let error = bench.repo.update_refs(&[update(FEATURE, None, Some(&two))]).expect_err("exists");
    assert!(matches!(error, VcsError::RefMoved { .. }), "{error}");
    let both = [update("refs/heads/feature/x", None, Some(&one)), update(FEATURE, Some(&two), Some(&two))];
    assert!(bench.repo.update_refs(&both).is_err());
    assert_eq!(bench.repo.ref_value("refs/heads/feature/x").expect("ref"), None, "all or none");
    bench.repo.update_refs(&[update(FEATURE, Some(&one), Some(&two))]).expect("move");
    assert_eq!(bench.repo.refs("refs/heads/feature/").expect("refs").len(), 1);
    bench.repo.update_refs(&[update(FEATURE, Some(&two), None)]).expect("delete");
    assert_eq!(bench.repo.ref_value(FEATURE).expect("ref"), None);
    assert!(matches!(bench.repo.ref_value("refs/heads/a b"), Err(VcsError::BadRefName { .. })));
}

// Checkout.

#[test]
fn a_checkout_is_byte_for_byte() {
    let bench = Bench::new();
    let attributes = "*.txt text eol=crlf\n*.bin filter=evil\n*.id ident\n";
    bench.commit(&[(".gitattributes", attributes), ("run.sh", "#!/bin/sh\n")]);
    fs::set_permissions(bench.user.join("run.sh"), fs::Permissions::from_mode(0o755)).expect("chmod");
    symlink("../run.sh", {
        fs::create_dir(bench.user.join("d")).expect("mkdir");
        bench.user.join("d/link")
    })
    .expect("link");
    let commit = bench.commit(&[
        ("a.txt", "one\ntwo\n"),
        ("x.bin", "raw\n"),
        ("v.id", "$Id$\n"),
        ("deep/er/ü", "u\n"),
    ]);
    bench.import();
    let out = bench.dir.path().join("out");
    bench.repo.checkout_tree(&commit, &out).expect("checkout");
    let read = |path: &str| fs::read_to_string(out.join(path)).expect(path);
    assert_eq!(
        (read("a.txt").as_str(), read("v.id").as_str(), read("deep/er/ü").as_str()),
        ("one\ntwo\n", "$Id$\n", "u\n")
    );
    assert_eq!(fs::read_link(out.join("d/link")).expect("link"), Path::new("../run.sh"));
    assert_eq!(fs::metadata(out.join("run.sh")).expect("file").permissions().mode() & 0o111, 0o111);
    assert!(bench.repo.checkout_tree(&commit, &out).is_err(), "the directory is no longer empty");
    symlink("/etc/passwd", bench.user.join("out")).expect("link");
    let commit = bench.commit(&[]);
    bench.import();
    let error =
        bench.repo.checkout_tree(&commit, &bench.dir.path().join("other")).expect_err("leaves the tree");
    assert!(matches!(error, VcsError::UnsafePath { .. }), "{error}");
}

// Clones.

fn clone_spec(bench: &Bench, name: &str, start: &CommitId) -> CloneSpec {
    CloneSpec {
        dir: bench.dir.path().join(name),
        role: PrincipalId::new("dev-a").expect("name"),
        branch: FEATURE.to_owned(),
        start: start.clone(),
        signing_key: Some("ABCD".to_owned()),
        borrow_at: None,
        config: vec![("commit.template".to_owned(), "a \"quoted\" \\ value".to_owned())],
    }
}

#[test]
fn an_agent_clone_is_complete_and_configured() {
    for program in gits() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let bench = Bench::with(&program, "master", format);
            let main = {
                bench.commit(&[("src/a b", "1\n")]);
                bench.import()
            };
            let spec = clone_spec(&bench, "clone", &main);
            bench.repo.clone_for_agent(&spec).expect("clone");
            let git = |args: &[&str]| bench.git_at(&spec.dir, args);
            assert_eq!(git(&["symbolic-ref", "HEAD"]), FEATURE);
            assert_eq!(git(&["status", "--porcelain"]), "");
            assert_eq!(git(&["config", "user.email"]), "dev-a@agents.invalid");
            assert_eq!(git(&["config", "gpg.program"]), "agents-gpg");
            assert_eq!(git(&["config", "remote.origin.url"]), "agents::repo");
            assert_eq!(git(&["config", "commit.template"]), "a \"quoted\" \\ value");
            assert_eq!(git(&["rev-parse", "refs/remotes/origin/master"]), main.to_string());
            assert!(!spec.dir.join(".git/objects/info/alternates").exists());
            assert!(!spec.dir.join(".git/hooks").exists());
            git(&["fsck"]);
        }
    }
}

#[test]
fn a_large_clone_borrows_only_what_the_target_branch_reaches() {
    let bench = Bench::new();
    let main = {
        bench.commit(&[("a", "1\n")]);
        bench.import()
    };
    let store = bench.repo.refresh_main_store("refs/heads/main").expect("store");
    bench.git(&["checkout", "-q", "-b", "secret"]);
    let secret = bench.commit(&[("s", "not on the target branch\n")]);
    bench.take("refs/heads/feature/secret");
    bench.repo.refresh_main_store("refs/heads/main").expect("again");
    assert!(!bench.try_git(&store, &["cat-file", "-e", secret.as_str()]).status.success());
    let mut spec = clone_spec(&bench, "clone", &main);
    spec.borrow_at = Some(store.clone());
    bench.repo.clone_for_agent(&spec).expect("clone");
    let alternates = fs::read_to_string(spec.dir.join(".git/objects/info/alternates")).expect("alternates");
    assert_eq!(alternates, format!("{}/objects\n", store.display()));
    assert_eq!(bench.git_at(&spec.dir, &["status", "--porcelain"]), "");
    assert_eq!(bench.git_at(&spec.dir, &["log", "-1", "--format=%H"]), main.to_string());
}

// Pushes and fetches.

/// A bench with `main` imported, and a clone with one commit more on the feature.
fn pushing(program: &Path) -> (Bench, std::path::PathBuf, CommitId) {
    let bench = Bench::with(program, "main", ObjectFormat::Sha1);
    bench.commit(&[("a", "1\n")]);
    bench.import();
    let clone = bench.plain_clone("clone");
    bench.git_at(&clone, &["checkout", "-q", "-b", "feature/login"]);
    let tip = bench.commit_at(&clone, "dev-a", &[("b", "2\n")]);
    (bench, clone, tip)
}

#[test]
fn an_accepted_push_moves_its_ref() {
    for program in gits() {
        let (bench, clone, tip) = pushing(&program);
        let main = bench.repo.ref_value("refs/heads/main").expect("ref").expect("main");
        let judge = |request: &PushRequest, view: &dyn Vcs| {
            assert_eq!(request.role.as_str(), "dev-a");
            assert_eq!(
                request.updates,
                [RefUpdate { name: FEATURE.into(), old: None, new: Some(tip.clone()) }]
            );
            assert_eq!(view.change_summary(&main, &tip).expect("seen in quarantine").lines(), 1);
            assert!(bench.repo.commit_info(&tip).is_err(), "not outside of it");
            Ok(())
        };
        let (outcome, client) = bench.push(&clone, &["feature/login"], &judge);
        let told = String::from_utf8_lossy(&client.stderr);
        assert!(matches!(outcome.expect("served"), PushOutcome::Accepted(ref u) if u.len() == 1), "{told}");
        assert!(client.status.success(), "{told}");
        assert_eq!(bench.repo.ref_value(FEATURE).expect("ref"), Some(tip.clone()));
        bench.repo.commit_info(&tip).expect("kept");
        // Another branch at the same commit needs an empty pack only.
        let (outcome, _) = bench.push(&clone, &["feature/login:feature/other"], &accept);
        assert!(matches!(outcome.expect("served"), PushOutcome::Accepted(_)));
        let (outcome, client) = bench.push(&clone, &["feature/login"], &accept);
        assert_eq!(outcome.expect("nothing to do"), PushOutcome::Nothing);
        assert!(client.status.success());
        bench.repo.maintain().expect("maintenance");
        bench.git_at(bench.repo.dir(), &["fsck", "--strict"]);
    }
}

#[test]
fn a_refused_push_is_refused_whole_and_leaves_nothing() {
    for program in gits() {
        let (bench, clone, tip) = pushing(&program);
        let judge = |_: &PushRequest, _: &dyn Vcs| {
            Err(Refusal {
                lines: vec![
                    "commit 1 is unsigned; run git commit --amend -S\x1b[31m".into(),
                    "second line".into(),
                ],
            })
        };
        let (outcome, client) = bench.push(&clone, &["feature/login", "feature/login:main"], &judge);
        let told = String::from_utf8_lossy(&client.stderr);
        assert!(
            matches!(outcome.expect("served"), PushOutcome::Refused { ref updates, .. } if updates.len() == 2)
        );
        assert!(!client.status.success());
        assert!(told.contains("remote: commit 1 is unsigned; run git commit --amend -S[31m"), "{told}");
        assert!(told.contains("remote: second line"), "{told}");
        assert_eq!(bench.repo.ref_value(FEATURE).expect("ref"), None);
        assert!(bench.repo.commit_info(&tip).is_err());
        assert_eq!(fs::read_dir(bench.dir.path().join("state/tmp")).expect("tmp").count(), 0);
    }
}

#[test]
fn force_deletion_tags_and_other_refs_never_reach_the_judge() {
    let (bench, clone, _) = pushing(&gits()[0]);
    bench.push(&clone, &["feature/login"], &accept).0.expect("first");
    let before = bench.repo.refs("refs/").expect("refs");
    bench.git_at(&clone, &["commit", "-q", "--amend", "-m", "rewritten"]);
    bench.git_at(&clone, &["tag", "v1"]);
    let judge = |_: &PushRequest, _: &dyn Vcs| -> Result<(), Refusal> { panic!("asked") };
    for (args, says) in [
        (&["-f", "feature/login"][..], "would lose commits"),
        (&["--delete", "feature/login"], "not deleted by a push"),
        (&["v1"], "no branch"),
        (&["HEAD:refs/foureyes/imported"], "no branch"),
        (&["HEAD:refs/notes/x"], "no branch"),
    ] {
        let (outcome, client) = bench.push(&clone, args, &judge);
        let told = String::from_utf8_lossy(&client.stderr);
        assert!(matches!(outcome.expect("served"), PushOutcome::Refused { .. }), "{args:?}: {told}");
        assert!(told.contains(says), "{args:?}: {told}");
    }
    assert_eq!(bench.repo.refs("refs/").expect("refs"), before);
}

#[test]
fn two_pushes_of_one_ref_do_not_both_land() {
    let (bench, clone, tip) = pushing(&gits()[0]);
    let main = bench.repo.ref_value("refs/heads/main").expect("ref");
    let race = |_: &PushRequest, _: &dyn Vcs| {
        let other = RefUpdate { name: FEATURE.into(), old: None, new: main.clone() };
        bench.repo.update_refs(&[other]).expect("the other push");
        Ok(())
    };
    let (outcome, _) = bench.push(&clone, &["feature/login"], &race);
    let PushOutcome::Refused { lines, .. } = outcome.expect("served") else { panic!("accepted") };
    assert!(lines[0].contains("moved meanwhile"), "{lines:?}");
    assert_ne!(bench.repo.ref_value(FEATURE).expect("ref"), Some(tip));
}

#[test]
fn bad_objects_and_large_packs_are_refused() {
    let (bench, clone, _) = pushing(&gits()[0]);
    let limits = PushLimits { pack_bytes: 4096, ..PushLimits::default() };
    let mut noise = 1_u64;
    let random: String = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + ((noise >> 33) % 90) as u8)
    })
    .take(60_000)
    .collect();
    bench.commit_at(&clone, "dev-a", &[("big", &random)]);
    let (outcome, client) = bench.push_limited(&clone, &["feature/login"], &limits, &accept);
    assert!(matches!(outcome.expect("served"), PushOutcome::Refused { .. }));
    assert!(String::from_utf8_lossy(&client.stderr).contains("objects were not taken"));
    // A tree with a `.git` entry, which fsck knows to be an attack.
    let blob = bench.git_at(&clone, &["rev-parse", "HEAD:a"]);
    let listing = clone.join("listing");
    fs::write(&listing, format!("100644 blob {blob}\t.git\n")).expect("write");
    let script = format!("git mktree < '{}'", listing.display());
    let tree =
        plain_git(Path::new("/bin/sh")).current_dir(&clone).args(["-c", &script]).output().expect("sh");
    let tree = String::from_utf8_lossy(&tree.stdout).trim().to_owned();
    let evil = bench.git_at(&clone, &["commit-tree", "-m", "evil", "-p", "HEAD", &tree]);
    let (outcome, _) = bench.push(&clone, &[&format!("{evil}:refs/heads/feature/evil")], &accept);
    let PushOutcome::Refused { lines, .. } = outcome.expect("served") else { panic!("accepted") };
    assert!(lines[0].contains("objects were not taken"), "{lines:?}");
    assert_eq!(bench.repo.refs("refs/heads/feature/").expect("refs").len(), 0);
}

#[test]
fn shallow_clones_and_incomplete_packs_are_refused() {
    let (bench, _, _) = pushing(&gits()[0]);
    bench.commit(&[("a", "2\n")]);
    bench.import();
    let shallow = bench.dir.path().join("shallow");
    let url = format!("file://{}", bench.repo.dir().display());
    bench.git(&["clone", "-q", "--depth=1", &url, shallow.to_str().expect("utf-8")]);
    bench.commit_at(&shallow, "dev-a", &[("s", "1\n")]);
    let (outcome, _) = bench.push(&shallow, &["HEAD:refs/heads/feature/s"], &accept);
    let PushOutcome::Refused { lines, .. } = outcome.expect("served") else { panic!("accepted") };
    assert!(lines[0].contains("shallow"), "{lines:?}");
}

#[test]
fn a_fetch_shows_only_what_its_reader_may_see() {
    for program in gits() {
        let (bench, clone, tip) = pushing(&program);
        bench.push(&clone, &["feature/login"], &accept).0.expect("push");
        let only = Visible::Only(vec!["refs/heads/main".to_owned()]);
        let (served, client) = bench.fetch(&bench.user, &["ls-remote", "fd::7"], &only);
        served.expect("served");
        let listed = String::from_utf8_lossy(&client.stdout).into_owned();
        assert!(
            listed.contains("refs/heads/main") && !listed.contains("feature") && !listed.contains("foureyes"),
            "{listed}"
        );
        let (_, client) =
            bench.fetch(&bench.user, &["-c", "protocol.version=2", "fetch", "fd::7", tip.as_str()], &only);
        assert!(!client.status.success(), "a hidden commit is not given by its id");
        let (served, client) =
            bench.fetch(&bench.user, &["fetch", "-q", "fd::7", "feature/login"], &Visible::AllBranches);
        served.expect("served");
        assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
        bench.git(&["cat-file", "-e", tip.as_str()]);
    }
}

// Delivery.

/// A bench whose authoritative repository holds a commit on top of the user's `main`.
fn landed(program: &Path) -> (Bench, CommitId) {
    let (bench, _, head) =
        changed(program, &[("a", "1\n"), ("keep", "k\n")], &[("a", "2\n"), ("new/file", "n\n")]);
    bench.git(&["checkout", "-q", "main"]);
    bench.git(&["branch", "-q", "-D", "work"]);
    (bench, head)
}

#[test]
fn a_delivery_to_a_branch_leaves_the_work_tree_alone() {
    for program in gits() {
        let (bench, head) = landed(&program);
        fs::write(bench.user.join("a"), "dirty\n").expect("write");
        let target = DeliveryTarget::Branch("refs/heads/foureyes/login".into());
        let delivered = bench.repo.deliver(&bench.user, &target, &head).expect("deliver");
        assert_eq!((delivered.old, delivered.work_tree_updated), (None, false));
        assert_eq!(bench.git(&["rev-parse", "foureyes/login"]), head.to_string());
        assert_eq!(fs::read_to_string(bench.user.join("a")).expect("read"), "dirty\n");
        bench.repo.deliver(&bench.user, &target, &head).expect("again changes nothing");
    }
}

#[test]
fn a_clean_checked_out_branch_follows() {
    for program in gits() {
        let (bench, head) = landed(&program);
        fs::write(bench.user.join("untracked"), "mine\n").expect("write");
        let target = DeliveryTarget::Main("refs/heads/main".into());
        let delivered = bench.repo.deliver(&bench.user, &target, &head).expect("deliver");
        assert!(delivered.work_tree_updated);
        assert_eq!(bench.head_at(&bench.user), head);
        assert_eq!(bench.git(&["status", "--porcelain"]), "?? untracked");
        assert_eq!(fs::read_to_string(bench.user.join("new/file")).expect("read"), "n\n");
    }
}

#[test]
fn the_users_own_edits_are_never_overwritten() {
    for program in gits() {
        let (bench, head) = landed(&program);
        let before = bench.head_at(&bench.user);
        let target = DeliveryTarget::Main("refs/heads/main".into());
        fs::write(bench.user.join("keep"), "edited\n").expect("write");
        let error = bench.repo.deliver(&bench.user, &target, &head).expect_err("dirty");
        assert!(matches!(error, VcsError::DirtyWorkTree { .. }), "{error}");
        bench.git(&["checkout", "-q", "keep"]);
        fs::create_dir(bench.user.join("new")).expect("mkdir");
        fs::write(bench.user.join("new/file"), "mine\n").expect("write");
        let error = bench.repo.deliver(&bench.user, &target, &head).expect_err("in the way");
        assert!(matches!(&error, VcsError::UntrackedInTheWay { path, .. } if path == "new/file"), "{error}");
        fs::remove_dir_all(bench.user.join("new")).expect("remove");
        bench.commit(&[("more", "m\n")]);
        let error = bench.repo.deliver(&bench.user, &target, &head).expect_err("not an ancestor");
        assert!(matches!(error, VcsError::NotFastForward { .. }), "{error}");
        assert_eq!(bench.git(&["rev-parse", "HEAD~1"]), before.to_string());
        assert_eq!(fs::read_to_string(bench.user.join("a")).expect("read"), "1\n");
    }
}

#[test]
fn a_branch_checked_out_in_a_linked_work_tree_follows_there() {
    let (bench, head) = landed(&gits()[0]);
    bench.git(&["checkout", "-q", "-b", "elsewhere"]);
    let linked = bench.dir.path().join("linked");
    bench.git(&["worktree", "add", "-q", linked.to_str().expect("utf-8"), "main"]);
    let target = DeliveryTarget::Main("refs/heads/main".into());
    assert!(bench.repo.deliver(&bench.user, &target, &head).expect("deliver").work_tree_updated);
    assert_eq!(fs::read_to_string(linked.join("a")).expect("read"), "2\n");
    assert_eq!(bench.git_at(&linked, &["status", "--porcelain"]), "");
    assert_eq!(fs::read_to_string(bench.user.join("a")).expect("read"), "1\n");
}

#[test]
fn a_push_goes_to_the_remotes_address() {
    let (bench, head) = landed(&gits()[0]);
    let remote = bench.dir.path().join("remote.git");
    bench.git(&["init", "-q", "--bare", remote.to_str().expect("utf-8")]);
    bench.git(&["remote", "add", "origin", "../remote.git"]);
    let target = DeliveryTarget::Push { remote: "origin".into(), branch: "refs/heads/foureyes/login".into() };
    bench.repo.deliver(&bench.user, &target, &head).expect("push");
    assert_eq!(bench.git_at(&remote, &["rev-parse", "refs/heads/foureyes/login"]), head.to_string());
    let main = bench.head_at(&bench.user);
    let error = bench.repo.deliver(&bench.user, &target, &main).expect_err("backwards");
    assert!(matches!(error, VcsError::NotFastForward { .. }), "{error}");
    let target = DeliveryTarget::Push { remote: "nope".into(), branch: "refs/heads/x".into() };
    assert!(matches!(bench.repo.deliver(&bench.user, &target, &head), Err(VcsError::NoSuchRef { .. })));
}

// Hostile repositories.

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
