//! Bringing commits to the user.

use super::*;

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
