//! Making a secret and showing it once.

use super::{STEP_S, SecondFactorError, state::State};
use foureyes_ports::clock::{Entropy, UnixMillis};
use foureyes_protocol::Digest;
use qrcode::{QrCode, render::unicode::Dense1x2};
use std::fmt;
use totp_rs::{Algorithm, Builder};
use zeroize::Zeroizing;

const ISSUER: &str = "Foureyes";

/// What entitles to replace the secret.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A code of the present secret, given for this decision; judged and consumed as any other.
    Code {
        /// The decision to enrol again.
        decision: &'a Digest,
        /// The code.
        code: &'a str,
    },
    /// The recovery code printed at the last enrolment.
    Recovery(&'a str),
}

/// A fresh secret, to be shown once on the user's terminal and kept nowhere. Wiped when dropped.
#[derive(Clone)]
pub struct Enrolment {
    /// `otpauth://…`, for apps that cannot scan.
    pub url: Zeroizing<String>,
    /// The same as a QR code of block characters, for a terminal of light text on dark.
    pub qr: Zeroizing<String>,
    /// Opens the way to another enrolment when the device is lost. Only its digest is kept.
    pub recovery_code: Zeroizing<String>,
}

/// Never shows the secret.
impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment").finish_non_exhaustive()
    }
}

pub(super) fn enrol(
    account: &str,
    now_ms: UnixMillis,
    entropy: &dyn Entropy,
) -> Result<(State, Enrolment), SecondFactorError> {
    let mut secret = Zeroizing::new([0; 20]);
    entropy.fill(secret.as_mut());
    let secret = Zeroizing::new(hex::encode(secret.as_ref()));
    let named = builder(&secret).with_account_name(account).with_issuer(Some(ISSUER)).build()?;
    let url = Zeroizing::new(named.to_url()?);
    let recovery_code = recovery_code(entropy);
    let state = State::fresh(secret.to_string(), recovery_digest(&recovery_code), now_ms);
    let qr = Zeroizing::new(draw(&url)?);
    Ok((state, Enrolment { url, qr, recovery_code }))
}

/// SHA-1, six digits, 30 s: what every authenticator app understands.
pub(super) fn builder(secret_hex: &str) -> Builder {
    let secret = hex::decode(secret_hex).unwrap_or_default();
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(STEP_S)
        .with_secret(secret)
}

/// The digest by which a recovery code is known; blanks, dashes and case do not matter.
pub(super) fn recovery_digest(code: &str) -> Digest {
    let bare: Zeroizing<String> =
        Zeroizing::new(code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase());
    Digest::of_parts("second-factor-recovery", [bare.as_bytes()])
}

/// 128 bits in eight groups of four digits.
fn recovery_code(entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 16]);
    entropy.fill(bytes.as_mut());
    let groups: Vec<String> = bytes.chunks(2).map(hex::encode).collect();
    Zeroizing::new(groups.join("-"))
}

/// Dark modules are left blank and light ones drawn, which on a dark terminal is the right way round.
fn draw(url: &str) -> Result<String, SecondFactorError> {
    let code = QrCode::new(url)?;
    let mut renderer = code.render::<Dense1x2>();
    Ok(renderer.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build())
}
