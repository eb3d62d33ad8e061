//! Stock git and stock gpg judge what the signer signs, and git signs through `agents-gpg`.
#![allow(clippy::disallowed_methods)] // real tools and the real clock are what is tested

use foureyes_ports::signer::{KeyInfo, SignatureStatus, Signer, email_of, identity_of};
use foureyes_protocol::{CommitId, PrincipalId};
use foureyes_vcs::openpgp::{
    OpenPgpSigner, answer,
    chain::{ReceivedCommit, verify_commit_chain},
    payload,
    wire::{Verb, serve_sign, serve_verify},
};
use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::io::{AsyncBufReadExt, BufReader};

const DAY_MS: u64 = 24 * 3600 * 1000;
const YEAR_MS: u64 = 365 * DAY_MS;

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn role(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

/// A scratch directory with a short path (gpg's sockets), a repository, a signer and keyrings.
struct Bench {
    dir: tempfile::TempDir,
    signer: Arc<OpenPgpSigner>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("fe").tempdir_in("/tmp").unwrap();
        let signer = Arc::new(OpenPgpSigner::open(&dir.path().join("keys")).unwrap());
        let bench = Self { dir, signer };
        bench.git(&["init", "-q", "-b", "main", "."], &[]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
        let repo = self.path("repo");
        std::fs::create_dir_all(&repo).unwrap();
        let mut command = Command::new(program);
        command.args(args).current_dir(repo).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.dir.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C").envs(env.iter().copied());
        command.output().unwrap()
    }

    fn git(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        self.command("git", args, env)
    }

    /// Stores a commit by `who` with this signature and says its id.
    fn store(&self, payload: &[u8], armor: &str) -> String {
        let text = String::from_utf8(payload.to_vec()).unwrap();
        let (head, message) = text.split_once("\n\n").unwrap();
        let signature = armor.trim_end().replace('\n', "\n ");
        let raw = self.path("raw");
        std::fs::write(&raw, format!("{head}\ngpgsig {signature}\n\n{message}")).unwrap();
        let out = self.git(&["hash-object", "-t", "commit", "-w", raw.to_str().unwrap()], &[]);
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// A fresh keyring with what the signer exports; no agent is ever started.
    fn keyring(&self, name: &str) -> Keyring {
        let home = self.path(name);
        std::fs::create_dir(&home).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&home, mode).unwrap();
        std::fs::write(home.join("gpg.conf"), "no-autostart\n").unwrap();
        let ring = self.signer.export_ring().unwrap();
        std::fs::write(home.join("ring.asc"), &ring.armor).unwrap();
        std::fs::write(home.join("trust"), &ring.ownertrust).unwrap();
        Keyring { home: home.to_str().unwrap().to_owned() }
    }

    fn commit(&self, who: &str, at_ms: u64) -> Vec<u8> {
        let tree = self.git(&["write-tree"], &[]).stdout;
        let tree = String::from_utf8(tree).unwrap();
        let line = format!("{} {} +0000", identity_of(&role(who)), at_ms / 1000);
        format!("tree {}\nauthor {line}\ncommitter {line}\n\nmessage\n", tree.trim()).into_bytes()
    }

    fn signed(&self, who: &str, at_ms: u64) -> (Vec<u8>, String) {
        let payload = self.commit(who, at_ms);
        let armor = self.signer.sign_commit(&role(who), &payload, at_ms).unwrap().armor;
        (payload, armor)
    }

    fn raw(&self, id: &str) -> ReceivedCommit {
        let raw = self.git(&["cat-file", "commit", id], &[]).stdout;
        ReceivedCommit { id: CommitId::new(id).unwrap(), raw }
    }
}

struct Keyring {
    home: String,
}

impl Keyring {
    fn env(&self) -> [(&str, &str); 1] {
        [("GNUPGHOME", &self.home)]
    }

    fn import(self, bench: &Bench) -> Self {
        let ring = format!("{}/ring.asc", self.home);
        let out = bench.command("gpg", &["--batch", "--status-fd=1", "--import", &ring], &self.env());
        let status = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success() && status.contains("IMPORT_OK"), "{out:?}");
        self
    }

    fn trust(&self, bench: &Bench) {
        let file = format!("{}/trust", self.home);
        let out = bench.command("gpg", &["--batch", "--import-ownertrust", &file], &self.env());
        assert!(out.status.success(), "{out:?}");
    }

    /// Exit code and status lines of `git verify-commit --raw`, and git's one letter.
    fn judge(&self, bench: &Bench, commit: &str) -> (bool, String, String) {
        let raw = bench.git(&["verify-commit", "--raw", commit], &self.env());
        let letter = bench.git(&["log", "-1", "--format=%G?", commit], &self.env()).stdout;
        let letter = String::from_utf8(letter).unwrap().trim().to_owned();
        (raw.status.success(), String::from_utf8_lossy(&raw.stderr).into_owned(), letter)
    }
}

