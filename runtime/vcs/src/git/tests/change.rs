//! What a change is computed to be.

use super::*;

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

/// The lines of a file before and after.
type Sides = (Vec<String>, Vec<String>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn lines_are_counted_as_git_counts_them(
        pairs in proptest::collection::vec((proptest::collection::vec("[abc\r]{0,2}", 0..30), proptest::collection::vec("[abc\r]{0,2}", 0..30)), 1..12),
    ) {
        let bench = Bench::new();
        let names: Vec<String> = (0..pairs.len()).map(|i| format!("f{i}")).collect();
        let side = |pick: fn(&Sides) -> &Vec<String>| -> Vec<(String, String)> {
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
