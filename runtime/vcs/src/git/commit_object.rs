//! Commit objects: taking them apart exactly as git does, and making them.

use super::{GitRepository, command::malformed, parse_id};
use foureyes_ports::vcs::{CommitInfo, Identity, NewCommit, ObjectFormat, Result, Sign, VcsError};
use foureyes_protocol::CommitId;

/// The header that carries the signature in a repository of this format.
fn signature_header(format: ObjectFormat) -> &'static [u8] {
    match format {
        ObjectFormat::Sha1 => b"gpgsig",
        ObjectFormat::Sha256 => b"gpgsig-sha256",
    }
}

/// The lines of the header, each with its line feed, and the rest with the empty line before it.
fn split_header(raw: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let end = raw.windows(2).position(|w| w == b"\n\n").map_or(raw.len(), |at| at + 1);
    (raw[..end].split_inclusive(|b| *b == b'\n').collect(), &raw[end..])
}

fn keyword(line: &[u8]) -> &[u8] {
    line.split(|b| matches!(b, b' ' | b'\n')).next().unwrap_or_default()
}

/// What is signed, and the signature: header lines of `gpgsig` with their continuations are cut out.
struct Split {
    payload: Vec<u8>,
    signature: Option<Vec<u8>>,
    irregular: Option<&'static str>,
}

fn split_signature(raw: &[u8], format: ObjectFormat) -> Split {
    let (lines, rest) = split_header(raw);
    let mut split = Split { payload: Vec::with_capacity(raw.len()), signature: None, irregular: None };
    let mut inside = false;
    for line in lines {
        if inside && line.starts_with(b" ") {
            split.signature.get_or_insert_default().extend_from_slice(&line[1..]);
            continue;
        }
        let word = keyword(line);
        inside = word == signature_header(format);
        if inside {
            if split.signature.is_some() {
                split.irregular = Some("it carries two signatures");
            }
            split
                .signature
                .get_or_insert_default()
                .extend_from_slice(line.get(word.len() + 1..).unwrap_or_default());
        } else {
            if word.starts_with(b"gpgsig") {
                split.irregular = Some("it carries a signature of another hash");
            }
            split.payload.extend_from_slice(line);
        }
    }
    split.payload.extend_from_slice(rest);
    split
}

/// Takes a raw commit apart.
///
/// # Errors
/// [`VcsError::Malformed`].
pub(super) fn parse(id: &CommitId, raw: &[u8], format: ObjectFormat) -> Result<CommitInfo> {
    let (lines, rest) = split_header(raw);
    let mut header = Header::default();
    lines.iter().try_for_each(|line| header.take(line))?;
    let Split { payload, signature, irregular } = split_signature(raw, format);
    let (Some(tree), Some(author), Some(committer)) = (header.tree, header.author, header.committer) else {
        return Err(malformed("commit without tree, author or committer", id.as_str().as_bytes()));
    };
    let message = String::from_utf8_lossy(rest.strip_prefix(b"\n").unwrap_or(rest)).into_owned();
    Ok(CommitInfo {
        id: id.clone(),
        tree,
        parents: header.parents,
        author,
        committer,
        subject: message.lines().next().unwrap_or_default().to_owned(),
        message,
        signed_payload: payload,
        signature,
        irregular: irregular.or(header.irregular),
    })
}

#[derive(Default)]
struct Header {
    tree: Option<CommitId>,
    parents: Vec<CommitId>,
    author: Option<Identity>,
    committer: Option<Identity>,
    irregular: Option<&'static str>,
}

impl Header {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        let word = keyword(line);
        let value = line.get(word.len() + 1..).unwrap_or_default();
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        if line.contains(&0) {
            self.irregular = Some("its header holds a NUL byte");
        }
        let id = || parse_id(&String::from_utf8_lossy(value));
        let doubled = match word {
            b"tree" => self.tree.replace(id()?).is_some(),
            b"author" => self.author.replace(parse_identity(value)?).is_some(),
            b"committer" => self.committer.replace(parse_identity(value)?).is_some(),
            b"parent" => {
                self.parents.push(id()?);
                false
            }
            _ => false,
        };
        if doubled {
            self.irregular = Some("a header stands in it twice");
        }
        Ok(())
    }
}

/// `Name <email> seconds offset`.
fn parse_identity(value: &[u8]) -> Result<Identity> {
    let text = String::from_utf8_lossy(value);
    let parsed = text.rsplit_once("> ").and_then(|(who, when)| {
        let (name, email) = who.split_once('<')?;
        let (seconds, offset) = when.split_once(' ')?;
        Some(Identity {
            name: name.trim().to_owned(),
            email: email.to_owned(),
            seconds: seconds.parse().ok()?,
            offset: offset.to_owned(),
        })
    });
    parsed.ok_or_else(|| malformed("identity in a commit", value))
}

impl GitRepository {
    /// Writes a signed commit.
    pub(super) fn write_commit(&self, new: &NewCommit, sign: Sign<'_>) -> Result<CommitId> {
        let payload = payload(new)?;
        let signature = sign(&payload).map_err(VcsError::Unsigned)?;
        let object = with_signature(&payload, &signature, self.format);
        let write = self.git("hash-object").args(["-t", "commit", "-w", "--stdin"]);
        parse_id(&write.input(object).line()?)
    }
}

/// The commit object without a signature.
fn payload(new: &NewCommit) -> Result<Vec<u8>> {
    let mut text = format!("tree {}\n", new.tree);
    for parent in &new.parents {
        text += &format!("parent {parent}\n");
    }
    text += &format!("author {}\n", identity_line(&new.author)?);
    text += &format!("committer {}\n\n", identity_line(&new.committer)?);
    text += &message(new)?;
    Ok(text.into_bytes())
}

