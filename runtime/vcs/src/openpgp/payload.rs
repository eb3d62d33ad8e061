//! What git asks to be signed: commit and tag objects, read strictly. Whatever two readers could
//! understand in two ways is refused.

use std::str::from_utf8;

/// The two objects that may be signed, as far as the first header tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

/// What the first header says the payload is; `None` for anything else (a push certificate, text).
pub fn kind_of(payload: &[u8]) -> Option<Kind> {
    if payload.starts_with(b"tree ") {
        return Some(Kind::Commit);
    }
    payload.starts_with(b"object ").then_some(Kind::Tag)
}

/// A name, an e-mail address and a moment, as git writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident<'a> {
    /// `Name <email>`, exactly as written.
    pub identity: &'a str,
    /// The part between the angle brackets.
    pub email: &'a str,
    /// Seconds since the Unix epoch.
    pub seconds: u64,
}

/// The headers of a commit without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<'a> {
    /// The tree's id.
    pub tree: &'a str,
    /// The parents' ids, in order.
    pub parents: Vec<&'a str>,
    /// Who wrote it.
    pub author: Ident<'a>,
    /// Who committed it.
    pub committer: Ident<'a>,
}

/// The headers of an annotated tag without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The id of the tagged object.
    pub object: &'a str,
    /// The tag's name.
    pub name: &'a str,
    /// Who tagged it.
    pub tagger: Ident<'a>,
}

/// Reads a commit. Allowed besides the four headers that every commit has: `mergetag` and
/// `encoding UTF-8`.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_commit(payload: &[u8]) -> Result<Commit<'_>, &'static str> {
    let mut lines = Headers::of(payload)?;
    let tree = lines.take("tree ").and_then(object_id).ok_or("the first header is not a tree")?;
    let mut parents = Vec::new();
    while let Some(id) = lines.take("parent ") {
        parents.push(object_id(id).ok_or("a parent is not an object id")?);
    }
    let author = ident(lines.take("author ").ok_or("no author where git puts it")?)?;
    let committer = ident(lines.take("committer ").ok_or("no committer right after the one author")?)?;
    check_extras(lines)?;
    Ok(Commit { tree, parents, author, committer })
}

/// Reads an annotated tag.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_tag(payload: &[u8]) -> Result<Tag<'_>, &'static str> {
    let mut lines = Headers::of(payload)?;
    let object = lines.take("object ").and_then(object_id).ok_or("the first header is not an object")?;
    let kind = lines.take("type ").ok_or("no type after the object")?;
    if !matches!(kind, "commit" | "tree" | "blob" | "tag") {
        return Err("an unknown type of object");
    }
    let name = lines.take("tag ").filter(|n| !n.is_empty()).ok_or("no tag name after the type")?;
    let tagger = ident(lines.take("tagger ").ok_or("no tagger after the tag name")?)?;
    match lines.next() {
        None => Ok(Tag { object, name, tagger }),
        Some(_) => Err("a header after the tagger"),
    }
}

/// Takes a raw commit object apart: the payload that was signed, and the signature if there is one.
/// A signature for the other hash function than the repository's stays in the payload, where
/// [`parse_commit`] refuses it.
///
/// # Errors
/// When the object has no header end, or more than one signature.
pub fn split_signature(raw: &[u8]) -> Result<(Vec<u8>, Option<String>), &'static str> {
    let (end, name) = (header_end(raw)?, signature_header(raw));
    let (mut payload, mut signature, mut in_signature) = (Vec::with_capacity(raw.len()), None, false);
    for line in raw[..end].split_inclusive(|b| *b == b'\n') {
        let first = line.strip_prefix(name);
        let rest = line.strip_prefix(b" ").filter(|_| in_signature);
        in_signature = first.is_some() || rest.is_some();
        match (first, rest, &mut signature) {
            (Some(_), _, Some(_)) => return Err("more than one signature"),
            (Some(text), _, none) => *none = Some(text.to_vec()),
            (None, Some(text), Some(all)) => all.extend_from_slice(text),
            _ => payload.extend_from_slice(line),
        }
    }
    payload.extend_from_slice(&raw[end..]);
    let signature = signature.map(String::from_utf8).transpose().map_err(|_| "the signature is not text")?;
    Ok((payload, signature))
}

/// The header that carries the signature, told by the length of the tree's id.
fn signature_header(raw: &[u8]) -> &'static [u8] {
    let first = raw.split(|b| *b == b'\n').next().unwrap_or_default();
    if first.len() == "tree ".len() + 64 { b"gpgsig-sha256 " } else { b"gpgsig " }
}

/// The header lines that are not read yet.
struct Headers<'a>(&'a str);

