//! Which headers pass, in either direction. Everything else stays behind: a header of an agent could
//! redirect, and one of a provider could tell of the account.

use super::credentials::{Credential, CredentialKind};
use foureyes_config::sections::model::Provider;
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret;

const ASKED: [&str; 7] = [
    "accept",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "content-type",
    "user-agent",
    "x-app",
];
const ASKED_PREFIXES: [&str; 2] = ["x-claude-code-", "x-stainless-"];

const ANSWERED: [&str; 6] =
    ["cache-control", "content-type", "request-id", "retry-after", "retry-after-ms", "x-should-retry"];
const ANSWERED_PREFIXES: [&str; 1] = ["anthropic-ratelimit-"];
/// How Amazon tells what failed, and how its streams are framed.
const AMAZON: &str = "x-amzn-";

/// What a subscription's token needs beside it.
const SUBSCRIPTION_BETA: &str = "oauth-2025-04-20";
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

fn passes(name: &str, names: &[&str], prefixes: &[&str]) -> bool {
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// The headers of a request as it goes out, without credentials.
pub(super) fn asked(headers: &HeaderMap, provider: Provider) -> HeaderMap {
    let amazon = |name: &str| provider == Provider::Bedrock && name.starts_with("x-amzn-bedrock-");
    keep(headers, |name| passes(name, &ASKED, &ASKED_PREFIXES) || amazon(name))
}

/// The headers of an answer as the agent gets them.
pub(super) fn answered(headers: &HeaderMap, credential: Option<&Credential>) -> HeaderMap {
    let holds_secret = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        credential.is_some_and(|c| c.redact(&text) != text)
    };
    let mut kept =
        keep(headers, |name| passes(name, &ANSWERED, &ANSWERED_PREFIXES) || name.starts_with(AMAZON));
    let spoilt: Vec<HeaderName> =
        kept.iter().filter(|(_, v)| holds_secret(v)).map(|(n, _)| n.clone()).collect();
    for name in spoilt {
        kept.remove(name);
    }
    kept
}

fn keep(headers: &HeaderMap, passes: impl Fn(&str) -> bool) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| passes(name.as_str())) {
        kept.append(name.clone(), value.clone());
    }
    kept
}

/// Puts the real credentials in.
pub(super) fn authorize(headers: &mut HeaderMap, credential: &Credential) {
    let secret = credential.secret.expose_secret();
    let (name, value) = match credential.kind {
        CredentialKind::ApiKey => (API_KEY, HeaderValue::from_str(secret)),
        CredentialKind::Subscription | CredentialKind::Bearer => {
            (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {secret}")))
        }
    };
    // What cannot stand in a header never became a credential.
    if let Ok(mut value) = value {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    if credential.kind == CredentialKind::Subscription {
        add_beta(headers);
    }
}

/// One header with all betas: a provider may read the first alone.
fn add_beta(headers: &mut HeaderMap) {
    let given = headers.get_all(BETA).iter().filter_map(|v| v.to_str().ok());
    let mut all: Vec<&str> =
        given.flat_map(|v| v.split(',')).map(str::trim).filter(|v| !v.is_empty()).collect();
    if !all.contains(&SUBSCRIPTION_BETA) {
        all.push(SUBSCRIPTION_BETA);
    }
    if let Ok(value) = HeaderValue::from_str(&all.join(",")) {
        headers.insert(BETA, value);
    }
}

/// The token that a request shows: `x-api-key`, or a bearer token.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = || headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ");
    headers.get(API_KEY).and_then(|v| v.to_str().ok()).or_else(bearer).map(str::trim)
}
