//! OpenPGP signatures made in-process, so that no agent and no file within an agent's reach ever
//! holds a key, and a stock `gpg` can judge them.
//!
//! * [`payload`] – what a commit or tag object says, and taking it apart from its signature
//! * `certificate` – one key: making it, its validity, renewal, revocation, signing
//! * `judge` – what a signature is worth
//! * [`keyring`] – the [`Signer`](foureyes_ports::signer::Signer) over a directory of keys
//! * [`chain`] – the verdict on every commit of a push
//! * [`wire`] – the bytes between git's `gpg.program` and the runtime, and the runtime's end
//! * [`answer`] – what gpg would have said
//! * [`gpg_shim`] – git's `gpg.program`

pub mod answer;
mod certificate;
pub mod chain;
pub mod gpg_shim;
mod judge;
pub mod keyring;
pub mod payload;
pub mod wire;

pub use keyring::OpenPgpSigner;
