//! Which requests pass: the role's own prefix, the API's own paths, nothing else.

use foureyes_config::sections::model::Provider;
use foureyes_protocol::PrincipalId;
use hyper::Method;

/// What a request wants of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Whether somebody is there; answered here.
    Presence,
    /// An answer of the model.
    Answer,
    /// The number of tokens of a request.
    Count,
    /// Which models there are.
    Models,
}

/// A request that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) want: Want,
    /// The path behind the role's prefix, such as `/v1/messages`.
    pub(super) path: String,
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// Not under the prefix of the role whose socket this is.
    OtherRole,
    /// No path of this provider's API that agents need.
    Path,
    /// Another method than the path's.
    Method,
}

/// The prefix of a role's requests.
pub(super) fn prefix(role: &PrincipalId) -> String {
    format!("/a/{role}")
}

impl Route {
    /// The route of a request that came in on the socket of `role`.
    pub(super) fn of(
        role: &PrincipalId,
        provider: Provider,
        method: &Method,
        path: &str,
    ) -> Result<Self, NoRoute> {
        let path = path.strip_prefix(&prefix(role)).ok_or(NoRoute::OtherRole)?;
        if !path.is_empty() && !path.starts_with('/') {
            return Err(NoRoute::OtherRole);
        }
        if method == Method::HEAD {
            return Ok(Self { want: Want::Presence, path: path.to_owned() });
        }
        let want = want(provider, path).ok_or(NoRoute::Path)?;
        let proper = if want == Want::Models { Method::GET } else { Method::POST };
        if *method != proper {
            return Err(NoRoute::Method);
        }
        Ok(Self { want, path: path.to_owned() })
    }
}

fn want(provider: Provider, path: &str) -> Option<Want> {
    match provider {
        Provider::Anthropic | Provider::StandIn => messages(path),
        Provider::Bedrock => bedrock(path),
        Provider::Vertex => vertex(path),
    }
}

fn messages(path: &str) -> Option<Want> {
    match path {
        "/v1/messages" => Some(Want::Answer),
        "/v1/messages/count_tokens" => Some(Want::Count),
        "/v1/models" => Some(Want::Models),
        _ => path.strip_prefix("/v1/models/").filter(|id| is_word(id)).map(|_| Want::Models),
    }
}

/// `/model/<id>/invoke`, where the id may be an ARN whose `:` and `/` are encoded. Counting tokens
/// does not pass: its body hides another one, and the CLI does without.
fn bedrock(path: &str) -> Option<Want> {
    let (id, action) = path.strip_prefix("/model/")?.rsplit_once('/')?;
    let bare = id.replace("%3A", "").replace("%3a", "").replace("%2F", "").replace("%2f", "");
    if !is_word(&bare) {
        return None;
    }
    match action {
        "invoke" | "invoke-with-response-stream" => Some(Want::Answer),
        _ => None,
    }
}

/// `/v1/projects/<project>/locations/<location>/publishers/anthropic/models/<model>:<verb>`.
fn vertex(path: &str) -> Option<Want> {
    let parts: Vec<&str> = path.strip_prefix("/v1/projects/")?.split('/').collect();
    let [project, "locations", location, "publishers", "anthropic", "models", call] = parts[..] else {
        return None;
    };
    let (model, verb) = call.rsplit_once(':')?;
    if ![project, location, model].into_iter().all(is_word) {
        return None;
    }
    match (model, verb) {
        ("count-tokens", "rawPredict") => Some(Want::Count),
        (_, "rawPredict" | "streamRawPredict") => Some(Want::Answer),
        _ => None,
    }
}

/// One segment of a path that means itself and nothing else.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.contains("..")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:@".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(provider: Provider, method: &Method, path: &str) -> Result<Want, NoRoute> {
        Route::of(&PrincipalId::new("dev-a").unwrap(), provider, method, path).map(|route| route.want)
    }

    #[test]
    fn only_the_apis_own_paths_pass() {
        use Provider::{Anthropic, Bedrock, Vertex};
        let vertex = "/v1/projects/p-1/locations/europe-west1/publishers/anthropic/models";
        let table = [
            (Anthropic, "/v1/messages", Ok(Want::Answer)),
            (Anthropic, "/v1/messages/count_tokens", Ok(Want::Count)),
            (Anthropic, "/v1/messages/", Err(NoRoute::Path)),
            (Anthropic, "/v1/messages/batches", Err(NoRoute::Path)),
            (Anthropic, "/v1/files", Err(NoRoute::Path)),
            (Anthropic, "/v1/messages/../files", Err(NoRoute::Path)),
            (Anthropic, "/v1/messages%2f..%2ffiles", Err(NoRoute::Path)),
            (Anthropic, "//evil.example/v1/messages", Err(NoRoute::Path)),
            (Anthropic, "", Err(NoRoute::Path)),
            (Anthropic, "/model/m/invoke", Err(NoRoute::Path)),
            (Bedrock, "/model/us.anthropic.claude-sonnet-4-5-v1:0/invoke", Ok(Want::Answer)),
            (Bedrock, "/model/us.anthropic.claude-v1%3A0/invoke-with-response-stream", Ok(Want::Answer)),
            (Bedrock, "/model/arn%3Aaws%3Abedrock%2Fx/invoke", Ok(Want::Answer)),
            (Bedrock, "/model/x/count-tokens", Err(NoRoute::Path)),
            (Bedrock, "/model/x/converse", Err(NoRoute::Path)),
            (Bedrock, "/model/..%2F..%2Fx/invoke", Err(NoRoute::Path)),
            (Bedrock, "/model/a/b/invoke", Err(NoRoute::Path)),
            (Bedrock, "/v1/messages", Err(NoRoute::Path)),
            (Vertex, &format!("{vertex}/claude-sonnet-4-5@20250929:streamRawPredict"), Ok(Want::Answer)),
            (Vertex, &format!("{vertex}/count-tokens:rawPredict"), Ok(Want::Count)),
            (Vertex, &format!("{vertex}/gemini:generateContent"), Err(NoRoute::Path)),
            (Vertex, "/v1/projects/p/secrets", Err(NoRoute::Path)),
        ];
        for (provider, path, expected) in table {
            assert_eq!(of(provider, &Method::POST, &format!("/a/dev-a{path}")), expected, "{path}");
        }
    }

    #[test]
    fn the_prefix_is_the_roles_and_the_method_the_paths() {
        let anthropic = Provider::Anthropic;
        for path in ["/a/dev-b/v1/messages", "/a/dev-ab/v1/messages", "/v1/messages", "/", "/a/"] {
            assert_eq!(of(anthropic, &Method::POST, path), Err(NoRoute::OtherRole), "{path}");
        }
        assert_eq!(of(anthropic, &Method::HEAD, "/a/dev-a"), Ok(Want::Presence));
        assert_eq!(of(anthropic, &Method::HEAD, "/a/dev-b"), Err(NoRoute::OtherRole));
        assert_eq!(of(anthropic, &Method::GET, "/a/dev-a/v1/models"), Ok(Want::Models));
        assert_eq!(of(anthropic, &Method::GET, "/a/dev-a/v1/models/claude-opus-5"), Ok(Want::Models));
        assert_eq!(of(anthropic, &Method::GET, "/a/dev-a/v1/messages"), Err(NoRoute::Method));
        for method in [Method::DELETE, Method::PUT, Method::OPTIONS, Method::CONNECT] {
            assert_eq!(of(anthropic, &method, "/a/dev-a/v1/messages"), Err(NoRoute::Method));
        }
    }
}
