//! What gpg would have said: its status lines, exit code and text, as git reads them.
//!
//! Git looks for a status line *after* a newline, so a `NEWSIG` line always comes first.

use super::wire::Answer;
use foureyes_ports::signer::{
    KeyFingerprint, KeyInfo, SignatureStatus, SignedPayload, Verification, identity_of,
};
use std::fmt::Display;

/// The answer that carries a signature.
pub fn signed(made: &SignedPayload) -> Answer {
    let (seconds, key) = (made.signing.signed_at_ms / 1000, &made.signing.fingerprint);
    let status = format!(
        "[GNUPG:] KEY_CONSIDERED {key} 2\n[GNUPG:] BEGIN_SIGNING H8\n[GNUPG:] SIG_CREATED D 22 8 00 {seconds} {key}\n"
    );
    Answer { code: 0, status, armor: made.armor.clone(), error: String::new() }
}

/// The answer that nothing was signed, with the reason (one line).
pub fn refused(why: &dyn Display) -> Answer {
    let status = "[GNUPG:] FAILURE sign 1\n".to_owned();
    Answer { code: 2, status, armor: String::new(), error: format!("agents-gpg: not signed: {why}\n") }
}

/// The answer to a verification.
pub fn verified(seen: &Verification) -> Answer {
    let (Some(key), Some(created_ms)) = (&seen.fingerprint, seen.created_ms) else {
        return unusable(seen);
    };
    let who = seen.principal.as_ref().map_or_else(String::new, identity_of);
    let line = |verdict: &str| format!("[GNUPG:] NEWSIG\n[GNUPG:] {verdict} {} {who}\n", key.key_id());
    let valid = valid_line(key, created_ms / 1000);
    let (code, status, text) = match seen.status {
        SignatureStatus::Good => {
            (0, line("GOODSIG") + &valid + "[GNUPG:] TRUST_FULLY 0 shell\n", "good signature")
        }
        SignatureStatus::Bad => (1, line("BADSIG"), "BAD signature"),
        SignatureStatus::Expired => (1, line("EXPKEYSIG") + &valid, "signature by an expired key"),
        SignatureStatus::Revoked => (1, line("REVKEYSIG") + &valid, "signature by a REVOKED key"),
        SignatureStatus::UnknownKey => (2, error_lines(key, created_ms / 1000, 9), "no public key"),
        SignatureStatus::WeakHash => {
            (2, error_lines(key, created_ms / 1000, 5), "signature over a weak hash")
        }
        SignatureStatus::TimeConflict => {
            (2, error_lines(key, created_ms / 1000, 39), "signature from another time than its key")
        }
        SignatureStatus::NotForSigning => {
            (2, error_lines(key, created_ms / 1000, 125), "the key may not sign")
        }
        SignatureStatus::Malformed => return unusable(seen),
    };
    let from = if who.is_empty() { key.to_string() } else { format!("{who} ({key})") };
    Answer { code, status, armor: String::new(), error: format!("agents-gpg: {text}: {from}\n") }
}

/// Whether the key that git names (`user.signingkey`, or the committer where that is not set) is
/// this key: its whole fingerprint or its identity. Short key ids are refused on purpose.
pub fn names_key(named: &str, key: &KeyInfo) -> bool {
    let bare = named.strip_prefix("0x").unwrap_or(named);
    let bare = bare.strip_suffix('!').unwrap_or(bare);
    bare.eq_ignore_ascii_case(key.fingerprint.as_str()) || named == identity_of(&key.principal)
}

fn unusable(seen: &Verification) -> Answer {
    let (status, text) = match seen.status {
        SignatureStatus::UnknownKey => {
            ("[GNUPG:] NEWSIG\n[GNUPG:] NO_PUBKEY 0000000000000000\n", "no public key")
        }
        _ => ("[GNUPG:] NODATA 4\n", "not one OpenPGP signature"),
    };
    Answer {
        code: 2,
        status: status.to_owned(),
        armor: String::new(),
        error: format!("agents-gpg: {text}\n"),
    }
}

fn valid_line(key: &KeyFingerprint, created_s: u64) -> String {
    let moment = jiff::Timestamp::from_second(i64::try_from(created_s).unwrap_or(0));
    let date = moment.map_or_else(|_| "1970-01-01".to_owned(), |t| t.strftime("%Y-%m-%d").to_string());
    format!("[GNUPG:] VALIDSIG {key} {date} {created_s} 0 4 0 22 8 00 {key}\n")
}

fn error_lines(key: &KeyFingerprint, created_s: u64, code: u8) -> String {
    let id = key.key_id();
    let missing = if code == 9 { format!("[GNUPG:] NO_PUBKEY {id}\n") } else { String::new() };
    format!("[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG {id} 22 8 00 {created_s} {code} {key}\n{missing}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::signer::KeyState;
    use foureyes_protocol::PrincipalId;

    const FPR: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

    fn seen(status: SignatureStatus) -> Verification {
        let principal = Some(PrincipalId::new("dev-a").unwrap());
        let fingerprint = Some(KeyFingerprint::new(FPR).unwrap());
        Verification { status, fingerprint, principal, created_ms: Some(1_700_000_000_000) }
    }

    #[test]
    fn only_a_good_signature_exits_with_zero_and_each_has_one_verdict_line() {
        use SignatureStatus::*;
        for status in
            [Good, Bad, Expired, Revoked, UnknownKey, WeakHash, TimeConflict, NotForSigning, Malformed]
        {
            let answer = verified(&seen(status));
            assert_eq!(answer.code == 0, status == Good, "{status:?}");
            let verdicts = ["GOODSIG", "BADSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG", "NODATA"];
            let count = |word: &str| answer.status.matches(&format!("[GNUPG:] {word} ")).count();
            assert_eq!(verdicts.map(count).iter().sum::<usize>(), 1, "{status:?}: {}", answer.status);
        }
    }

    #[test]
    fn a_good_answer_reads_as_gpg_writes_it() {
        let answer = verified(&seen(SignatureStatus::Good));
        let lines = "[GNUPG:] NEWSIG\n\
            [GNUPG:] GOODSIG 89ABCDEF01234567 dev-a <dev-a@agents.invalid>\n\
            [GNUPG:] VALIDSIG 0123456789ABCDEF0123456789ABCDEF01234567 2023-11-14 1700000000 0 4 0 22 8 00 0123456789ABCDEF0123456789ABCDEF01234567\n\
            [GNUPG:] TRUST_FULLY 0 shell\n";
        assert_eq!(answer.status, lines);
    }

    #[test]
    fn a_key_is_named_by_its_whole_fingerprint_or_identity() {
        let key = KeyInfo {
            fingerprint: KeyFingerprint::new(FPR).unwrap(),
            principal: PrincipalId::new("dev-a").unwrap(),
            created_ms: 0,
            expires_ms: 1,
            state: KeyState::Active,
        };
        let whole = [
            FPR,
            &FPR.to_lowercase(),
            &format!("0x{FPR}"),
            &format!("{FPR}!"),
            "dev-a <dev-a@agents.invalid>",
        ];
        assert!(whole.iter().all(|name| names_key(name, &key)));
        let other = [
            "",
            "01234567",
            "89ABCDEF01234567",
            "dev-a",
            "dev-a@agents.invalid",
            "dev-b <dev-b@agents.invalid>",
        ];
        assert!(!other.iter().any(|name| names_key(name, &key)));
    }
}
