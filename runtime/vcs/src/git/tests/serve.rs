//! Pushes and fetches over the real protocol.

use super::*;

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
        let composed = std::cell::RefCell::new(None);
        let judge = |request: &PushRequest, view: &dyn Vcs| {
            assert_eq!(request.role.as_str(), "dev-a");
            assert_eq!(
                request.updates,
                [RefUpdate { name: FEATURE.into(), old: None, new: Some(tip.clone()) }]
            );
            assert_eq!(view.change_summary(&main, &tip).expect("seen in quarantine").lines(), 1);
            assert!(bench.repo.commit_info(&tip).is_err(), "not outside of it");
            let merged = view.merge(&main, &tip).expect("merge");
            assert_eq!(merged, Merge::Clean { tree: view.commit_info(&tip).expect("info").tree });
            let note = NewBlob { path: "note".into(), mode: 0o100_644, content: b"judged\n".to_vec() };
            *composed.borrow_mut() = Some(view.compose_tree_with_blobs(&tip, &[note]).expect("compose"));
            Ok(permit())
        };
        let (outcome, client) = bench.push(&clone, &["feature/login"], &judge);
        let told = String::from_utf8_lossy(&client.stderr);
        assert!(matches!(outcome.expect("served"), PushOutcome::Accepted(ref u) if u.len() == 1), "{told}");
        assert!(client.status.success(), "{told}");
        assert_eq!(bench.repo.ref_value(FEATURE).expect("ref"), Some(tip.clone()));
        bench.repo.commit_info(&tip).expect("kept");
        let composed = composed.take().expect("the judge was asked");
        assert_eq!(bench.repo.list_tree(&composed).expect("kept too").len(), 3);
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
    let judge = |_: &PushRequest, _: &dyn Vcs| -> Result<Permit<'_>, Refusal> { panic!("asked") };
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
        Ok(permit())
    };
    let (outcome, _) = bench.push(&clone, &["feature/login"], &race);
    let PushOutcome::Refused { lines, .. } = outcome.expect("served") else { panic!("accepted") };
    assert!(lines[0].contains("moved meanwhile"), "{lines:?}");
    assert_ne!(bench.repo.ref_value(FEATURE).expect("ref"), Some(tip));
}

#[test]
fn a_permit_may_refuse_in_the_instant_of_the_move() {
    let (bench, clone, _) = pushing(&gits()[0]);
    let late = |_: &PushRequest, _: &dyn Vcs| -> Result<Permit<'_>, Refusal> {
        Ok(Box::new(|_| Err(Refusal { lines: vec!["everything is frozen".to_owned()] })))
    };
    let (outcome, client) = bench.push(&clone, &["feature/login"], &late);
    assert!(matches!(outcome.expect("served"), PushOutcome::Refused { .. }));
    assert!(String::from_utf8_lossy(&client.stderr).contains("everything is frozen"));
    assert_eq!(bench.repo.ref_value(FEATURE).expect("ref"), None);
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

#[test]
fn more_refs_than_allowed_and_a_stalling_client_are_refused() {
    let (bench, clone, _) = pushing(&gits()[0]);
    let limits = PushLimits { refs: 1, ..PushLimits::default() };
    let (outcome, client) =
        bench.push_limited(&clone, &["HEAD:refs/heads/a", "HEAD:refs/heads/b"], &limits, &accept);
    let PushOutcome::Refused { lines, .. } = outcome.expect("served") else { panic!("accepted") };
    assert!(lines[0].contains("more than 1 refs") && !client.status.success(), "{lines:?}");
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("pair");
    let limits = PushLimits { time: std::time::Duration::from_millis(300), ..PushLimits::default() };
    let tip = bench.head_at(&clone);
    let command = format!("{} {tip} refs/heads/x\0report-status", "0".repeat(40));
    let packet = format!("{:04x}{command}0000PACK", command.len() + 4);
    std::io::Write::write_all(&mut theirs, packet.as_bytes()).expect("write");
    let role = PrincipalId::new("dev-a").expect("name");
    let reader = theirs.try_clone().expect("clone");
    let drain = std::thread::spawn(move || {
        let told = std::io::copy(&mut &reader, &mut std::io::sink());
        reader.shutdown(std::net::Shutdown::Both).and(told)
    });
    let outcome = bench.repo.serve_push(&role, &ours, &limits, &accept);
    let PushOutcome::Refused { lines, .. } = outcome.expect("served") else { panic!("accepted") };
    assert!(lines[0].contains("too long"), "{lines:?}");
    drop((ours, theirs));
    drain.join().expect("reader").expect("drained");
}

#[test]
fn memory_of_the_unpacking_process_is_bounded() {
    let (bench, clone, _) = pushing(&gits()[0]);
    let limits = PushLimits { memory_bytes: 256 << 10, ..PushLimits::default() };
    let (outcome, _) = bench.push_limited(&clone, &["feature/login"], &limits, &accept);
    assert!(matches!(outcome.expect("served"), PushOutcome::Refused { .. }));
    assert_eq!(bench.repo.ref_value(FEATURE).expect("ref"), None);
}