impl<'a> Headers<'a> {
    fn of(payload: &'a [u8]) -> Result<Self, &'static str> {
        if payload.contains(&0) {
            return Err("a NUL byte");
        }
        let head = from_utf8(&payload[..header_end(payload)?]).map_err(|_| "a header is not UTF-8")?;
        if head.contains('\r') {
            return Err("a carriage return in a header");
        }
        Ok(Self(head))
    }

    /// The rest of the next line when it starts with `name`.
    fn take(&mut self, name: &str) -> Option<&'a str> {
        let rest = self.0.strip_prefix(name)?;
        let (line, after) = rest.split_once('\n')?;
        self.0 = after;
        Some(line)
    }

    fn next(&mut self) -> Option<&'a str> {
        self.take("")
    }
}

/// The length of the headers with their last newline; the empty line follows.
fn header_end(object: &[u8]) -> Result<usize, &'static str> {
    let end = object.windows(2).position(|two| two == b"\n\n");
    end.map(|at| at + 1).ok_or("no empty line after the headers")
}

fn check_extras(mut lines: Headers<'_>) -> Result<(), &'static str> {
    let mut in_mergetag = false;
    while let Some(line) = lines.next() {
        let continues = in_mergetag && line.starts_with(' ');
        in_mergetag = continues || line.starts_with("mergetag ");
        if !in_mergetag {
            check_extra(line)?;
        }
    }
    Ok(())
}

fn check_extra(line: &str) -> Result<(), &'static str> {
    match line.split(' ').next().unwrap_or_default() {
        "encoding" if line.eq_ignore_ascii_case("encoding utf-8") => Ok(()),
        // In another encoding the bytes of a name could read as another name.
        "encoding" => Err("an encoding other than UTF-8"),
        "author" | "committer" => Err("a second author or committer"),
        "gpgsig" | "gpgsig-sha256" => Err("it is signed already"),
        _ => Err("a header that git does not write"),
    }
}

fn object_id(text: &str) -> Option<&str> {
    let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (hex && matches!(text.len(), 40 | 64)).then_some(text)
}

