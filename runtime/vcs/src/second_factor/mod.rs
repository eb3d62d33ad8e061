//! The user's second factor: a time-based one-time password (RFC 6238) whose secret only the signer
//! holds. A code counts once, for one decision; three wrong tries close the decision and never the
//! account, so nobody can lock the user out. All of it survives a restart.
//!
//! What a program can do that runs as the user itself, this does not stop.

mod enrolment;
mod state;

pub use enrolment::{Enrolment, Proof};

use crate::private_file::PrivateFileError;
use foureyes_ports::clock::{Entropy, UnixMillis};
use foureyes_protocol::Digest;
use state::{Attempts, State, Store};
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};
use totp_rs::{Totp, TotpError};

/// Wrong tries that close a decision.
pub const MAX_WRONG: u8 = 3;

/// The least time between two accepted codes, in milliseconds.
pub const BETWEEN_CODES_MS: u64 = 60_000;

const STEP_S: u64 = 30;

/// What a code was worth. Everything but `Accepted` leaves the decision as it was: on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeVerdict {
    /// The code confirms this decision. It will not confirm another, nor this one again.
    Accepted,
    /// Not the code of now.
    Wrong {
        /// Tries left for this decision.
        left: u8,
    },
    /// Three wrong tries: this decision is closed; a new one can be opened.
    Closed,
    /// The code (or a later one) has been used already.
    Reused,
    /// The last code is too recent.
    TooSoon {
        /// How long to wait, in milliseconds.
        wait_ms: u64,
    },
    /// No second factor is enrolled.
    NotEnrolled,
}

