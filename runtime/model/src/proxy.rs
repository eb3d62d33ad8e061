//! The proxy between an agent and its model.
//!
//! An agent's CLI takes it for the API: the base URL is the role's [`Proxy::path`] behind the
//! forwarder of its sandbox, the key is a token that is good for nothing else. A connection is known
//! to be a role's by the socket that it came in on. What passes is checked (the role's prefix, the
//! token, the path, the body: see `route` and `outbound`), gets the real credentials, and goes to the
//! one configured host. Answers are passed on piece by piece as they come.
//!
//! **Silence.** When the provider sends no byte for `model.silence` the connection is cut: before the
//! headers the agent gets a 504, in mid-answer a broken stream; the CLI tries again after both. A
//! `ping` of a stream is a sign of the connection, not of the model: with pings alone the connection
//! is cut after four times that long. The same holds before the whole answer to a request that did
//! not ask for a stream, as nothing can come before it is written.

mod answer;
mod credentials;
mod forward;
mod frames;
mod headers;
mod login;
mod meter;
mod outbound;
mod prices;
mod relay;
mod reset;
mod route;
mod settings;
mod teller;
mod trouble;

pub use credentials::{CredentialKind, CredentialState, CredentialsError};
pub use settings::{ProxyError, Settings};

use answer::{Answer, Refusal};
use foureyes_ports::{
    clock::{Clock, Entropy},
    model::ModelWatch,
};
use foureyes_protocol::PrincipalId;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use ring::hmac;
use route::{NoRoute, Route, Want};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    io::Cursor,
    sync::{Arc, Mutex, PoisonError},
};
use teller::Teller;
use tokio::{
    io::{AsyncReadExt, join},
    net::UnixStream,
    sync::Semaphore,
};

/// So many requests of one role are under way at once; more wait.
const AT_ONCE: usize = 4;

/// The API as agents see it. Cheap to clone.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    settings: Settings,
    watch: Arc<dyn ModelWatch>,
    clock: Arc<dyn Clock>,
    /// What tokens are made from; new with each run.
    key: hmac::Key,
    places: Mutex<BTreeMap<PrincipalId, Arc<Semaphore>>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.0.settings).finish()
    }
}

impl Proxy {
    /// A proxy with these settings. `entropy` must be unpredictable: tokens are made from it.
    ///
    /// # Errors
    /// None at present: what can be wrong, [`Settings::new`] finds.
    pub fn new(
        settings: Settings,
        watch: Arc<dyn ModelWatch>,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, ProxyError> {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        Ok(Self(Arc::new(Inner { settings, watch, clock, key, places: Mutex::default() })))
    }

    /// What the role shows instead of a key: known for this role and this run, good for nothing
    /// else.
    pub fn token(&self, role: &PrincipalId) -> String {
        format!("{TOKEN_PREFIX}{}", hex::encode(hmac::sign(&self.0.key, role.as_str().as_bytes())))
    }

    /// The path of the role's base URL.
    pub fn path(role: &PrincipalId) -> String {
        route::prefix(role)
    }

    /// Which credentials there are now, for people. Never the secret.
    pub fn credential_state(&self) -> CredentialState {
        self.0.settings.credential_state(self.0.clock.now_ms())
    }

    /// Serves a connection that came in on the socket of `role`, of which `head` was read already,
    /// until it ends.
    pub async fn serve(&self, role: &PrincipalId, head: &[u8], stream: UnixStream) {
        let (read, write) = stream.into_split();
        let io = TokioIo::new(join(Cursor::new(head.to_vec()).chain(read), write));
        let service = service_fn(|request| async move {
            let answer = self.answer(role, request).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|refusal| refusal.into_answer()))
        });
        if let Err(error) = http1::Builder::new().serve_connection(io, service).await {
            // A cut answer ends its connection, and that is what is meant.
            tracing::debug!(%role, %error, "a connection to the model's proxy ended");
        }
    }

    async fn answer(&self, role: &PrincipalId, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let (parts, body) = request.into_parts();
        let route = Route::of(role, self.0.settings.provider, &parts.method, parts.uri.path())?;
        if route.want == Want::Presence {
            return Ok(answer::empty());
        }
        if !self.is_token(role, headers::token(&parts.headers).unwrap_or_default()) {
            return Err(Refusal::token());
        }
        let places = self.places(role);
        let Ok(permit) = places.acquire_owned().await else { return Err(Refusal::token()) };
        self.0.watch.admit(role).map_err(|reason| Refusal::not_admitted(&reason))?;
        let request =
            forward::Asked { route, query: parts.uri.query().map(str::to_owned), headers: parts.headers };
        forward::forward(&self.0.settings, self.teller(role), request, body, permit).await
    }

    fn is_token(&self, role: &PrincipalId, shown: &str) -> bool {
        let tag = shown.strip_prefix(TOKEN_PREFIX).and_then(|tag| hex::decode(tag).ok()).unwrap_or_default();
        // Takes the same time wherever the two differ.
        hmac::verify(&self.0.key, role.as_str().as_bytes(), &tag).is_ok()
    }

    fn places(&self, role: &PrincipalId) -> Arc<Semaphore> {
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(role.clone()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    fn teller(&self, role: &PrincipalId) -> Teller {
        Teller {
            role: role.clone(),
            watch: Arc::clone(&self.0.watch),
            clock: Arc::clone(&self.0.clock),
            prices: Arc::clone(&self.0.settings.prices),
            heard_at: None,
            went_out: false,
        }
    }
}

/// Says to whoever finds one what it is.
const TOKEN_PREFIX: &str = "foureyes-";

impl From<NoRoute> for Refusal {
    fn from(why: NoRoute) -> Self {
        match why {
            NoRoute::OtherRole => Self::new(
                403,
                "permission_error",
                "this path is not the one of the role whose sandbox this is",
            ),
            NoRoute::Path => Self::new(
                404,
                "not_found_error",
                "the runtime's proxy passes requests for answers of the model, and no others",
            ),
            NoRoute::Method => Self::new(405, "invalid_request_error", "this path has another method"),
        }
    }
}

#[cfg(test)]
mod tests;
