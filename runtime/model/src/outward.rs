//! How requests of the runtime itself leave this machine: which authorities are trusted, and which
//! proxies of the environment are used.

use reqwest::{NoProxy, Proxy, Url, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{path::Path, sync::Arc, time::Duration};

/// The environment, asked by name.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Where systems keep the authorities that they trust, the one of a corporate proxy among them.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Variables that name one more file of authorities. A file that they name must be readable.
const BUNDLE_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];

/// Why no way out could be set up. Never holds the value of a variable: a proxy's address may hold a
/// password.
#[derive(Debug, thiserror::Error)]
pub enum OutwardError {
    /// A file of authorities cannot be read.
    #[error("{variable} names {path}, which is no readable file of PEM certificates: {why}")]
    Authorities {
        /// The variable that names it.
        variable: &'static str,
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A proxy's address is none.
    #[error("{0} is not the address of a proxy: expected such as http://proxy.example:3128")]
    Proxy(&'static str),
    /// TLS or the client could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

/// The value of a variable; an empty one counts as none.
pub fn value(env: Env<'_>, name: &str) -> Option<String> {
    env(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

/// The proxies of an environment, each with its own host.
#[derive(Clone, Default)]
pub struct Proxies(Vec<(Proxy, Option<String>)>);

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxies({})", self.0.len())
    }
}

impl Proxies {
    /// None: straight out.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in capitals or not. What is on this
    /// machine is never reached through a proxy.
    ///
    /// # Errors
    /// One of them is no address.
    pub fn of(env: Env<'_>) -> Result<Self, OutwardError> {
        let either = |upper: &str| value(env, upper).or_else(|| value(env, &upper.to_lowercase()));
        let none = either("NO_PROXY").unwrap_or_default();
        let none = NoProxy::from_string(&format!("{none},localhost,127.0.0.0/8,::1"));
        let mut proxies = Vec::new();
        if let Some(address) = either("HTTPS_PROXY") {
            let proxy = Proxy::https(full(&address)).map_err(|_| OutwardError::Proxy("HTTPS_PROXY"))?;
            proxies.push((proxy.no_proxy(none.clone()), host(&address)));
        }
        if let Some(address) = either("HTTP_PROXY") {
            let proxy = Proxy::http(full(&address)).map_err(|_| OutwardError::Proxy("HTTP_PROXY"))?;
            proxies.push((proxy.no_proxy(none), host(&address)));
        }
        Ok(Self(proxies))
    }

    /// The hosts of the proxies themselves.
    pub fn hosts(&self) -> Vec<String> {
        self.0.iter().filter_map(|(_, host)| host.clone()).collect()
    }
}

/// The address with its scheme: people leave it out.
fn full(address: &str) -> String {
    if address.contains("://") { address.to_owned() } else { format!("http://{address}") }
}

fn host(address: &str) -> Option<String> {
    Url::parse(&full(address)).ok()?.host_str().map(str::to_owned)
}

/// A client that trusts the built-in authorities and the system's, follows no redirect, keeps no
/// cookie and takes its proxies from nowhere but `proxies`.
///
/// # Errors
/// A named file of authorities cannot be read, or TLS cannot be set up.
pub fn client(env: Env<'_>, proxies: &Proxies) -> Result<reqwest::ClientBuilder, OutwardError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| OutwardError::Client(e.to_string()))?
        .with_root_certificates(authorities(env)?)
        .with_no_client_auth();
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT);
    Ok(proxies.0.iter().fold(builder, |b, (proxy, _)| b.proxy(proxy.clone())))
}

fn authorities(env: Env<'_>) -> Result<RootCertStore, OutwardError> {
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(system) = SYSTEM_BUNDLES.iter().find(|path| Path::new(path).exists()) {
        // What is broken in it is left out, as every other program of the machine does.
        store.add_parsable_certificates(certificates(system).unwrap_or_default());
    }
    for variable in BUNDLE_VARIABLES {
        let Some(path) = value(env, variable) else { continue };
        let wrong = |why: String| OutwardError::Authorities { variable, path: path.clone(), why };
        let found = certificates(&path).map_err(wrong)?;
        if store.add_parsable_certificates(found).0 == 0 {
            return Err(wrong("it holds no certificate".to_owned()));
        }
    }
    Ok(store)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())?;
    Ok(all.filter_map(Result::ok).collect())
}

/// Whether this host of a URL is this machine, by its spelling alone.
pub fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

/// What is wrong with a request, in words that hold neither an address's secrets nor a credential:
/// the innermost cause alone.
pub fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    if std::ptr::addr_eq(inner, error) { "the connection failed".to_owned() } else { inner.to_string() }
}
