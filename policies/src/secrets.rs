//! The secrets scan: finds what looks like a credential in a text before it is stored or sent on.
//!
//! Three kinds of signs: tokens with a form of their own (a prefix, a length, an alphabet), blocks of
//! private keys, and assignments to names such as `password` whose value looks chosen at random. It
//! is tuned to few false alarms: placeholders, variables, calls and type names are no secrets. What it
//! does not find is not proven to be none.

mod assignments;
mod tokens;

use std::{fmt, ops::Range};

/// What kind of secret it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// An AWS access key id.
    AwsAccessKey,
    /// A private key in PEM or OpenPGP armour.
    PrivateKey,
    /// A token of GitHub.
    GithubToken,
    /// A token of GitLab.
    GitlabToken,
    /// A token or webhook of Slack.
    SlackToken,
    /// A key of OpenAI.
    OpenaiKey,
    /// A key of Anthropic.
    AnthropicKey,
    /// A key of another service with a form of its own (Google, Stripe, SendGrid, npm, …).
    ServiceKey,
    /// A JSON web token.
    Jwt,
    /// A password inside a URL.
    UrlPassword,
    /// A value assigned to a name such as `password`.
    Assignment,
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AwsAccessKey => "aws-access-key",
            Self::PrivateKey => "private-key",
            Self::GithubToken => "github-token",
            Self::GitlabToken => "gitlab-token",
            Self::SlackToken => "slack-token",
            Self::OpenaiKey => "openai-key",
            Self::AnthropicKey => "anthropic-key",
            Self::ServiceKey => "service-key",
            Self::Jwt => "json-web-token",
            Self::UrlPassword => "url-password",
            Self::Assignment => "assigned-secret",
        })
    }
}

/// Something that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it looks like.
    pub kind: SecretKind,
    /// Where it is, in bytes of the text.
    pub range: Range<usize>,
}

/// All that looks like a secret in `text`, in order and without overlaps.
pub fn scan(text: &str) -> Vec<Hit> {
    let mut hits = tokens::scan(text);
    hits.extend(assignments::scan(text));
    // Where two overlap, the one with a form of its own (it is first at the same start) or the
    // longer says more.
    hits.sort_by_key(|hit| (hit.range.start, hit.kind));
    hits.into_iter().fold(Vec::new(), join)
}

fn join(mut hits: Vec<Hit>, hit: Hit) -> Vec<Hit> {
    match hits.last_mut() {
        Some(last) if hit.range.start < last.range.end => {
            last.kind = last.kind.min(hit.kind);
            last.range.end = last.range.end.max(hit.range.end);
        }
        _ => hits.push(hit),
    }
    hits
}

/// `text` with each hit replaced by `[redacted: <kind>]`. Without a hit it is the same text.
pub fn redact(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut from = 0;
    for hit in scan(text) {
        redacted.push_str(&text[from..hit.range.start]);
        redacted.push_str(&format!("[redacted: {}]", hit.kind));
        from = hit.range.end;
    }
    redacted.push_str(&text[from..]);
    redacted
}