#[test]
fn stock_git_and_gpg_accept_a_good_signature_and_no_tampered_one() {
    let bench = Bench::new();
    bench.signer.ensure_key(&role("dev-a"), now_ms()).unwrap();
    let (payload, armor) = bench.signed("dev-a", now_ms());
    let good = bench.store(&payload, &armor);
    let tampered = String::from_utf8(payload).unwrap().replace("message", "massage");
    let tampered = bench.store(tampered.as_bytes(), &armor);
    let ring = bench.keyring("g").import(&bench);
    let (ok, status, letter) = ring.judge(&bench, &good);
    assert!(ok && status.contains("GOODSIG") && status.contains("VALIDSIG"), "{status}");
    assert_eq!(letter, "U");
    let shown = bench.git(&["log", "-1", "--show-signature", &good], &ring.env()).stdout;
    assert!(String::from_utf8_lossy(&shown).contains("Good signature from \"dev-a <dev-a@agents.invalid>\""));
    ring.trust(&bench);
    assert_eq!(ring.judge(&bench, &good).2, "G");
    let (ok, status, letter) = ring.judge(&bench, &tampered);
    assert!(!ok && status.contains("BADSIG") && letter == "B", "{status}");
}

#[test]
fn stock_gpg_tells_unknown_expired_renewed_and_revoked_keys_apart() {
    let bench = Bench::new();
    let (now, dev) = (now_ms(), role("dev-a"));
    let made = now - 2 * YEAR_MS - DAY_MS;
    let key = bench.signer.ensure_key(&dev, made).unwrap();
    let empty = bench.keyring("e0");
    let (payload, armor) = bench.signed("dev-a", made + DAY_MS);
    let commit = bench.store(&payload, &armor);
    let (ok, status, letter) = empty.judge(&bench, &commit);
    assert!(!ok && status.contains("NO_PUBKEY") && letter == "E", "{status}");
    let (ok, status, letter) = bench.keyring("e1").import(&bench).judge(&bench, &commit);
    assert!(!ok && status.contains("EXPKEYSIG") && letter == "Y", "{status}");
    bench.signer.renew(&dev, now).unwrap();
    let (ok, status, letter) = bench.keyring("e2").import(&bench).judge(&bench, &commit);
    assert!(ok && status.contains("GOODSIG") && letter == "U", "{status}");
    bench.signer.retire(&dev).unwrap();
    assert!(bench.keyring("e3").import(&bench).judge(&bench, &commit).0, "retiring is not revoking");
    bench.signer.revoke(&key.fingerprint, "stolen", now).unwrap();
    bench.signer.ensure_key(&dev, now).unwrap();
    let (ok, status, letter) = bench.keyring("e4").import(&bench).judge(&bench, &commit);
    assert!(!ok && status.contains("REVKEYSIG") && letter == "R", "{status}");
}

