//! Where the proxy sends requests to, with which credentials and limits.

use super::{
    credentials::{CredentialState, CredentialsError, Vault},
    prices::Prices,
};
use crate::outward::{self, Env, OutwardError, Proxies, value};
use foureyes_config::sections::model::{Model, Provider};
use foureyes_ports::clock::UnixMillis;
use reqwest::Url;
use std::{fmt, path::Path, sync::Arc, time::Duration};

/// Why the proxy cannot be set up. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The API's address is none.
    #[error("the API's address ({0}) is not valid: {1}")]
    BaseUrl(&'static str, &'static str),
    /// The credentials that are asked for do not fit.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No way out of this machine.
    #[error(transparent)]
    Outward(#[from] OutwardError),
}

/// What the proxy is set to. Cheap to clone; shows no secret.
#[derive(Clone)]
pub struct Settings {
    pub(super) provider: Provider,
    pub(super) base: Url,
    pub(super) vault: Vault,
    pub(super) prices: Arc<Prices>,
    pub(super) silence: Duration,
    pub(super) client: reqwest::Client,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("provider", &self.provider)
            .field("host", &self.base.host_str())
            .field("vault", &self.vault)
            .field("silence", &self.silence)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The settings of a configuration, with the runtime's own environment and the user's home.
    ///
    /// The API's address is `model.base_url`; where that is absent, the variable by which the user's
    /// own CLI would find it (`ANTHROPIC_BASE_URL`, `ANTHROPIC_BEDROCK_BASE_URL`,
    /// `ANTHROPIC_VERTEX_BASE_URL`), because the credentials of the environment belong to it; else
    /// the provider's. Missing credentials are no error: see [`Settings::credential_state`].
    ///
    /// # Errors
    /// The address is not valid or not `https:` (`http:` is for this machine alone), the credentials
    /// asked for do not fit the provider, or a proxy or file of authorities of the environment
    /// cannot be used.
    pub fn new(config: &Model, env: Env<'_>, home: &Path) -> Result<Self, ProxyError> {
        let base = base(config, env)?;
        let proxies = if outward::is_loopback(&base) { Proxies::none() } else { Proxies::of(env)? };
        let client =
            outward::client(env, &proxies)?.build().map_err(|e| OutwardError::Client(outward::cause(&e)))?;
        Ok(Self {
            provider: config.provider,
            base,
            vault: Vault::of(config, env, home)?,
            prices: Arc::new(Prices::new(&config.prices)),
            silence: Duration::from_millis(config.silence.0),
            client,
        })
    }

    /// Which credentials there are at this time, for people. Never the secret.
    pub fn credential_state(&self, now: UnixMillis) -> CredentialState {
        self.vault.state(now)
    }

    /// The host, and port where it is not the usual one, that requests go to.
    pub fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The address of a path of the API. The path was found to mean itself; the host cannot change.
    pub(super) fn url(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }
}

fn base(config: &Model, env: Env<'_>) -> Result<Url, ProxyError> {
    let variable = match config.provider {
        Provider::Anthropic => "ANTHROPIC_BASE_URL",
        Provider::Bedrock => "ANTHROPIC_BEDROCK_BASE_URL",
        Provider::Vertex => "ANTHROPIC_VERTEX_BASE_URL",
        Provider::StandIn => "model.base_url",
    };
    let (from, text) = match (&config.base_url, value(env, variable)) {
        (Some(text), _) => ("model.base_url", text.clone()),
        (None, Some(text)) if config.provider != Provider::StandIn => (variable, text),
        _ => ("the provider's own", own(config.provider, env)?),
    };
    let wrong = |why| ProxyError::BaseUrl(from, why);
    let mut url = Url::parse(&text).map_err(|_| wrong("expected such as https://api.example.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("credentials do not belong there: use `model.credentials`"));
    }
    if url.query().is_some() || url.fragment().is_some() || url.host_str().is_none() {
        return Err(wrong("expected a host and perhaps a path, and nothing behind it"));
    }
    let loopback = outward::is_loopback(&url);
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err(wrong("it must be https: (http: is for addresses of this machine alone)")),
    }
    if config.provider == Provider::StandIn && !loopback {
        return Err(wrong(
            "the stand-in is on this machine: expected an address such as http://127.0.0.1:port",
        ));
    }
    if config.provider == Provider::Vertex {
        // The CLI's variable ends with the version, the paths of requests begin with it.
        let path = url.path().trim_end_matches('/').trim_end_matches("/v1").to_owned();
        url.set_path(&path);
    }
    Ok(url)
}

fn own(provider: Provider, env: Env<'_>) -> Result<String, ProxyError> {
    Ok(match provider {
        Provider::Anthropic => "https://api.anthropic.com".to_owned(),
        Provider::Bedrock => {
            let region = region(env, "AWS_REGION")?.or(region(env, "AWS_DEFAULT_REGION")?);
            format!("https://bedrock-runtime.{}.amazonaws.com", region.as_deref().unwrap_or("us-east-1"))
        }
        Provider::Vertex => match region(env, "CLOUD_ML_REGION")?.as_deref() {
            None | Some("global") => "https://aiplatform.googleapis.com".to_owned(),
            Some(region) => format!("https://{region}-aiplatform.googleapis.com"),
        },
        Provider::StandIn => String::new(),
    })
}

/// A region becomes part of a host, so it is one word.
fn region(env: Env<'_>, name: &'static str) -> Result<Option<String>, ProxyError> {
    let is_word = |text: &String| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match value(env, name) {
        Some(region) if !is_word(&region) => Err(ProxyError::BaseUrl(name, "it is no region")),
        region => Ok(region),
    }
}