/// How evenly the bytes of a text are spread, in bits a byte (Shannon).
fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    text.bytes().for_each(|b| counts[usize::from(b)] += 1);
    let length = text.len() as f64;
    let share = |n: &u32| f64::from(*n) / length;
    -counts.iter().filter(|n| **n > 0).map(share).map(|p| p * p.log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use SecretKind::*;
    use proptest::prelude::*;

    /// Put together here, so that no scanner takes this file for a leak.
    fn samples() -> Vec<(String, SecretKind)> {
        let alnum = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6";
        let of = |prefix: &str, n: usize| format!("{prefix}{}", &alnum[..n]);
        let jwt = format!("{}.{}.{}", of("eyJ", 20), of("eyJ", 24), &alnum[..43]);
        vec![
            (format!("AKIA{}", "IOSFODNN7EXAMPL2"), AwsAccessKey),
            (format!("ASIA{}", "IOSFODNN7EXAMPL2"), AwsAccessKey),
            (of("ghp_", 36), GithubToken),
            (of("gho_", 36), GithubToken),
            (of("ghs_", 40), GithubToken),
            (format!("github_pat_{}_{}", &alnum[..22], &alnum[..40]), GithubToken),
            (of("glpat-", 20), GitlabToken),
            (format!("xoxb-{}", "123456789012-1234567890123-AbCdEfGhIjKl"), SlackToken),
            (
                format!("https://hooks.slack.com/services/{}", "T00000000/B00000000/a1B2c3D4e5F6g7H8"),
                SlackToken,
            ),
            (of("sk-", 48), OpenaiKey),
            (of("sk-proj-", 48), OpenaiKey),
            (of("sk-ant-api03-", 50), AnthropicKey),
            (of("AIza", 35), ServiceKey),
            (of("sk_live_", 24), ServiceKey),
            (of("npm_", 36), ServiceKey),
            (format!("SG.{}.{}", &alnum[..22], &alnum[..43]), ServiceKey),
            (jwt, Jwt),
        ]
    }

    #[test]
    fn tokens_are_found_alone_and_in_text() {
        for (secret, kind) in samples() {
            for (before, after) in
                [("", ""), ("key=", ""), ("\"", "\","), ("is ", " ok."), ("(", ")\n"), ("é", "é")]
            {
                let text = format!("{before}{secret}{after}");
                let found = scan(&text);
                let range = before.len()..before.len() + secret.len();
                assert_eq!(found, [Hit { kind, range }], "{text}");
                assert_eq!(redact(&text), format!("{before}[redacted: {kind}]{after}"));
            }
        }
    }

    #[test]
    fn half_tokens_are_none() {
        for (secret, _) in samples() {
            let half = &secret[..secret.len() / 3];
            assert_eq!(scan(half), [], "{half}");
            assert_eq!(scan(&format!("prefix_x{secret}")).iter().filter(|h| h.range.start == 8).count(), 0);
        }
    }

    #[test]
    fn private_keys_are_found_whole() {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
        for name in ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
            let block = format!("-----BEGIN {name}-----\n{line}\n{line}\n-----END {name}-----");
            let found = scan(&format!("a\n{block}\nb"));
            assert_eq!(found, [Hit { kind: PrivateKey, range: 2..2 + block.len() }]);
            let cut = format!("-----BEGIN {name}-----\n{line}");
            assert_eq!(redact(&cut), "[redacted: private-key]");
        }
        assert_eq!(scan("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"), []);
        assert_eq!(scan("-----BEGIN CERTIFICATE-----\nMIIB"), []);
        assert_eq!(scan("look for -----BEGIN PRIVATE KEY----- in it"), [], "a mention is no key");
    }

    #[test]
    fn assigned_values_are_found() {
        for (text, value) in [
            ("password=hunter2hunter2", "hunter2hunter2"),
            ("DB_PASSWORD='s3cr3t-Pa55'", "s3cr3t-Pa55"),
            ("password: \"Tr0ub4dor&3\"", "Tr0ub4dor&3"),
            ("\"client_secret\": \"9f8A7b6C5d4E3f2G1h0J\"", "9f8A7b6C5d4E3f2G1h0J"),
            ("export API_KEY=9f8A7b6C5d4E3f2G1h0J", "9f8A7b6C5d4E3f2G1h0J"),
            ("let auth_token = \"9f8A7b6C5d4E3f2G1h0J\";", "9f8A7b6C5d4E3f2G1h0J"),
            ("apiKey => '9f8A7b6C5d4E3f2G1h0J'", "9f8A7b6C5d4E3f2G1h0J"),
            ("secret := `9f8A7b6C5d4E3f2G1h0J`", "9f8A7b6C5d4E3f2G1h0J"),
            ("postgres://app:s3cr3tPa55@db/x", "s3cr3tPa55"),
        ] {
            let found: Vec<_> = scan(text).into_iter().map(|h| &text[h.range]).collect();
            assert_eq!(found, [value], "{text}");
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "password = get_password()",
            "let token = lexer.next_token();",
            "fn check(password: &str, token: Token) -> bool",
            "password: String,",
            "api_key: ${API_KEY}",
            "api_key = os.environ[\"API_KEY_2024_PRODUCTION\"]",
            "api_key = process.env.API_KEY_2024_PRODUCTION",
            "password: \"changeme\"",
            "password = \"<your password here>\"",
            "password = \"xxxxxxxxxxxx\"",
            "token = \"{{ vault_token_2024_production }}\"",
            "\"token\": \"Bearer\"",
            "max_tokens = 10000000000",
            "secret_scan = \"enabled-since-2024-05\"",
            "password_min_length = 12",
            "the password: it must be long enough, 12 characters",
            "commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad",
            "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "id = \"0192e4a0-7c3f-7b3e-9f10-2f1d3c4b5a69\"",
            "sk-learn-compatible-estimators-are-everywhere",
            "https://example.com:8080/a@b",
            "https://user:password@example.com",
            "ssh://git@host:22/path",
            "postgres://app:${DB_PASSWORD}@db/x",
            "task-sk-1 and AKIA and ghp_short",
            "eyJhbGciOiJIUzI1NiJ9 alone",
            "token: 0192e4a0",
            "",
        ] {
            assert_eq!(scan(text), [], "{text}");
            assert_eq!(redact(text), text);
        }
    }

    /// A scan that looked again and again at the same bytes would not end within minutes here.
    #[test]
    fn hostile_texts_take_no_longer() {
        for part in
            ["SG.", ":", "=", "password=", "-----BEGIN ", "://a:", "eyJaaaaaaaaaaaa.", "sk-a-", "\"", " "]
        {
            scan(&part.repeat((1 << 17) / part.len()));
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_ranges_are_ordered(text in "(\\PC|sk-|ghp_|password=|://|:|@|\"|-----BEGIN |PRIVATE KEY-----|eyJ|\\.|AKIA){0,40}") {
            let mut end = 0;
            for hit in scan(&text) {
                prop_assert!(hit.range.start >= end && text.get(hit.range.clone()).is_some());
                end = hit.range.end;
            }
            redact(&text);
        }
    }
}
