//! Which URLs may be fetched.

use crate::outward::{self, OutwardError};
use reqwest::Url;
use std::time::Duration;

/// A longer URL is refused: it would carry more out than a question.
const MAX_URL: usize = 2048;

/// Why a page was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// An entry of the accepted hosts is no host.
    #[error(
        "{0:?} is no host: expected such as docs.example.org or docs.example.org:8443, without scheme and path"
    )]
    Host(String),
    /// No way out of this machine.
    #[error(transparent)]
    Outward(#[from] OutwardError),
    /// A text is no URL that could be fetched.
    #[error(
        "{0} is not valid: expected https://host/path, without user and password, of at most 2048 characters"
    )]
    Url(&'static str),
    /// The host is not accepted.
    #[error("{host} is not among the hosts that the user accepted: {accepted}")]
    NotAccepted {
        /// The host, and port, of the URL.
        host: String,
        /// Those that are.
        accepted: String,
    },
    /// Not `https:`.
    #[error("only https: is fetched (http: from a listed address of this machine alone)")]
    Scheme,
    /// Too many redirects.
    #[error("it redirects more than {0} times")]
    Redirects(usize),
    /// Not text.
    #[error("it is of type {0:?}, which is no text")]
    NoText(String),
    /// Too large.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// Too slow.
    #[error("it did not arrive within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The host could not be reached, or broke off.
    #[error("it cannot be fetched: {0}")]
    Network(String),
}

/// The accepted hosts, each with its port where one is named.
#[derive(Clone, Debug)]
pub(super) struct Hosts(Vec<(String, Option<u16>)>);

impl Hosts {
    pub(super) fn new(entries: &[String]) -> Result<Self, FetchError> {
        let all: Option<Vec<_>> = entries.iter().map(|entry| host(entry)).collect();
        let wrong = || entries.iter().find(|entry| host(entry).is_none()).cloned().unwrap_or_default();
        all.map(Self).ok_or_else(|| FetchError::Host(wrong()))
    }

    /// The URL, if it may be fetched; without its fragment, which is the reader's own business.
    pub(super) fn check(&self, text: &str) -> Result<Url, FetchError> {
        let mut url =
            Url::parse(text).ok().filter(|_| text.len() <= MAX_URL).ok_or(FetchError::Url("the URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Url("the URL"));
        }
        url.set_fragment(None);
        let host = url.host_str().ok_or(FetchError::Url("the URL"))?;
        if !self.0.iter().any(|(name, port)| name == host && *port == url.port()) {
            return Err(self.not_accepted(&url));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if outward::is_loopback(&url) => Ok(url),
            _ => Err(FetchError::Scheme),
        }
    }

    fn not_accepted(&self, url: &Url) -> FetchError {
        let shown = |(host, port): (&str, Option<u16>)| match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let all: Vec<String> = self.0.iter().map(|(host, port)| shown((host, *port))).collect();
        let accepted = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        FetchError::NotAccepted { host: shown((url.host_str().unwrap_or_default(), url.port())), accepted }
    }
}

/// A host and its port, in the spelling of URLs.
fn host(entry: &str) -> Option<(String, Option<u16>)> {
    let url = Url::parse(&format!("https://{entry}/")).ok()?;
    let plain = !entry.is_empty()
        && entry.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
        && url.path() == "/";
    Some((url.host_str()?.to_owned(), url.port())).filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_accepted_exactly() {
        let listed =
            ["docs.example.org", "Other.example:8443", "127.0.0.1:8080", "[::1]:9"].map(str::to_owned);
        let hosts = Hosts::new(&listed).unwrap();
        let good = [
            "https://docs.example.org",
            "https://docs.example.org:443/a?b#c",
            "https://DOCS.example.org/",
            "https://other.example:8443/x",
            "http://127.0.0.1:8080/x",
            "http://[::1]:9/",
        ];
        for url in good {
            assert!(hosts.check(url).is_ok(), "{url}");
        }
        let bad = [
            "http://docs.example.org/",
            "https://docs.example.org:8443/",
            "https://docs.example.org.evil.example/",
            "https://evil.example/docs.example.org",
            "https://docs.example.org@evil.example/",
            "https://user:word@docs.example.org/",
            "https://user@docs.example.org/",
            "https://sub.docs.example.org/",
            "https://docs.example.org./",
            "https://other.example/",
            "http://other.example:8443/",
            "http://127.0.0.1/",
            "http://2130706433:8081/",
            "file:///etc/passwd",
            "data:text/plain,x",
            "ftp://docs.example.org/",
            "docs.example.org",
            "",
        ];
        for url in bad {
            assert!(hosts.check(url).is_err(), "{url}");
        }
        assert!(hosts.check(&format!("https://docs.example.org/{}", "a".repeat(3000))).is_err());
        assert_eq!(
            hosts.check("https://docs.example.org/a#b").unwrap().as_str(),
            "https://docs.example.org/a"
        );
    }

    #[test]
    fn what_is_no_host_is_named() {
        for entry in
            ["", "*", "*.example.org", "https://x.example", "x.example/path", "a@b.example", "x:99999"]
        {
            let error = Hosts::new(&["docs.rs".to_owned(), entry.to_owned()]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{entry:?} is no host")), "{error}");
        }
    }
}
