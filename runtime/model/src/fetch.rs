//! Pages from hosts that the user accepted, for the one role that may read outside.
//!
//! By GET alone, without cookies, credentials or anything else that tells who asks. What comes back
//! is data that strangers wrote: whoever hands it to a model must label it so.

mod hosts;
mod readable;
mod resolve;

pub use hosts::FetchError;

use crate::outward::{self, Env, Proxies};
use bytes::BytesMut;
use foureyes_ports::text::is_safe;
use hosts::Hosts;
use reqwest::{
    Response, Url,
    header::{ACCEPT, CONTENT_TYPE, LOCATION},
};
use std::{fmt, time::Duration};

/// Redirects that are followed, each to an accepted host.
const MAX_REDIRECTS: usize = 5;
/// A larger page is refused.
const MAX_BYTES: usize = 1024 * 1024;
/// All of it, redirects included, within this time.
const TIMEOUT: Duration = Duration::from_secs(20);

const ACCEPTED: &str =
    "text/html,application/xhtml+xml,text/plain,text/markdown,application/json;q=0.9,text/*;q=0.8";

/// A page that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The URL that answered, behind all redirects.
    pub url: String,
    /// Its HTTP status; a page that tells of an error is a page, too.
    pub status: u16,
    /// As the server names it.
    pub content_type: String,
    /// What a person would read: HTML without its markup, invisible characters dropped.
    pub text: String,
    /// The size of what came, in bytes.
    pub bytes: u64,
}

/// Fetches pages from accepted hosts. Cheap to clone; shows no password of a proxy.
#[derive(Clone)]
pub struct Fetcher {
    hosts: Hosts,
    client: reqwest::Client,
    timeout: Duration,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fetcher").field(&self.hosts).finish()
    }
}

impl Fetcher {
    /// A fetcher of these hosts: `docs.example.org`, `docs.example.org:8443`, or an address of this
    /// machine such as `127.0.0.1:8080`, which alone may be fetched by `http:`. Proxies and
    /// authorities are those of the environment.
    ///
    /// A name that leads to a private address is refused, unless a proxy of the environment is used:
    /// then it is the proxy that resolves names.
    ///
    /// # Errors
    /// An entry is no host, or the client cannot be set up.
    pub fn new(hosts: &[String], env: Env<'_>) -> Result<Self, FetchError> {
        let hosts = Hosts::new(hosts)?;
        let proxies = Proxies::of(env)?;
        let client = outward::client(env, &proxies)?
            .dns_resolver(resolve::Public::except(proxies.hosts()))
            .user_agent(concat!("foureyes/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| FetchError::Network(outward::cause(&e)))?;
        Ok(Self { hosts, client, timeout: TIMEOUT })
    }

    /// Fetches a page as text.
    ///
    /// # Errors
    /// The URL, or one that it redirects to, is not of an accepted host; the page is no text, too
    /// large or too slow; or the host cannot be reached.
    pub async fn get(&self, url: &str) -> Result<Page, FetchError> {
        tokio::time::timeout(self.timeout, self.follow(url))
            .await
            .map_err(|_| FetchError::Timeout(self.timeout))?
    }

    async fn follow(&self, url: &str) -> Result<Page, FetchError> {
        let mut url = self.hosts.check(url)?;
        for _ in 0..=MAX_REDIRECTS {
            let request = self.client.get(url.clone()).header(ACCEPT, ACCEPTED);
            let response = request.send().await.map_err(|e| FetchError::Network(outward::cause(&e)))?;
            match target(&response, &url)? {
                None => return page(response, &url).await,
                Some(next) => url = self.hosts.check(&next)?,
            }
        }
        Err(FetchError::Redirects(MAX_REDIRECTS))
    }
}

/// Where a response redirects to.
fn target(response: &Response, from: &Url) -> Result<Option<String>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let place = response.headers().get(LOCATION).and_then(|v| v.to_str().ok());
    let place =
        place.ok_or_else(|| FetchError::Network("it redirects without saying where to".to_owned()))?;
    let next = from.join(place).map_err(|_| FetchError::Url("the URL that it redirects to"))?;
    Ok(Some(next.into()))
}

async fn page(mut response: Response, url: &Url) -> Result<Page, FetchError> {
    let status = response.status().as_u16();
    let kind =
        response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !is_text(&essence) {
        return Err(FetchError::NoText(essence));
    }
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|e| FetchError::Network(outward::cause(&e)))? {
        if body.len() + piece.len() > MAX_BYTES {
            return Err(FetchError::TooLarge(MAX_BYTES));
        }
        body.extend_from_slice(&piece);
    }
    let source = String::from_utf8_lossy(&body);
    let is_html = matches!(essence.as_str(), "text/html" | "application/xhtml+xml");
    let text = if is_html { readable::of(&source) } else { source.into_owned() };
    let text = text.chars().filter(|c| is_safe(*c) || matches!(c, '\n' | '\t')).collect();
    Ok(Page { url: url.to_string(), status, content_type: kind, text, bytes: body.len() as u64 })
}

fn is_text(kind: &str) -> bool {
    const OTHERS: [&str; 6] = ["json", "xml", "xhtml+xml", "javascript", "toml", "yaml"];
    let of_application = |sub: &str| {
        OTHERS.contains(&sub.trim_start_matches("x-")) || sub.ends_with("+json") || sub.ends_with("+xml")
    };
    kind.starts_with("text/") || kind.strip_prefix("application/").is_some_and(of_application)
}

#[cfg(test)]
mod tests;
