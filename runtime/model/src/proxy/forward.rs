//! A request on its way to the provider, and what comes of it.

use super::{
    answer::{Answer, Refusal, whole, with},
    credentials::Credential,
    headers,
    meter::{Format, Meter},
    outbound::{self, BodyError},
    relay::{PATIENCE, Relay},
    route::{Route, Want},
    settings::Settings,
    teller::Teller,
    trouble,
};
use crate::outward;
use bytes::{Bytes, BytesMut};
use foureyes_config::sections::model::Provider;
use foureyes_ports::model::ModelTrouble;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::{
    HeaderMap, Method,
    body::{Body as _, Frame, Incoming},
    header::CONTENT_TYPE,
};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// The API's own limit of a request.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// A refusal is read so far.
const MAX_ERROR: usize = 256 * 1024;
/// An agent sends its request within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// A request that passed the door.
pub(super) struct Asked {
    pub(super) route: Route,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
}

/// Sends a request to the provider and begins its answer.
///
/// # Errors
/// The refusal that the agent gets instead; whoever watches has been told.
pub(super) async fn forward(
    settings: &Settings,
    mut teller: Teller,
    asked: Asked,
    body: Incoming,
    permit: OwnedSemaphorePermit,
) -> Result<Answer, Refusal> {
    let body = read(body).await?;
    let streams = streams(&asked.route, &body).inspect_err(|error| {
        teller.trouble(ModelTrouble::Refused(error.status(), error.to_string()));
    })?;
    let credential =
        settings.vault.current(teller.clock.now_ms()).map_err(|why| no_credentials(&teller, &why))?;
    let request = request(settings, &teller, asked, body, credential.as_ref());
    let limits = limits(settings.silence, streams);
    teller.asked();
    let sent = tokio::time::timeout(limits.0, request.send()).await;
    let response = match sent {
        Err(_) => return Err(silent(&teller, limits.0)),
        Ok(Err(error)) => return Err(unreachable(settings, &teller, &error)),
        Ok(Ok(response)) => response,
    };
    match response.status().as_u16() {
        200..=299 => Ok(pass(response, teller, limits, credential.as_ref(), permit)),
        300..=399 => Err(redirected(&teller, response.status().as_u16())),
        _ => refused(response, teller, limits.0, credential.as_ref()).await,
    }
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    match whole {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Refusal::passing(408, "the request did not arrive in time")),
    }
}

fn too_large() -> Refusal {
    Refusal::new(413, "request_too_large", "the request is larger than 32 MiB, or broke off")
}

impl BodyError {
    fn status(&self) -> u16 {
        match self {
            Self::Json(_) => 400,
            Self::ReachesOut(_) => 403,
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let kind = if error.status() == 400 { "invalid_request_error" } else { "permission_error" };
        Self::new(error.status(), kind, error.to_string())
    }
}

/// Checks the body, and says whether a stream is asked for.
fn streams(route: &Route, body: &Bytes) -> Result<bool, BodyError> {
    if route.want == Want::Models {
        return Ok(false);
    }
    // Bedrock's and Vertex's paths say it.
    let by_path =
        route.path.ends_with("/invoke-with-response-stream") || route.path.ends_with(":streamRawPredict");
    outbound::check(body).map(|streams| streams || by_path)
}

fn limits(silence: Duration, streams: bool) -> (Duration, Duration) {
    let patience = silence.saturating_mul(PATIENCE);
    (if streams { silence } else { patience }, patience)
}

fn request(
    settings: &Settings,
    teller: &Teller,
    asked: Asked,
    body: Bytes,
    credential: Option<&Credential>,
) -> reqwest::RequestBuilder {
    let mut headers = headers::asked(&asked.headers, settings.provider);
    if let Some(credential) = credential {
        headers::authorize(&mut headers, credential);
    }
    let path = match settings.provider {
        // So that it knows who asks.
        Provider::StandIn => format!("{}{}", super::route::prefix(&teller.role), asked.route.path),
        _ => asked.route.path,
    };
    let url = settings.url(&path, asked.query.as_deref());
    match asked.route.want {
        Want::Models => settings.client.request(Method::GET, url).headers(headers),
        _ => settings.client.request(Method::POST, url).headers(headers).body(body),
    }
}

fn no_credentials(teller: &Teller, why: &str) -> Refusal {
    teller.trouble(ModelTrouble::Auth(format!("no credentials: {why}")));
    let message = format!("the runtime has no credentials for the model's API: {why}");
    Refusal::new(401, "authentication_error", message)
}

fn silent(teller: &Teller, after: Duration) -> Refusal {
    teller.trouble(ModelTrouble::Silent(after));
    Refusal::passing(504, format!("the model's API said nothing for {} s", after.as_secs()))
}

fn unreachable(settings: &Settings, teller: &Teller, error: &reqwest::Error) -> Refusal {
    let why = format!("{} cannot be reached: {}", settings.host(), trouble::words(&outward::cause(error)));
    teller.trouble(ModelTrouble::Network(why.clone()));
    Refusal::passing(502, why)
}

fn redirected(teller: &Teller, status: u16) -> Refusal {
    let why =
        "the model's API redirects elsewhere, which the runtime does not follow: check `model.base_url`";
    teller.trouble(ModelTrouble::Refused(status, why.to_owned()));
    Refusal::new(502, "api_error", why)
}

fn pass(
    response: reqwest::Response,
    teller: Teller,
    limits: (Duration, Duration),
    credential: Option<&Credential>,
    permit: OwnedSemaphorePermit,
) -> Answer {
    let status = response.status().as_u16();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let meter = Meter::new(Format::of(kind));
    let headers = headers::answered(response.headers(), credential);
    let pieces = Relay::new(response, meter, teller, limits, permit).into_stream();
    let body = StreamBody::new(futures::StreamExt::map(pieces, |piece| piece.map(Frame::data)));
    with(status, headers, BodyExt::boxed_unsync(body))
}

/// An error of the API: typed for whoever watches, passed on to the CLI, which knows what to do.
async fn refused(
    response: reqwest::Response,
    teller: Teller,
    quiet: Duration,
    credential: Option<&Credential>,
) -> Result<Answer, Refusal> {
    let status = response.status().as_u16();
    let source = response.headers().clone();
    let Ok(text) = tokio::time::timeout(quiet, text(response)).await else {
        return Err(silent(&teller, quiet));
    };
    let text = credential.map_or_else(|| text.clone(), |c| c.redact(&text));
    teller.trouble(trouble::of_answer(status, &source, &text, teller.clock.now_ms()));
    Ok(whole(status, headers::answered(&source, credential), text))
}

/// The beginning of a body as text; what comes behind a break is missing.
async fn text(mut response: reqwest::Response) -> String {
    let mut all = BytesMut::new();
    while let Ok(Some(piece)) = response.chunk().await {
        let left = MAX_ERROR - all.len();
        all.extend_from_slice(&piece[..piece.len().min(left)]);
        if all.len() == MAX_ERROR {
            break;
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}