fn ident(line: &str) -> Result<Ident<'_>, &'static str> {
    let wrong = "a malformed name, e-mail address or date";
    let close = line.find('>').ok_or(wrong)?;
    let (identity, when) = line.split_at(close + 1);
    let (name, email) = identity[..close].split_once(" <").ok_or(wrong)?;
    let (seconds, zone) = when.strip_prefix(' ').and_then(|w| w.split_once(' ')).ok_or(wrong)?;
    if name.contains('<') || email.contains('<') || !is_zone(zone) || !is_number(seconds) {
        return Err(wrong);
    }
    Ok(Ident { identity, email, seconds: seconds.parse().map_err(|_| wrong)? })
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

fn is_zone(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']);
    digits.is_some_and(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    const WHO: &str = "dev-a <dev-a@agents.invalid> 1700000000 +0000";

    fn commit(extra: &str) -> String {
        format!("tree {TREE}\nauthor {WHO}\ncommitter {WHO}\n{extra}\nmessage\n")
    }

    #[test]
    fn a_plain_commit_and_a_merge_are_read() {
        let text = commit("");
        let plain = parse_commit(text.as_bytes()).unwrap();
        assert_eq!((plain.tree, plain.parents.len(), plain.committer.seconds), (TREE, 0, 1_700_000_000));
        assert_eq!(plain.author.identity, "dev-a <dev-a@agents.invalid>");
        assert_eq!(plain.author.email, "dev-a@agents.invalid");
        let merge = format!("tree {TREE}\nparent {TREE}\nparent {TREE}\nauthor {WHO}\ncommitter {WHO}\n\n");
        assert_eq!(parse_commit(merge.as_bytes()).unwrap().parents, [TREE, TREE]);
    }

    #[test]
    fn a_commit_is_read_strictly() {
        let mergetag = format!("mergetag object {TREE}\n type commit\n tag v1\n \n text\n");
        let accepted = ["", "encoding UTF-8\n", "encoding utf-8\n", &mergetag];
        for extra in accepted {
            assert!(parse_commit(commit(extra).as_bytes()).is_ok(), "{extra}");
        }
        let table = [
            (commit(&format!("author {WHO}\n")), "a second author or committer"),
            (commit(&format!("committer {WHO}\n")), "a second author or committer"),
            (commit("encoding UTF-16\n"), "an encoding other than UTF-8"),
            (commit("gpgsig -----BEGIN\n x\n"), "it is signed already"),
            (commit("HG:extra x\n"), "a header that git does not write"),
            (commit(" continued\n"), "a header that git does not write"),
            (commit("").replace('\n', "\r\n"), "no empty line after the headers"),
            (commit("").replace("+0000\nc", "+0000\r\nc"), "a carriage return in a header"),
            (commit("").replace("message", "mes\0sage"), "a NUL byte"),
            (commit("").replace("dev-a@", "dev-\0a@"), "a NUL byte"),
            (format!("tree {TREE}\nauthor {WHO}\ncommitter {WHO}"), "no empty line after the headers"),
            (format!("tree {TREE}\nauthor {WHO}\n\nx"), "no committer right after the one author"),
            (
                format!("tree {TREE}\nauthor {WHO}\nauthor {WHO}\ncommitter {WHO}\n\n"),
                "no committer right after the one author",
            ),
            (format!("tree {TREE}\ncommitter {WHO}\nauthor {WHO}\n\n"), "no author where git puts it"),
            (
                format!("parent {TREE}\ntree {TREE}\nauthor {WHO}\ncommitter {WHO}\n\n"),
                "the first header is not a tree",
            ),
            (commit("").replace(TREE, "4b82"), "the first header is not a tree"),
            (commit("").replace("1700000000", "-1"), "a malformed name, e-mail address or date"),
            (commit("").replace("1700000000", "007"), "a malformed name, e-mail address or date"),
            (
                commit("").replace("1700000000", "99999999999999999999"),
                "a malformed name, e-mail address or date",
            ),
            (commit("").replace("+0000", "UTC"), "a malformed name, e-mail address or date"),
            (commit("").replace("dev-a <", "dev-a < <"), "a malformed name, e-mail address or date"),
            ("certificate version 0.1\n\nx".to_owned(), "the first header is not a tree"),
            (String::new(), "no empty line after the headers"),
        ];
        for (payload, why) in table {
            assert_eq!(parse_commit(payload.as_bytes()).map(|_| ()), Err(why), "{payload:?}");
        }
    }

    #[test]
    fn a_tag_is_no_commit_and_the_other_way_round() {
        let tag = format!("object {TREE}\ntype commit\ntag v1\ntagger {WHO}\n\ntext\n");
        assert_eq!(parse_tag(tag.as_bytes()).unwrap().name, "v1");
        assert!(parse_commit(tag.as_bytes()).is_err());
        assert!(parse_tag(commit("").as_bytes()).is_err());
        assert_eq!(
            parse_tag(tag.replace("\n\n", "\nextra x\n\n").as_bytes()),
            Err("a header after the tagger")
        );
        let kinds = [tag.as_str(), &commit(""), "text"].map(|p| kind_of(p.as_bytes()));
        assert_eq!(kinds, [Some(Kind::Tag), Some(Kind::Commit), None]);
    }

    #[test]
    fn the_signature_comes_out_and_the_payload_stays() {
        let signed = commit("encoding UTF-8\ngpgsig -----BEGIN X-----\n \n abc\n -----END X-----\n");
        let (payload, signature) = split_signature(signed.as_bytes()).unwrap();
        assert_eq!(payload, commit("encoding UTF-8\n").as_bytes());
        assert_eq!(signature.as_deref(), Some("-----BEGIN X-----\n\nabc\n-----END X-----\n"));
        assert_eq!(split_signature(commit("").as_bytes()), Ok((commit("").into_bytes(), None)));
        let twice = commit("gpgsig a\ngpgsig b\n");
        assert_eq!(split_signature(twice.as_bytes()), Err("more than one signature"));
        let both = commit("gpgsig a\ngpgsig-sha256 b\n c\n");
        let (payload, _) = split_signature(both.as_bytes()).unwrap();
        assert_eq!(parse_commit(&payload), Err("it is signed already"));
        let sha256 = commit("gpgsig-sha256 a\n").replace(TREE, &TREE.repeat(2)[..64]);
        assert_eq!(split_signature(sha256.as_bytes()).unwrap().1.as_deref(), Some("a\n"));
        let in_message = commit("") + "gpgsig -----BEGIN X-----\n";
        assert_eq!(split_signature(in_message.as_bytes()).unwrap().1, None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (parse_commit(&bytes), parse_tag(&bytes), split_signature(&bytes), kind_of(&bytes));
        }

        #[test]
        fn a_damaged_commit_makes_no_reader_panic(at in 0usize..200, byte: u8, cut in 0usize..200) {
            let mut bytes = commit("gpgsig a\n b\n").into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut % bytes.len());
            let _ = (parse_commit(&bytes), parse_tag(&bytes), split_signature(&bytes));
        }

        #[test]
        fn splitting_never_loses_a_byte_of_an_unsigned_object(text in "[a-z \n]{0,80}\n\n[a-z \n]{0,40}") {
            prop_assume!(!text.contains("gpgsig"));
            prop_assert_eq!(split_signature(text.as_bytes()), Ok((text.clone().into_bytes(), None)));
        }
    }
}
