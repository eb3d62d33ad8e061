//! What the proxy answers itself.

use super::relay::Cut;
use bytes::Bytes;
use foureyes_protocol::Reason;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};

/// An answer to an agent.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Cut>>;

/// Tells the CLI whether a second try can help.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A refusal by the proxy, in the shape of the API's own errors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    kind: &'static str,
    message: String,
    retry: bool,
}

impl Refusal {
    /// A refusal that another try does not change.
    pub(super) fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), retry: false }
    }

    /// A failure after which another try may help.
    pub(super) fn passing(status: u16, message: impl Into<String>) -> Self {
        Self { status, kind: "api_error", message: message.into(), retry: true }
    }

    pub(super) fn token() -> Self {
        Self::new(401, "authentication_error", "the token is not the one that the runtime gave to this role")
    }

    pub(super) fn not_admitted(reason: &Reason) -> Self {
        Self::new(403, "permission_error", reason.text.clone())
    }

    pub(super) fn into_answer(self) -> Answer {
        let error = serde_json::json!({
            "type": "error",
            "error": { "type": self.kind, "message": self.message },
        });
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(if self.retry { "true" } else { "false" }));
        whole(self.status, headers, error.to_string())
    }
}

/// An answer with this body.
pub(super) fn whole(status: u16, headers: HeaderMap, body: impl Into<Bytes>) -> Answer {
    with(status, headers, Full::new(body.into()).map_err(|never| match never {}).boxed_unsync())
}

/// An answer with this status, these headers and this body.
pub(super) fn with(status: u16, headers: HeaderMap, body: UnsyncBoxBody<Bytes, Cut>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    *answer.headers_mut() = headers;
    answer
}

/// Yes, somebody is there.
pub(super) fn empty() -> Answer {
    with(200, HeaderMap::new(), Empty::new().map_err(|never| match never {}).boxed_unsync())
}
