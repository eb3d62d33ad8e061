//! The verifier's own reading of signed checkpoints.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

/// A public key in the text form of signed notes: `<name>+<8 hexadecimal digits>+<base64>`.
pub struct VerifierKey {
    pub name: String,
    id: [u8; 4],
    public: Vec<u8>,
}

impl VerifierKey {
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let typed = STANDARD.decode(key).ok()?;
        let (algorithm, public) = typed.split_first()?;
        let mut named = name.as_bytes().to_vec();
        named.push(b'\n');
        named.extend_from_slice(&typed);
        let computed: [u8; 4] = Sha256::digest(&named)[..4].try_into().ok()?;
        let good = *algorithm == 1 && public.len() == 32 && hex::encode(computed) == id;
        good.then(|| Self { name: name.to_owned(), id: computed, public: public.to_vec() })
    }
}

/// A checkpoint whose signature is good.
#[derive(Debug)]
pub struct Note {
    pub epoch: u64,
    pub size: u64,
    pub root: [u8; 32],
    pub chain: [u8; 32],
}

impl Note {
    /// Checks the signature first and reads then only what was signed.
    pub fn open(text: &str, key: &VerifierKey) -> Result<Self, String> {
        let end = text.rfind("\n\n").ok_or("it has no signature")?;
        let (body, rest) = (&text[..=end], &text[end + 2..]);
        let line = rest.strip_suffix('\n').ok_or("its last line is cut")?;
        let encoded = line
            .strip_prefix("\u{2014} ")
            .and_then(|l| l.strip_prefix(key.name.as_str()))
            .and_then(|l| l.strip_prefix(' '))
            .ok_or_else(|| format!("it is not signed by {}", key.name))?;
        let signature = STANDARD.decode(encoded).map_err(|_| "its signature is not base64")?;
        if signature.len() != 68 || signature[..4] != key.id {
            return Err("it is signed by another key".into());
        }
        let public = UnparsedPublicKey::new(&ED25519, &key.public);
        public.verify(body.as_bytes(), &signature[4..]).map_err(|_| "its signature is wrong")?;
        Self::read(body, key).ok_or_else(|| "its lines are not those of a checkpoint".into())
    }

    fn read(body: &str, key: &VerifierKey) -> Option<Self> {
        let lines: Vec<&str> = body.strip_suffix('\n')?.split('\n').collect();
        let [origin, size, root, chain] = lines[..] else { return None };
        let epoch = origin.strip_prefix(key.name.as_str())?.strip_prefix('/')?.parse().ok()?;
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        let mut chained = [0; 32];
        hex::decode_to_slice(chain.strip_prefix("chain ")?, &mut chained).ok()?;
        Some(Self { epoch, size: size.parse().ok()?, root, chain: chained })
    }
}
