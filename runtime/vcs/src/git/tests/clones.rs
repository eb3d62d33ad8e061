//! Clones for agents.

use super::*;

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