fn identity_line(who: &Identity) -> Result<String> {
    let forges = |s: &str| s.is_empty() || s.contains(['<', '>', '\n', '\0']);
    let offset = who.offset.len() == 5
        && who.offset.starts_with(['+', '-'])
        && who.offset[1..].bytes().all(|b| b.is_ascii_digit());
    if forges(&who.name) || forges(&who.email) || !offset {
        return Err(malformed("identity for a commit", who.name.as_bytes()));
    }
    Ok(format!("{} <{}> {} {}", who.name, who.email, who.seconds, who.offset))
}

fn message(new: &NewCommit) -> Result<String> {
    let body = new.message.trim_end();
    let forges = |t: &(String, String)| {
        let key = !t.0.is_empty() && t.0.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        !key || t.1.contains(['\n', '\0'])
    };
    if body.is_empty() || body.contains('\0') || new.trailers.iter().any(forges) {
        return Err(malformed("message for a commit", body.as_bytes()));
    }
    let trailers: String = new.trailers.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    let gap = if trailers.is_empty() { "" } else { "\n" };
    Ok(format!("{body}\n{gap}{trailers}"))
}

/// Puts the signature where git puts it: the last header, its further lines indented.
fn with_signature(payload: &[u8], signature: &[u8], format: ObjectFormat) -> Vec<u8> {
    let (lines, rest) = split_header(payload);
    let mut object = lines.concat();
    object.extend_from_slice(signature_header(format));
    let body = signature.strip_suffix(b"\n").unwrap_or(signature);
    for line in body.split(|b| *b == b'\n') {
        object.push(b' ');
        object.extend_from_slice(line);
        object.push(b'\n');
    }
    object.extend_from_slice(rest);
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    fn who(name: &str) -> Identity {
        let email = format!("{name}@agents.invalid");
        Identity { name: name.to_owned(), email, seconds: 1_700_000_000, offset: "+0000".to_owned() }
    }

    fn new_commit(message: &str) -> NewCommit {
        NewCommit {
            tree: CommitId::new(TREE).expect("id"),
            parents: vec![CommitId::new(TREE).expect("id")],
            author: who("dev-a"),
            committer: who("system"),
            message: message.to_owned(),
            trailers: vec![("Foureyes-Feature".to_owned(), "login".to_owned())],
        }
    }

    fn parse_raw(raw: &[u8]) -> Result<CommitInfo> {
        parse(&CommitId::new(TREE).expect("id"), raw, ObjectFormat::Sha1)
    }

    #[test]
    fn a_signature_is_found_again_with_the_bytes_it_covers() {
        let payload = payload(&new_commit("feat: login\n\nbody\n")).expect("payload");
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let signature = b"-----BEGIN-----\n\nabc\n=x\n-----END-----\n";
            let split = split_signature(&with_signature(&payload, signature, format), format);
            assert_eq!(split.payload, payload);
            assert_eq!(split.signature.as_deref(), Some(&signature[..]));
            assert_eq!(split.irregular, None);
        }
    }

    #[test]
    fn the_parts_are_read() {
        let raw = payload(&new_commit("feat: login\n\nbody\n")).expect("payload");
        let info = parse_raw(&raw).expect("commit");
        assert_eq!((info.subject.as_str(), info.author.clone()), ("feat: login", who("dev-a")));
        assert_eq!(info.message, "feat: login\n\nbody\n\nForeyes-Feature: login\n".replace("Fore", "Foure"));
        assert_eq!(info.parents.len(), 1);
        assert_eq!(info.author.principal().expect("principal").as_str(), "dev-a");
        assert_eq!(info.signature, None);
    }

    #[test]
    fn tricks_with_headers_are_irregular() {
        let base = format!("tree {TREE}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n");
        for extra in [
            "gpgsig one\ngpgsig two\n",
            "gpgsig-sha256 one\n",
            "gpgsig one\ngpgsig-sha256 two\n",
            "author b <b@b> 1 +0000\n",
            "x-\0y z\n",
        ] {
            let info = parse_raw(format!("{base}{extra}\nmessage\n").as_bytes()).expect("commit");
            assert!(info.irregular.is_some(), "{extra:?}");
        }
        assert!(parse_raw(format!("tree {TREE}\n\nm\n").as_bytes()).is_err());
    }

    #[test]
    fn a_header_cannot_be_forged_through_a_name_or_a_trailer() {
        let mut forged = new_commit("m");
        forged.author.name = "x\nparent 1".to_owned();
        assert!(payload(&forged).is_err());
        let mut forged = new_commit("m");
        forged.trailers.push(("Signed".to_owned(), "a\nFoureyes-Evidence: b".to_owned()));
        assert!(payload(&forged).is_err());
        assert!(payload(&new_commit(" \n")).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_raw(&raw);
        }

        #[test]
        fn any_signature_comes_back(lines in proptest::collection::vec("[ -~]{0,20}", 1..6)) {
            let signature = lines.join("\n") + "\n";
            let payload = payload(&new_commit("m")).expect("payload");
            let object = with_signature(&payload, signature.as_bytes(), ObjectFormat::Sha1);
            let split = split_signature(&object, ObjectFormat::Sha1);
            prop_assert_eq!(split.payload, payload);
            prop_assert_eq!(split.signature, Some(signature.into_bytes()));
        }
    }
}
