//! Secrets with a form of their own.

use super::{Hit, SecretKind, entropy};

/// The form of a token: a prefix and what may follow it.
struct Form {
    kind: SecretKind,
    prefix: &'static str,
    /// The fewest bytes after the prefix.
    min: usize,
    /// The most; longer ones are something else.
    max: usize,
    allowed: fn(u8) -> bool,
}

const fn form(
    kind: SecretKind,
    prefix: &'static str,
    min: usize,
    max: usize,
    allowed: fn(u8) -> bool,
) -> Form {
    Form { kind, prefix, min, max, allowed }
}

fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn word(b: u8) -> bool {
    alnum(b) || b == b'_'
}

fn url_safe(b: u8) -> bool {
    word(b) || b == b'-'
}

fn dotted(b: u8) -> bool {
    url_safe(b) || b == b'.'
}

fn path(b: u8) -> bool {
    alnum(b) || b == b'/'
}

/// The more special prefix comes before the more general one.
const FORMS: &[Form] = {
    use SecretKind::*;
    &[
        form(AwsAccessKey, "AKIA", 16, 16, upper),
        form(AwsAccessKey, "ASIA", 16, 16, upper),
        form(GithubToken, "ghp_", 36, 255, alnum),
        form(GithubToken, "gho_", 36, 255, alnum),
        form(GithubToken, "ghu_", 36, 255, alnum),
        form(GithubToken, "ghs_", 36, 255, alnum),
        form(GithubToken, "ghr_", 36, 255, alnum),
        form(GithubToken, "github_pat_", 50, 255, word),
        form(GitlabToken, "glpat-", 20, 255, dotted),
        form(GitlabToken, "glrt-", 20, 255, dotted),
        form(GitlabToken, "gldt-", 20, 255, dotted),
        form(SlackToken, "xoxb-", 20, 255, url_safe),
        form(SlackToken, "xoxp-", 20, 255, url_safe),
        form(SlackToken, "xoxa-", 20, 255, url_safe),
        form(SlackToken, "xoxr-", 20, 255, url_safe),
        form(SlackToken, "xoxs-", 20, 255, url_safe),
        form(SlackToken, "xapp-", 20, 255, url_safe),
        form(SlackToken, "https://hooks.slack.com/services/", 30, 255, path),
        form(AnthropicKey, "sk-ant-", 24, 255, url_safe),
        form(OpenaiKey, "sk-proj-", 24, 255, url_safe),
        form(OpenaiKey, "sk-svcacct-", 24, 255, url_safe),
        form(OpenaiKey, "sk-admin-", 24, 255, url_safe),
        form(OpenaiKey, "sk-", 32, 255, alnum),
        form(ServiceKey, "AIza", 35, 35, url_safe),
        form(ServiceKey, "sk_live_", 16, 255, alnum),
        form(ServiceKey, "rk_live_", 16, 255, alnum),
        form(ServiceKey, "npm_", 36, 36, alnum),
        form(ServiceKey, "hf_", 30, 60, alnum),
        form(ServiceKey, "pypi-", 80, 255, url_safe),
        form(ServiceKey, "SG.", 60, 80, dotted),
    ]
};

/// How each of the first two parts of a JSON web token begins: `{"` in base64.
const JWT: &[u8] = b"eyJ";

/// The bytes with which a token may begin. Every message is scanned, and most words begin otherwise.
const BEGINS: [bool; 256] = {
    let mut begins = [false; 256];
    begins[JWT[0] as usize] = true;
    let mut form = 0;
    while form < FORMS.len() {
        begins[FORMS[form].prefix.as_bytes()[0] as usize] = true;
        form += 1;
    }
    begins
};

/// Names with dashes repeat their letters less evenly than what was drawn at random.
const MIN_ENTROPY: f64 = 3.0;

/// The longest part of a JSON web token that is looked at, in bytes.
const MAX_JWT_PART: usize = 16 << 10;

/// All tokens, key blocks and passwords in URLs.
pub fn scan(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match hit_at(text, at) {
            Some(hit) => {
                at = hit.range.end;
                hits.push(hit);
            }
            None => at += 1,
        }
    }
    hits
}

