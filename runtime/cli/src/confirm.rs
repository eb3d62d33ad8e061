//! The user's second factor for what is decided without a runtime.

use crate::{error::CliError, exit::Exit, state::StateDir, terminal::Prompt};
use foureyes_protocol::Digest;
use foureyes_vcs::second_factor::{CodeVerdict, SecondFactor, SecondFactorError, typed_digest_matches};

/// Opens the second factor of a repository.
///
/// # Errors
/// A file that cannot be read or is damaged.
pub fn second_factor(state: &StateDir) -> Result<SecondFactor, CliError> {
    state.create()?;
    SecondFactor::open(&state.second_factor()).map_err(|e| broken(&e))
}

/// The error of a second factor that cannot be used.
pub fn broken(error: &SecondFactorError) -> CliError {
    CliError::new(Exit::Internal, "the second factor cannot be used").because(error)
}

/// Asks for the short digest of a decision and for a code, and consumes the code. Where no second
/// factor is enrolled, says so and asks nothing: the person at the terminal is then all there is.
///
/// # Errors
/// [`Exit::Refused`] for a wrong digest or code; [`Exit::NoTerminal`].
pub fn confirm(
    state: &StateDir,
    prompt: &mut dyn Prompt,
    decision: &Digest,
    now_ms: u64,
) -> Result<(), CliError> {
    let factor = second_factor(state)?;
    if factor.enrolled_at().is_none() {
        prompt.show("no second factor is enrolled, so none is asked for: agents 2fa enroll");
        return Ok(());
    }
    let (digest, code) = ask_code(prompt, decision)?;
    if !typed_digest_matches(decision, &digest) {
        return Err(CliError::new(Exit::Refused, "that is not the digest of this decision")
            .hint("look again at what is decided"));
    }
    let verdict = factor.check(decision, &code, now_ms).map_err(|e| broken(&e))?;
    judged(verdict)
}

/// Asks for the two things that a person types: the short digest and the code.
///
/// # Errors
/// [`Exit::NoTerminal`].
pub fn ask_code(
    prompt: &mut dyn Prompt,
    decision: &Digest,
) -> Result<(String, zeroize::Zeroizing<String>), CliError> {
    prompt.show(&format!("this decision is {}", decision.short()));
    let digest = prompt.ask("type its digest:")?;
    let code = prompt.ask_hidden("code from your authenticator (or FRAUD):")?;
    Ok((digest, code))
}

/// What a code was worth, in words.
///
/// # Errors
/// [`Exit::Refused`] for every verdict but the good one.
pub fn judged(verdict: CodeVerdict) -> Result<(), CliError> {
    let why = match verdict {
        CodeVerdict::Accepted => return Ok(()),
        CodeVerdict::Wrong { left } => format!("wrong code; {left} tries left for this decision"),
        CodeVerdict::Closed => "too many wrong codes: this decision is closed".to_owned(),
        CodeVerdict::Reused => "the code was used already: wait for the next one".to_owned(),
        CodeVerdict::TooSoon { wait_ms } => {
            format!("a code was used just now: wait {} s", wait_ms.div_ceil(1000))
        }
        CodeVerdict::NotEnrolled => "no second factor is enrolled: agents 2fa enroll".to_owned(),
    };
    Err(CliError::new(Exit::Refused, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{state::StateRoot, terminal::Scripted};
    use foureyes_ports::clock::FakeEntropy;
    use totp_rs::Totp;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn digest_and_code_are_both_needed_once_a_factor_is_enrolled() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateRoot::at(dir.path()).of(&dir.path().join("r"));
        let decision = Digest::of(b"x");
        let ask = |answers: [&str; 2], at| confirm(&state, &mut Scripted::typing(answers), &decision, at);
        ask(["", ""], NOW).expect("nothing is enrolled");
        let enrolled =
            second_factor(&state).unwrap().enrol("user", None, NOW, &FakeEntropy::seeded(3)).unwrap();
        let code = Totp::from_url(enrolled.url.as_str()).unwrap().generate(NOW / 1000).to_string();
        let short = decision.short();
        assert!(ask(["000000000000", &code], NOW).unwrap_err().to_string().contains("not the digest"));
        assert_eq!(ask([&short, "no"], NOW).unwrap_err().exit, Exit::Refused);
        ask([&short, &code], NOW).expect("right");
        assert!(ask([&short, &code], NOW).is_err(), "used up");
    }
}