#[test]
fn several_keys_come_in_one_ring_and_the_newest_signs() {
    let bench = Bench::new();
    for who in ["dev-a", "dev-b", "system"] {
        bench.signer.ensure_key(&role(who), now_ms()).unwrap();
    }
    let ring = bench.keyring("m").import(&bench);
    let listed = bench.command("gpg", &["--batch", "--with-colons", "--list-keys"], &ring.env()).stdout;
    let listed = String::from_utf8(listed).unwrap();
    assert_eq!(listed.lines().filter(|l| l.starts_with("pub:")).count(), 3, "{listed}");
    let merge = bench.commit("system", now_ms());
    let armor = bench.signer.sign_gate(&merge, now_ms()).unwrap().armor;
    assert!(ring.judge(&bench, &bench.store(&merge, &armor)).0);
}

#[test]
fn signatures_that_gpg_makes_are_judged_here_too() {
    let bench = Bench::new();
    let now = now_ms();
    bench.signer.ensure_key(&role("dev-a"), now).unwrap();
    let home = bench.path("own");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let env = [("GNUPGHOME", home.to_str().unwrap())];
    let secret = std::fs::read_dir(bench.path("keys")).unwrap().next().unwrap().unwrap().path();
    let gpg = |args: &[&str]| {
        let all = [&["--batch", "--pinentry-mode=loopback", "--passphrase="], args].concat();
        let out = bench.command("gpg", &all, &env);
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    gpg(&["--import", secret.to_str().unwrap()]);
    std::fs::write(bench.path("payload"), b"tree x").unwrap();
    let payload = bench.path("payload");
    let file = payload.to_str().unwrap();
    let strong = gpg(&["--armor", "--output=-", "--detach-sign", file]);
    let weak = gpg(&["--armor", "--output=-", "--digest-algo=SHA1", "--detach-sign", file]);
    let text = gpg(&["--armor", "--output=-", "--textmode", "--detach-sign", file]);
    bench.command("gpgconf", &["--kill", "all"], &env);
    let status = |armor: &str| bench.signer.verify(b"tree x", armor.as_bytes(), now_ms()).status;
    assert_eq!(status(&strong), SignatureStatus::Good);
    assert_eq!(status(&weak), SignatureStatus::WeakHash);
    assert_eq!(status(&text), SignatureStatus::Malformed);
}

/// What the runtime does with the agent's socket, for one role.
async fn serve(listener: tokio::net::UnixListener, signer: Arc<OpenPgpSigner>, key: KeyInfo) {
    while let Ok((stream, _)) = listener.accept().await {
        let (reader, writer) = stream.into_split();
        let (mut reader, mut line) = (BufReader::new(reader), String::new());
        reader.read_line(&mut line).await.unwrap();
        let (signer, key) = (&signer, &key);
        match Verb::from_line(&line).unwrap() {
            Verb::Sign => {
                let sign = async |r: foureyes_vcs::openpgp::wire::SignRequest| {
                    if !answer::names_key(&r.key, key) {
                        return answer::refused(&"the key is another's");
                    }
                    let signed = match payload::kind_of(&r.payload) {
                        Some(payload::Kind::Tag) => signer.sign_tag(&key.principal, &r.payload, now_ms()),
                        _ => signer.sign_commit(&key.principal, &r.payload, now_ms()),
                    };
                    signed.map_or_else(|why| answer::refused(&why), |s| answer::signed(&s))
                };
                serve_sign(reader, writer, sign).await.unwrap();
            }
            Verb::Verify => {
                let verify = async |r: foureyes_vcs::openpgp::wire::VerifyRequest| {
                    answer::verified(&signer.verify(&r.payload, &r.signature, now_ms()))
                };
                serve_verify(reader, writer, verify).await.unwrap();
            }
        }
    }
}

/// A bench whose git signs as `dev-a` through the shim.
struct Shimmed {
    bench: Bench,
    key: KeyInfo,
    _runtime: tokio::runtime::Runtime,
}

impl Shimmed {
    fn new() -> Self {
        let bench = Bench::new();
        let key = bench.signer.ensure_key(&role("dev-a"), now_ms()).unwrap();
        bench.signer.ensure_key(&role("dev-b"), now_ms()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = runtime.enter();
        let listener = tokio::net::UnixListener::bind(bench.path("rt.sock")).unwrap();
        runtime.spawn(serve(listener, bench.signer.clone(), key.clone()));
        drop(guard);
        Self { bench, key, _runtime: runtime }
    }

    fn git(&self, args: &[&str], extra: &[(&str, &str)]) -> Output {
        let socket = self.bench.path("rt.sock");
        let email = email_of(&self.key.principal);
        let config = [
            ("gpg.program", env!("CARGO_BIN_EXE_agents-gpg")),
            ("commit.gpgsign", "true"),
            ("user.signingkey", self.key.fingerprint.as_str()),
            ("user.name", self.key.principal.as_str()),
            ("user.email", &email),
        ];
        let mut env = vec![("AGENTS_SOCKET".to_owned(), socket.to_str().unwrap().to_owned())];
        env.push(("GIT_CONFIG_COUNT".to_owned(), config.len().to_string()));
        for (n, (name, value)) in config.iter().enumerate() {
            env.push((format!("GIT_CONFIG_KEY_{n}"), (*name).to_owned()));
            env.push((format!("GIT_CONFIG_VALUE_{n}"), (*value).to_owned()));
        }
        let mut all: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        all.extend_from_slice(extra);
        self.bench.git(args, &all)
    }

    fn head(&self) -> String {
        String::from_utf8(self.bench.git(&["rev-parse", "HEAD"], &[]).stdout).unwrap().trim().to_owned()
    }

    fn note(&self) -> Option<String> {
        std::fs::read_to_string(self.bench.dir.path().join(".agents-last-refusal")).ok()
    }
}

fn done(out: Output) -> Output {
    assert!(out.status.success(), "{out:?}");
    out
}

#[test]
fn git_commits_tags_merges_and_verifies_through_the_shim() {
    let shimmed = Shimmed::new();
    done(shimmed.git(&["commit", "-q", "--allow-empty", "-m", "one"], &[]));
    let first = shimmed.head();
    done(shimmed.git(&["verify-commit", "HEAD"], &[]));
    let letter = done(shimmed.git(&["log", "-1", "--format=%G? %GF %GS"], &[])).stdout;
    let expected = format!("G {} {}\n", shimmed.key.fingerprint, identity_of(&shimmed.key.principal));
    assert_eq!(String::from_utf8(letter).unwrap(), expected);
    done(shimmed.git(&["tag", "-s", "-m", "release", "v1"], &[]));
    done(shimmed.git(&["verify-tag", "v1"], &[]));
    done(shimmed.git(&["checkout", "-q", "-b", "side"], &[]));
    done(shimmed.git(&["commit", "-q", "--allow-empty", "--amend", "-m", "two"], &[]));
    done(shimmed.git(&["merge", "-q", "--no-ff", "--allow-unrelated-histories", "-m", "both", &first], &[]));
    let ring = shimmed.bench.keyring("s").import(&shimmed.bench);
    assert!(ring.judge(&shimmed.bench, &shimmed.head()).0);
    let chain = [shimmed.bench.raw(&first), shimmed.bench.raw(&shimmed.head())];
    let verdicts = verify_commit_chain(&*shimmed.bench.signer, &role("dev-a"), &chain, now_ms());
    assert!(verdicts.iter().all(|(_, v)| v.is_ok()), "{verdicts:?}");
    assert_eq!(shimmed.note(), None);
}

#[test]
fn git_learns_why_it_was_refused() {
    let shimmed = Shimmed::new();
    let commit = ["commit", "-q", "--allow-empty", "-m", "x"];
    let other_author = [("GIT_AUTHOR_NAME", "dev-b"), ("GIT_AUTHOR_EMAIL", "dev-b@agents.invalid")];
    let other_committer = [("GIT_COMMITTER_NAME", "dev-b"), ("GIT_COMMITTER_EMAIL", "dev-b@agents.invalid")];
    let old = [("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")];
    let no_one = [("AGENTS_SOCKET", "/nonexistent/rt.sock")];
    let table: [(&[(&str, &str)], &str); 4] = [
        (&other_author, "the author is \"dev-b <dev-b@agents.invalid>\""),
        (&other_committer, "the committer is \"dev-b <dev-b@agents.invalid>\""),
        (&old, "the committer date is"),
        (&no_one, "/nonexistent/rt.sock"),
    ];
    for (env, why) in table {
        let out = shimmed.git(&commit, env);
        assert!(!out.status.success(), "{why}");
        assert!(shimmed.note().unwrap().contains(why), "{:?}", shimmed.note());
    }
    let short = ["-c", "user.signingkey=DEADBEEF", "commit", "-q", "--allow-empty", "-m", "x"];
    assert!(!shimmed.git(&short, &[]).status.success());
    assert!(shimmed.note().unwrap().contains("the key is another's"));
    done(shimmed.git(&commit, &[]));
    assert_eq!(shimmed.note(), None, "a signature removes the note");
}

#[test]
fn every_fault_of_a_pushed_commit_has_a_reason_of_its_own() {
    let bench = Bench::new();
    let now = now_ms();
    let other = Bench::new();
    let stranger = other.signer.ensure_key(&role("dev-a"), now).unwrap();
    let old = bench.signer.ensure_key(&role("dev-c"), now - 3 * YEAR_MS).unwrap();
    let lost = bench.signer.ensure_key(&role("dev-d"), now).unwrap();
    for who in ["dev-a", "dev-b"] {
        bench.signer.ensure_key(&role(who), now).unwrap();
    }
    let verdict = |pusher: &str, payload: &[u8], armor: &str| {
        let commit = bench.raw(&bench.store(payload, armor));
        let mut all = verify_commit_chain(&*bench.signer, &role(pusher), &[commit], now);
        all.remove(0).1.map_err(|fault| fault.code())
    };
    let (own, own_armor) = bench.signed("dev-a", now);
    assert_eq!(verdict("dev-a", &own, &own_armor), Ok(()));
    assert_eq!(verdict("dev-b", &own, &own_armor), Err("commit-key-of-another"));
    let tampered = String::from_utf8(own.clone()).unwrap().replace("message", "massage");
    assert_eq!(verdict("dev-a", tampered.as_bytes(), &own_armor), Err("commit-signature-bad"));
    assert_eq!(verdict("dev-a", &own, "junk"), Err("commit-signature-malformed"));
    let foreign = other.signer.sign_commit(&role("dev-a"), &own, now).unwrap();
    assert_eq!(foreign.signing.fingerprint, stranger.fingerprint);
    assert_eq!(verdict("dev-a", &own, &foreign.armor), Err("commit-key-unknown"));
    let (past, past_armor) = bench.signed("dev-c", now - 3 * YEAR_MS);
    assert_eq!(old.principal, role("dev-c"));
    assert_eq!(verdict("dev-c", &past, &past_armor), Err("commit-key-expired"));
    let (leaked, leaked_armor) = bench.signed("dev-d", now);
    bench.signer.revoke(&lost.fingerprint, "stolen", now).unwrap();
    assert_eq!(verdict("dev-d", &leaked, &leaked_armor), Err("commit-key-revoked"));
    bench.signer.forget_before(now + 1);
    assert_eq!(verdict("dev-a", &own, &own_armor), Err("commit-signing-unrecorded"));
    let mut signing = other.signer.signed_at(&foreign.signing.payload).unwrap();
    signing.signed_at_ms += 301_000;
    bench.signer.remember(signing);
    assert_eq!(verdict("dev-a", &own, &own_armor), Err("commit-date"));
    let unsigned = bench.commit("dev-a", now);
    let raw = ReceivedCommit { id: CommitId::new(&"0".repeat(40)).unwrap(), raw: unsigned };
    let verdicts = verify_commit_chain(&*bench.signer, &role("dev-a"), &[raw], now);
    assert_eq!(verdicts[0].1.as_ref().map_err(|f| f.code()), Err("commit-unsigned"));
}