/// Why the second factor cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file is damaged.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// What the reader says.
        why: String,
    },
    /// One-time passwords cannot be computed with what the file holds or the account is called.
    #[error("one-time password: {0}")]
    Totp(#[from] TotpError),
    /// The QR code cannot be drawn.
    #[error("cannot draw the QR code: {0}")]
    Qr(#[from] qrcode::types::QrError),
    /// Enrolling again needs the code of now or the recovery code.
    #[error("enrolling again needs the present code or the recovery code printed at enrolment ({0:?})")]
    ProofNeeded(CodeVerdict),
}

/// The second factor of one installation. Blocking: each try writes a small file durably.
#[derive(Debug)]
pub struct SecondFactor {
    store: Store,
    state: Mutex<Option<State>>,
}

impl SecondFactor {
    /// Reads what `dir` (mode 0700, made when missing) holds.
    ///
    /// # Errors
    /// [`SecondFactorError`] when the file is open to others or damaged: never taken as *not enrolled*.
    pub fn open(dir: &Path) -> Result<Self, SecondFactorError> {
        let store = Store::open(dir)?;
        let state = Mutex::new(store.read()?);
        Ok(Self { store, state })
    }

    /// When the present secret was enrolled, in milliseconds since the Unix epoch.
    pub fn enrolled_at(&self) -> Option<UnixMillis> {
        self.state().as_ref().map(|s| s.enrolled_at_ms)
    }

    /// Makes a new secret. The answer is the only place where it, and the recovery code, can be
    /// seen. The first enrolment needs no proof, every other one does.
    ///
    /// # Errors
    /// [`SecondFactorError::ProofNeeded`] without the proof; else when it cannot be kept, and then
    /// the old secret stays.
    pub fn enrol(
        &self,
        account: &str,
        proof: Option<Proof<'_>>,
        now_ms: UnixMillis,
        entropy: &dyn Entropy,
    ) -> Result<Enrolment, SecondFactorError> {
        let mut state = self.state();
        if state.is_some() {
            self.check_proof(&mut state, proof, now_ms)?;
        }
        let (fresh, enrolment) = enrolment::enrol(account, now_ms, entropy)?;
        self.store.write(&fresh)?;
        *state = Some(fresh);
        Ok(enrolment)
    }

    /// Judges a code for a decision. The try is on disk before the verdict is given.
    ///
    /// # Errors
    /// [`SecondFactorError`] when it cannot be kept; the code then counts as not given.
    pub fn check(
        &self,
        decision: &Digest,
        code: &str,
        now_ms: UnixMillis,
    ) -> Result<CodeVerdict, SecondFactorError> {
        self.check_in(&mut self.state(), decision, code, now_ms)
    }

    fn check_in(
        &self,
        state: &mut Option<State>,
        decision: &Digest,
        code: &str,
        now_ms: UnixMillis,
    ) -> Result<CodeVerdict, SecondFactorError> {
        let Some(before) = state else { return Ok(CodeVerdict::NotEnrolled) };
        let step = totp(before)?.check(code.trim(), now_ms / 1000);
        let (verdict, after) = judge(before, decision, step, now_ms);
        if let Some(after) = after {
            self.store.write(&after)?;
            *state = Some(after);
        }
        Ok(verdict)
    }

    fn check_proof(
        &self,
        state: &mut Option<State>,
        proof: Option<Proof<'_>>,
        now_ms: UnixMillis,
    ) -> Result<(), SecondFactorError> {
        let verdict = match proof {
            None => CodeVerdict::Wrong { left: MAX_WRONG },
            Some(Proof::Recovery(code)) if is_recovery(state, code) => CodeVerdict::Accepted,
            // 128 unpredictable bits: no number of tries helps.
            Some(Proof::Recovery(_)) => CodeVerdict::Wrong { left: MAX_WRONG },
            Some(Proof::Code { decision, code }) => self.check_in(state, decision, code, now_ms)?,
        };
        if verdict == CodeVerdict::Accepted { Ok(()) } else { Err(SecondFactorError::ProofNeeded(verdict)) }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the user typed the short digest of the decision that was shown (case and blanks at the
/// ends do not matter).
pub fn typed_digest_matches(decision: &Digest, typed: &str) -> bool {
    typed.trim().eq_ignore_ascii_case(&decision.short())
}

fn is_recovery(state: &Option<State>, code: &str) -> bool {
    state.as_ref().is_some_and(|s| s.recovery == enrolment::recovery_digest(code))
}

fn totp(state: &State) -> Result<Totp, TotpError> {
    enrolment::builder(&state.secret).build()
}

/// The verdict, and the state to keep where it changes. `step` is the step that the code belongs
/// to within one step of now, if any.
fn judge(
    before: &State,
    decision: &Digest,
    step: Option<u64>,
    now_ms: UnixMillis,
) -> (CodeVerdict, Option<State>) {
    let tried = before.decisions.get(decision).copied().unwrap_or_default();
    let free_at = before.last_accepted_ms.map_or(0, |t| t + BETWEEN_CODES_MS);
    if tried.wrong >= MAX_WRONG {
        return (CodeVerdict::Closed, None);
    }
    if tried.accepted {
        return (CodeVerdict::Reused, None);
    }
    if now_ms < free_at {
        return (CodeVerdict::TooSoon { wait_ms: free_at - now_ms }, None);
    }
    match step {
        Some(step) if before.last_step.is_some_and(|last| step <= last) => (CodeVerdict::Reused, None),
        Some(step) => (CodeVerdict::Accepted, Some(accepted(before, decision, step, now_ms))),
        None => wrong(before, decision, tried, now_ms),
    }
}

fn accepted(before: &State, decision: &Digest, step: u64, now_ms: UnixMillis) -> State {
    let mut after = before.clone();
    after.last_step = Some(step);
    after.last_accepted_ms = Some(now_ms);
    after.note(decision, Attempts { accepted: true, wrong: 0, at_ms: now_ms });
    after
}

fn wrong(
    before: &State,
    decision: &Digest,
    tried: Attempts,
    now_ms: UnixMillis,
) -> (CodeVerdict, Option<State>) {
    let mut after = before.clone();
    let wrong = tried.wrong + 1;
    after.note(decision, Attempts { wrong, accepted: false, at_ms: now_ms });
    let left = MAX_WRONG - wrong;
    (if left == 0 { CodeVerdict::Closed } else { CodeVerdict::Wrong { left } }, Some(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::clock::FakeEntropy;

    const NOW: u64 = 1_800_000_000_000;

    struct Fixture {
        dir: tempfile::TempDir,
        factor: SecondFactor,
        enrolment: Enrolment,
        entropy: FakeEntropy,
    }

    impl Fixture {
        fn new() -> Self {
            let (dir, entropy) = (tempfile::tempdir().unwrap(), FakeEntropy::seeded(7));
            let factor = SecondFactor::open(&dir.path().join("2fa")).unwrap();
            let enrolment = factor.enrol("user", None, NOW, &entropy).unwrap();
            Self { dir, factor, enrolment, entropy }
        }

        /// The code that the user's device shows at a moment, read from the enrolled URL alone.
        fn code(&self, at_ms: u64) -> String {
            Totp::from_url(self.enrolment.url.as_str()).unwrap().generate(at_ms / 1000).to_string()
        }

        fn check(&self, decision: &str, code: &str, at_ms: u64) -> CodeVerdict {
            self.factor.check(&Digest::of(decision.as_bytes()), code, at_ms).unwrap()
        }

        fn restart(&mut self) {
            self.factor = SecondFactor::open(&self.dir.path().join("2fa")).unwrap();
        }

        fn wrong_code(&self, at_ms: u64) -> String {
            let near: Vec<_> = [0, 30_000, 60_000].iter().map(|d| self.code(at_ms - 30_000 + d)).collect();
            (0..).map(|n| format!("{n:06}")).find(|c| !near.contains(c)).unwrap()
        }
    }

    #[test]
    fn a_code_holds_one_step_around_now() {
        let table =
            [(-90, false), (-60, false), (-30, true), (0, true), (30, true), (60, false), (90, false)];
        for (offset_s, right) in table {
            let fixture = Fixture::new();
            let shown_at = NOW.checked_add_signed(offset_s * 1000).unwrap();
            let verdict = fixture.check("a", &fixture.code(shown_at), NOW);
            assert_eq!(verdict == CodeVerdict::Accepted, right, "{offset_s}: {verdict:?}");
        }
    }

    #[test]
    fn a_code_counts_once_for_one_decision_also_after_a_restart() {
        let mut fixture = Fixture::new();
        // Shown one step ahead, so that it is still in the window when the pause of 60 s is over.
        let code = fixture.code(NOW + 30_000);
        assert_eq!(fixture.check("a", &code, NOW), CodeVerdict::Accepted);
        for _ in 0..2 {
            assert_eq!(fixture.check("a", &code, NOW + 1), CodeVerdict::Reused);
            assert_eq!(fixture.check("b", &code, NOW + 1), CodeVerdict::TooSoon { wait_ms: 59_999 });
            assert_eq!(fixture.check("b", &code, NOW + 60_000), CodeVerdict::Reused);
            fixture.restart();
        }
        let next = fixture.code(NOW + 60_000);
        assert_eq!(fixture.check("b", &next, NOW + 60_000), CodeVerdict::Accepted);
    }

    #[test]
    fn an_earlier_step_than_the_last_accepted_one_is_used_up() {
        let mut before = State::fresh(String::new(), Digest::default(), 0);
        before.last_step = Some(10);
        let verdict = |step| judge(&before, &Digest::of(b"a"), Some(step), NOW).0;
        let verdicts = [verdict(9), verdict(10), verdict(11)];
        assert_eq!(verdicts, [CodeVerdict::Reused, CodeVerdict::Reused, CodeVerdict::Accepted]);
    }

    #[test]
    fn three_wrong_tries_close_the_decision_and_no_other() {
        let mut fixture = Fixture::new();
        let wrong = fixture.wrong_code(NOW);
        assert_eq!(fixture.check("a", &wrong, NOW), CodeVerdict::Wrong { left: 2 });
        fixture.restart();
        assert_eq!(fixture.check("a", "", NOW), CodeVerdict::Wrong { left: 1 });
        assert_eq!(fixture.check("a", "+12345", NOW), CodeVerdict::Closed);
        fixture.restart();
        assert_eq!(fixture.check("a", &fixture.code(NOW), NOW), CodeVerdict::Closed);
        assert_eq!(fixture.check("b", &fixture.code(NOW), NOW), CodeVerdict::Accepted);
    }

    #[test]
    fn two_decisions_need_two_codes() {
        let fixture = Fixture::new();
        assert_eq!(fixture.check("a", &fixture.code(NOW), NOW), CodeVerdict::Accepted);
        let later = NOW + 61_000;
        assert_eq!(fixture.check("a", &fixture.code(later), later), CodeVerdict::Reused);
        assert_eq!(fixture.check("b", &fixture.code(later), later), CodeVerdict::Accepted);
    }

    #[test]
    fn enrolling_again_needs_the_code_or_the_recovery_code() {
        let fixture = Fixture::new();
        let decision = Digest::of(b"enrol again");
        let enrol = |proof| fixture.factor.enrol("user", proof, NOW + 5, &fixture.entropy);
        let wrong = fixture.wrong_code(NOW);
        let refused =
            [None, Some(Proof::Recovery("x")), Some(Proof::Code { decision: &decision, code: &wrong })];
        for proof in refused {
            assert!(matches!(enrol(proof), Err(SecondFactorError::ProofNeeded(_))));
        }
        assert_eq!(fixture.factor.enrolled_at(), Some(NOW));
        let second = enrol(Some(Proof::Recovery(&fixture.enrolment.recovery_code))).unwrap();
        assert_eq!(fixture.factor.enrolled_at(), Some(NOW + 5));
        assert_ne!(second.url, fixture.enrolment.url);
        assert!(enrol(Some(Proof::Recovery(&fixture.enrolment.recovery_code))).is_err(), "used up");
        let old = fixture.code(NOW);
        assert!(matches!(fixture.check("a", &old, NOW), CodeVerdict::Wrong { .. }));
        let code = Totp::from_url(second.url.as_str()).unwrap().generate(NOW / 1000).to_string();
        enrol(Some(Proof::Code { decision: &decision, code: &code })).unwrap();
    }

    #[test]
    fn the_file_holds_no_recovery_code_and_damage_is_no_fresh_start() {
        let mut fixture = Fixture::new();
        let path = fixture.dir.path().join("2fa").join(state::FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(fixture.enrolment.recovery_code.as_str()));
        assert!(!text.contains("accepted\":true"));
        fixture.restart();
        assert_eq!(fixture.factor.enrolled_at(), Some(NOW));
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        let opened = SecondFactor::open(&fixture.dir.path().join("2fa"));
        assert!(matches!(opened, Err(SecondFactorError::Damaged { .. })));
    }

    #[test]
    fn without_enrolment_nothing_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let factor = SecondFactor::open(&dir.path().join("2fa")).unwrap();
        assert_eq!(factor.check(&Digest::of(b"a"), "000000", NOW).unwrap(), CodeVerdict::NotEnrolled);
        assert_eq!(factor.enrolled_at(), None);
    }

    #[test]
    fn the_enrolment_can_be_scanned_and_typed() {
        let fixture = Fixture::new();
        assert!(fixture.enrolment.url.starts_with("otpauth://totp/Foureyes:user?secret="));
        let lines: Vec<_> = fixture.enrolment.qr.lines().map(|l| l.chars().count()).collect();
        assert!(lines.len() > 15 && lines.iter().all(|w| *w == lines[0] && *w < 80), "{lines:?}");
        let decision = Digest::of(b"a");
        assert!(typed_digest_matches(&decision, &format!(" {} ", decision.short().to_uppercase())));
        assert!(!typed_digest_matches(&decision, &Digest::of(b"b").short()));
        assert!(!typed_digest_matches(&decision, ""));
    }
}
