//! Checkpoints: the size and root of the tree, signed, in the text form of C2SP signed notes
//! (`signed-note`, `tlog-checkpoint`). Whoever keeps one can later tell whether the ledger's history
//! was cut, rewritten or forked.
//!
//! ```text
//! foureyes/<run>/<epoch>
//! <records>
//! <root, base64>
//! chain <hash of the last record, hexadecimal>
//!
//! — foureyes/<run> <key id and signature, base64>
//! ```

use base64::{Engine as _, engine::general_purpose::STANDARD};
use foureyes_ports::ledger::Head;
use foureyes_protocol::{Digest, RunId};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

const ED25519_NOTE: u8 = 1;

/// What a checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The state directory's name.
    pub run: RunId,
    /// The epoch that signed it.
    pub epoch: u64,
    /// The number of records and the hash of the last.
    pub head: Head,
    /// The root of the Merkle tree over the records.
    pub root: Digest,
}

/// A text that is not a checkpoint, or one that the key has not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It has not the form of a checkpoint.
    #[error("it is no checkpoint: {0}")]
    Form(&'static str),
    /// It has no good signature by the ledger's key.
    #[error("it is not signed by the ledger's key")]
    Signature,
}

/// The name under which the key of a run signs.
pub fn key_name(run: RunId) -> String {
    format!("foureyes/{run}")
}

fn key_id(name: &str, public: &[u8]) -> [u8; 4] {
    let digest = Digest::of(&[name.as_bytes(), b"\n", &[ED25519_NOTE], public].concat()).0;
    [digest[0], digest[1], digest[2], digest[3]]
}

/// The public key in the text form of signed notes: `<name>+<key id>+<key>`.
pub fn verifier_key(run: RunId, public: &[u8]) -> String {
    let name = key_name(run);
    let key = STANDARD.encode([&[ED25519_NOTE], public].concat());
    format!("{name}+{}+{key}", hex::encode(key_id(&name, public)))
}

impl Checkpoint {
    fn body(&self) -> String {
        let Self { run, epoch, head, root } = self;
        let root = STANDARD.encode(root.0);
        format!("{}/{epoch}\n{}\n{root}\nchain {}\n", key_name(*run), head.index, head.hash)
    }

    /// The signed text.
    pub fn sign(&self, key: &Ed25519KeyPair) -> String {
        let (name, body) = (key_name(self.run), self.body());
        let id = key_id(&name, key.public_key().as_ref());
        let signature = STANDARD.encode([&id, key.sign(body.as_bytes()).as_ref()].concat());
        format!("{body}\n\u{2014} {name} {signature}\n")
    }

    /// Reads a text and checks its signature against the public key of `run`.
    ///
    /// # Errors
    /// [`CheckpointError`] if the form, the run or the signature is wrong.
    pub fn open(text: &str, run: RunId, public: &[u8]) -> Result<Self, CheckpointError> {
        let (body, signature) = text.split_once("\n\n").ok_or(CheckpointError::Form("no signature"))?;
        let checkpoint = Self::parse(body, run).ok_or(CheckpointError::Form("a line is wrong"))?;
        // One meaning, one text: what is not written exactly so was not written by us.
        if checkpoint.body().trim_end_matches('\n') != body {
            return Err(CheckpointError::Form("it is not in its one form"));
        }
        checkpoint.check_signature(signature, public)?;
        Ok(checkpoint)
    }

    fn parse(body: &str, run: RunId) -> Option<Self> {
        let mut lines = body.split('\n');
        let epoch = lines.next()?.strip_prefix(&key_name(run))?.strip_prefix('/')?.parse().ok()?;
        let index = lines.next()?.parse().ok()?;
        let root = Digest(STANDARD.decode(lines.next()?).ok()?.try_into().ok()?);
        let hash = lines.next()?.strip_prefix("chain ")?.parse().ok()?;
        Some(Self { run, epoch, head: Head { index, hash }, root })
    }

    fn check_signature(&self, line: &str, public: &[u8]) -> Result<(), CheckpointError> {
        let name = key_name(self.run);
        let encoded = line.strip_prefix(&format!("\u{2014} {name} ")).and_then(|l| l.strip_suffix('\n'));
        let decoded = encoded.and_then(|e| STANDARD.decode(e).ok()).ok_or(CheckpointError::Signature)?;
        let (id, signature) = decoded.split_at_checked(4).ok_or(CheckpointError::Signature)?;
        if id != key_id(&name, public) {
            return Err(CheckpointError::Signature);
        }
        let key = UnparsedPublicKey::new(&ED25519, public);
        key.verify(self.body().as_bytes(), signature).map_err(|_| CheckpointError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use uuid::Uuid;

    fn key() -> Ed25519KeyPair {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("entropy");
        Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a fresh key")
    }

    fn checkpoint() -> Checkpoint {
        let head = Head { index: 65, hash: Digest::of(b"last") };
        Checkpoint { run: RunId(Uuid::from_u128(9)), epoch: 3, head, root: Digest::of(b"root") }
    }

    #[test]
    fn opens_what_it_signed() {
        let key = key();
        let text = checkpoint().sign(&key);
        assert_eq!(Checkpoint::open(&text, checkpoint().run, key.public_key().as_ref()), Ok(checkpoint()));
        assert_eq!(text.lines().count(), 6, "{text}");
    }

    #[test]
    fn refuses_another_run_and_another_key() {
        let (key, other) = (key(), key());
        let text = checkpoint().sign(&key);
        let public = key.public_key().as_ref();
        assert!(Checkpoint::open(&text, RunId(Uuid::from_u128(8)), public).is_err());
        let by_other = Checkpoint::open(&text, checkpoint().run, other.public_key().as_ref());
        assert_eq!(by_other, Err(CheckpointError::Signature));
    }

    #[test]
    fn refuses_every_changed_byte() {
        let key = key();
        let text = checkpoint().sign(&key);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let opened = Checkpoint::open(&changed, checkpoint().run, key.public_key().as_ref());
            assert!(opened.is_err(), "byte {at}: {changed}");
        }
    }
}
