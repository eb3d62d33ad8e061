//! `keys` and `2fa`: the public keys, their renewal, and the user's second factor.

use super::{Place, now_ms, print};
use crate::{
    args::KeysCommand,
    confirm::{broken, confirm, second_factor},
    control::Client,
    error::CliError,
    exit::Exit,
    state::StateDir,
    terminal::{Prompt, Terminal},
};
use foureyes_ledger::host::OsEntropy;
use foureyes_ports::signer::{KeyError, KeyInfo, KeyState, Signer as _};
use foureyes_protocol::Digest;
use foureyes_vcs::{
    openpgp::OpenPgpSigner,
    second_factor::{Proof, SecondFactor},
};
use jiff::Timestamp;
use std::process::ExitCode;

pub(super) fn keys(place: &Place, command: &KeysCommand) -> Result<ExitCode, CliError> {
    let state = place.known_state()?;
    match command {
        KeysCommand::Export { ownertrust } => {
            let ring = signer(&state)?.export_ring().map_err(|e| unusable(&e))?;
            print(if *ownertrust { &ring.ownertrust } else { &ring.armor })
        }
        KeysCommand::List(json) => {
            let keys = signer(&state)?.keys();
            print(&if json.json { foureyes_display::status::json(&keys) } else { list(&keys) })
        }
        KeysCommand::Renew => renew(&state),
    }
}

/// The signer over the keys of a repository.
pub(super) fn signer(state: &StateDir) -> Result<OpenPgpSigner, CliError> {
    OpenPgpSigner::open(&state.keys()).map_err(|e| unusable(&e))
}

fn unusable(error: &KeyError) -> CliError {
    CliError::new(Exit::Internal, "the keys cannot be used").because(error)
}

fn list(keys: &[KeyInfo]) -> String {
    let line = |key: &KeyInfo| {
        let who = if key.principal.is_system() { "gate key" } else { key.principal.as_str() };
        let state = match key.state {
            KeyState::Active => "active",
            KeyState::Retired => "retired",
            KeyState::Revoked => "REVOKED",
        };
        format!("{who:<14} {state:<8} expires {}  {}\n", date(key.expires_ms), key.fingerprint)
    };
    keys.iter().map(line).collect()
}

fn date(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(|| format!("{ms} ms"), |t| t.strftime("%Y-%m-%d").to_string())
}

fn renew(state: &StateDir) -> Result<ExitCode, CliError> {
    if Client::new(state.clone()).is_running() {
        return Err(CliError::new(Exit::AlreadyRunning, "a runtime holds the keys")
            .hint("agents down, renew, agents run"));
    }
    let (signer, now) = (signer(state)?, now_ms());
    let due = signer.renew_due(now);
    if due.is_empty() {
        return print("no key is due: they are renewed after a year\n");
    }
    let fingerprints: Vec<String> = due.iter().map(|key| key.fingerprint.to_string()).collect();
    let decision = Digest::of_parts("foureyes.keys-renew.v1", fingerprints.iter().map(String::as_bytes));
    let mut prompt = Terminal;
    if prompt.ask(&format!("type `renew` to renew {} keys:", due.len()))? != "renew" {
        return Err(CliError::new(Exit::No, "nothing was renewed"));
    }
    confirm(state, &mut prompt, &decision, now)?;
    for key in &due {
        signer.renew(&key.principal, now).map_err(|e| unusable(&e))?;
    }
    print(&format!("renewed {} keys: export them again with `agents keys export`\n", due.len()))
}

pub(super) fn enroll(place: &Place) -> Result<ExitCode, CliError> {
    let state = place.state()?;
    enroll_with(&state, &mut Terminal, now_ms())?;
    Ok(Exit::Ok.into())
}