fn hit_at(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let first = bytes[at];
    if first == b'-' {
        return private_key(text, at);
    }
    if first == b':' {
        return url_password(text, at);
    }
    // Inside a word nothing begins.
    if !BEGINS[usize::from(first)] || at > 0 && url_safe(bytes[at - 1]) {
        return None;
    }
    jwt(bytes, at).or_else(|| FORMS.iter().find_map(|form| form.hit(text, at)))
}

/// How many bytes from `at` on are allowed, counted up to `limit`: the work for one place is bounded,
/// whatever the text.
fn run(bytes: &[u8], at: usize, limit: usize, allowed: fn(u8) -> bool) -> usize {
    bytes[at..].iter().take(limit).take_while(|b| allowed(**b)).count()
}

impl Form {
    /// Two bytes tell nearly all forms apart, and are compared without a call: this is asked of every
    /// form at many words of every message.
    fn begins(&self, bytes: &[u8]) -> bool {
        let prefix = self.prefix.as_bytes();
        bytes.len() >= prefix.len() && bytes[..2] == prefix[..2] && bytes.starts_with(prefix)
    }

    fn hit(&self, text: &str, at: usize) -> Option<Hit> {
        let bytes = text.as_bytes();
        let from = at + self.prefix.len();
        if !self.begins(&bytes[at..]) {
            return None;
        }
        let whole = from + run(bytes, from, self.max + 8, self.allowed);
        // A full stop or slash behind the token belongs to the sentence.
        let tail = text[from..whole].trim_end_matches(['.', '/', '-']);
        let good = (self.min..=self.max).contains(&tail.len())
            && tail.bytes().any(|b| b.is_ascii_digit())
            && entropy(tail) >= MIN_ENTROPY;
        good.then(|| Hit { kind: self.kind, range: at..from + tail.len() })
    }
}

fn jwt(bytes: &[u8], at: usize) -> Option<Hit> {
    let part = |from: usize, prefix: &[u8]| {
        let length = run(bytes, from, MAX_JWT_PART, url_safe);
        (bytes[from..].starts_with(prefix) && length >= 12).then_some(from + length)
    };
    let dot = |at: usize| (bytes.get(at) == Some(&b'.')).then_some(at + 1);
    let header = dot(part(at, JWT)?)?;
    let payload = dot(part(header, JWT)?)?;
    Some(Hit { kind: SecretKind::Jwt, range: at..part(payload, b"")? })
}

/// A block of a private key: its first line ends there, and what follows is its body. A block without
/// an end goes to the end of the text.
fn private_key(text: &str, at: usize) -> Option<Hit> {
    let rest = text.get(at..)?.strip_prefix("-----BEGIN ")?;
    let name = &rest[..rest.find("-----")?];
    let is_key = name.ends_with("PRIVATE KEY") || name.ends_with("PRIVATE KEY BLOCK");
    let body = rest.get(name.len() + 5..)?;
    // In JSON the line's end is written as an escape.
    let starts_body = body.starts_with(['\n', '\r']) || body.starts_with("\\n") || body.starts_with("\\r");
    if name.len() > 40 || !is_key || !starts_body {
        return None;
    }
    let end = format!("-----END {name}-----");
    let length = body.find(&end).map_or(body.len(), |found| found + end.len());
    let body_from = text.len() - body.len();
    Some(Hit { kind: SecretKind::PrivateKey, range: at..body_from + length })
}

/// `://name:password@`, seen from its first colon.
fn url_password(text: &str, at: usize) -> Option<Hit> {
    let rest = text.get(at..)?.strip_prefix("://")?;
    let authority_end =
        rest.find(|c: char| c.is_whitespace() || "/?#\"'<>`".contains(c)).unwrap_or(rest.len());
    let (credentials, _) = rest[..authority_end].rsplit_once('@')?;
    let (user, password) = credentials.split_once(':')?;
    if !super::assignments::looks_secret(password, 6) {
        return None;
    }
    let from = at + 3 + user.len() + 1;
    Some(Hit { kind: SecretKind::UrlPassword, range: from..from + password.len() })
}
