//! The way to the agents' model: the proxy in front of it, and the stand-in where that is configured.

use super::ComposeError;
use foureyes_actors::meter::Meter;
use foureyes_config::{
    Config,
    sections::{model::Provider, roster::Backend},
};
use foureyes_gateway::standin;
use foureyes_model::{
    proxy::{Proxy, Settings},
    standin::Server,
};
use foureyes_ports::clock::{Clock, Entropy};
use foureyes_protocol::PrincipalId;
use std::{
    collections::BTreeMap,
    env,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};
use tokio::task::JoinHandle;

/// The way to the model. Clones are the same.
#[derive(Clone)]
pub(super) struct Models {
    /// The proxy.
    pub proxy: Proxy,
    provider: Provider,
    _stand_in: Option<Arc<Serving>>,
}

struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Models {
    /// Opens the way, where a role's program has a model.
    ///
    /// # Errors
    /// What is wrong with the section `model` or the environment.
    pub(super) async fn open(
        config: &Config,
        plays: &BTreeMap<String, String>,
        meter: &Arc<Meter>,
        clock: &Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Option<Self>, ComposeError> {
        let has_model = |b: &Backend| matches!(b, Backend::Claude { .. } | Backend::Acp { .. });
        if !config.roles.iter().any(|role| has_model(config.backend(role))) {
            return Ok(None);
        }
        let mut model = config.model.clone();
        let mut stand_in = None;
        if model.provider == Provider::StandIn && model.base_url.is_none() {
            let (address, serving) = serve_stand_in(config, plays, clock).await?;
            model.base_url = Some(format!("http://{address}"));
            stand_in = Some(Arc::new(serving));
        }
        let other = |e: &dyn std::fmt::Display| ComposeError::Other(e.to_string());
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let settings = Settings::new(&model, &variable, &home).map_err(|e| other(&e))?;
        let proxy = Proxy::new(settings, meter.clone(), clock.clone(), entropy).map_err(|e| other(&e))?;
        Ok(Some(Self { proxy, provider: model.provider, _stand_in: stand_in }))
    }

    /// The door of a role whose sandbox forwards this loopback port to its socket.
    pub(super) fn door(&self, role: &PrincipalId, port: u16) -> Door {
        let url = format!("http://127.0.0.1:{port}{}", Proxy::path(role));
        Door { url, token: self.proxy.token(role), provider: self.provider }
    }
}

/// Where a role's program finds its model.
pub(super) struct Door {
    /// The base URL.
    pub url: String,
    /// What it shows there; good for nothing else.
    pub token: String,
    provider: Provider,
}

impl Door {
    /// Names the door as the CLI wants it for a cloud provider's API.
    pub(super) fn adapt(&self, env: &mut Vec<(String, String)>) {
        let region = |name: &str, usual: &str| env::var(name).unwrap_or_else(|_| usual.to_owned());
        let own: Vec<(&str, String)> = match self.provider {
            Provider::Anthropic | Provider::StandIn => return,
            Provider::Bedrock => vec![
                ("CLAUDE_CODE_USE_BEDROCK", "1".to_owned()),
                ("ANTHROPIC_BEDROCK_BASE_URL", self.url.clone()),
                ("AWS_BEARER_TOKEN_BEDROCK", self.token.clone()),
                ("AWS_REGION", region("AWS_REGION", "us-east-1")),
            ],
            Provider::Vertex => vec![
                ("CLAUDE_CODE_USE_VERTEX", "1".to_owned()),
                ("CLAUDE_CODE_SKIP_VERTEX_AUTH", "1".to_owned()),
                ("ANTHROPIC_VERTEX_BASE_URL", format!("{}/v1", self.url)),
                ("ANTHROPIC_VERTEX_PROJECT_ID", region("ANTHROPIC_VERTEX_PROJECT_ID", "")),
                ("CLOUD_ML_REGION", region("CLOUD_ML_REGION", "global")),
                ("ANTHROPIC_CUSTOM_HEADERS", format!("x-api-key:{}", self.token)),
            ],
        };
        env.retain(|(name, _)| !matches!(name.as_str(), "ANTHROPIC_BASE_URL" | "ANTHROPIC_API_KEY"));
        env.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
}

async fn serve_stand_in(
    config: &Config,
    texts: &BTreeMap<String, String>,
    clock: &Arc<dyn Clock>,
) -> Result<(SocketAddr, Serving), ComposeError> {
    let roster: Vec<_> = config.roles.iter().map(|r| (r.id.clone(), r.family)).collect();
    let plays = standin::Plays::new(&roster, &config.model.plays, texts)
        .map_err(|e| ComposeError::Other(e.to_string()))?;
    let model = standin::model(&plays, clock.clone());
    let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), model)
        .await
        .map_err(|e| ComposeError::Other(format!("the stand-in for a model: {e}")))?;
    let address = server.local_addr();
    Ok((address, Serving(tokio::spawn(server.serve()))))
}