fn enroll_with(state: &StateDir, prompt: &mut dyn Prompt, now: u64) -> Result<(), CliError> {
    if !prompt.is_terminal() {
        return Err(CliError::new(Exit::NoTerminal, "the secret is shown on a terminal only")
            .hint("run it in a terminal"));
    }
    let factor = second_factor(state)?;
    let account = format!("user of {}", state.id());
    let enrolment = match factor.enrolled_at() {
        None => factor.enrol(&account, None, now, &OsEntropy::default()),
        Some(at) => again(&factor, prompt, &account, at, now)?,
    };
    let enrolment = enrolment.map_err(|e| broken(&e))?;
    prompt
        .show(&format!("scan this with your authenticator app; it is shown this once:\n\n{}", *enrolment.qr));
    prompt.show(&format!("or type it in: {}\n", *enrolment.url));
    prompt.show(&format!(
        "recovery code, for the day the device is lost; keep it on paper:\n\n  {}\n",
        *enrolment.recovery_code
    ));
    check(&factor, prompt, now)
}

type Enrolled =
    Result<foureyes_vcs::second_factor::Enrolment, foureyes_vcs::second_factor::SecondFactorError>;

/// Enrols again: the old code or the recovery code entitles to it.
fn again(
    factor: &SecondFactor,
    prompt: &mut dyn Prompt,
    account: &str,
    at: u64,
    now: u64,
) -> Result<Enrolled, CliError> {
    prompt.show(&format!("a second factor is enrolled since {}", date(at)));
    let given = prompt.ask_hidden("its present code, or the recovery code:")?;
    let decision = Digest::of_parts("foureyes.enrol.v1", [now.to_be_bytes().as_slice()]);
    let is_code = given.len() == 6 && given.bytes().all(|b| b.is_ascii_digit());
    let proof =
        if is_code { Proof::Code { decision: &decision, code: &given } } else { Proof::Recovery(&given) };
    Ok(factor.enrol(account, Some(proof), now, &OsEntropy::default()))
}

/// One code right away, so that a device that was not set up is noticed now.
fn check(factor: &SecondFactor, prompt: &mut dyn Prompt, now: u64) -> Result<(), CliError> {
    use foureyes_vcs::second_factor::CodeVerdict;
    let decision = Digest::of_parts("foureyes.enrolled.v1", [now.to_be_bytes().as_slice()]);
    loop {
        let code = prompt.ask_hidden("code that the app shows now (empty: later):")?;
        if code.is_empty() {
            prompt.show("not tried; the next decision will");
            return Ok(());
        }
        match factor.check(&decision, &code, now_ms()).map_err(|e| broken(&e))? {
            CodeVerdict::Accepted => {
                prompt.show("it works");
                return Ok(());
            }
            CodeVerdict::Wrong { left } => prompt.show(&format!("wrong; {left} tries left")),
            _ => {
                return Err(CliError::new(Exit::Refused, "the code could not be checked")
                    .hint("compare the clocks of device and machine, then `agents 2fa enroll` with the recovery code"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{state::StateRoot, terminal::Scripted};

    #[test]
    fn enrolling_shows_the_secret_once_and_only_to_a_person() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateRoot::at(dir.path()).of(&dir.path().join("r"));
        let refused = enroll_with(&state, &mut Scripted::default(), 1).unwrap_err();
        assert_eq!(refused.exit, Exit::NoTerminal);
        let mut prompt = Scripted::typing([""]);
        enroll_with(&state, &mut prompt, now_ms()).unwrap();
        assert!(prompt.shown.contains("otpauth://totp/") && prompt.shown.contains("recovery code"));
        let mut wrong = Scripted::typing(["not the recovery code"]);
        assert!(enroll_with(&state, &mut wrong, now_ms()).is_err());
        assert!(!wrong.shown.contains("otpauth"));
        let code =
            prompt.shown.lines().skip_while(|l| !l.starts_with("recovery")).nth(2).unwrap().trim().to_owned();
        let mut right = Scripted::typing([code.as_str(), ""]);
        enroll_with(&state, &mut right, now_ms()).unwrap();
        assert!(right.shown.contains("otpauth"));
    }
}
