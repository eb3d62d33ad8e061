//! Reading, composing, merging, committing.

use super::*;

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

/// Stands in for gpg: keeps what it is given to sign, answers with a fixed signature.
fn recording_signer(bench: &Bench) -> std::path::PathBuf {
    let script = bench.dir.path().join("signer.sh");
    let text = "#!/bin/sh\ncat > \"$(dirname \"$0\")/payload\"\n\
        printf '\\n[GNUPG:] SIG_CREATED D 22 8 00 1 ABCD\\n' >&2\n\
        printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nabcd\\n=x\\n-----END PGP SIGNATURE-----\\n'\n";
    fs::write(&script, text).expect("write");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    script
}

#[test]
fn payload_and_signature_are_split_as_git_joined_them() {
    for program in gits() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let bench = Bench::with(&program, "main", format);
            let signer = recording_signer(&bench);
            let gpg = format!("gpg.program={}", signer.display());
            bench.commit(&[("a", "1\n")]);
            bench.git(&["checkout", "-q", "-b", "side"]);
            bench.commit(&[("s", "1\n")]);
            bench.git(&["checkout", "-q", "main"]);
            bench.commit(&[("m", "1\n")]);
            let encoded = [
                "-c",
                "i18n.commitEncoding=ISO-8859-1",
                "commit",
                "--allow-empty",
                "-m",
                "gpgsig in text\n\ngpgsig x",
            ];
            for args in
                [&["merge", "--no-edit", "side"][..], &["commit", "--allow-empty", "-m", "plain"], &encoded]
            {
                bench.git(
                    &[&["-c", &gpg, "-c", "commit.gpgSign=true", "-c", "user.signingKey=ABCD"], args]
                        .concat(),
                );
                let tip = bench.import();
                let info = bench.repo.commit_info(&tip).expect("info");
                let payload = fs::read(bench.dir.path().join("payload")).expect("payload");
                assert_eq!(String::from_utf8_lossy(&info.signed_payload), String::from_utf8_lossy(&payload));
                let signature = String::from_utf8(info.signature.expect("signed")).expect("utf-8");
                assert!(
                    signature.starts_with("-----BEGIN")
                        && signature.ends_with("=x\n-----END PGP SIGNATURE-----\n")
                );
                assert_eq!(info.irregular, None);
            }
        }
    }
}
