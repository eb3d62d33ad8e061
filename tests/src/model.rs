//! The model of a team, served by the test itself: it plays the same plays as the built-in stand-in,
//! and keeps every request.

use foureyes_gateway::standin;
use foureyes_ledger::host::SystemClock;
use foureyes_model::standin::Server;
use foureyes_ports::model::{Reply, StandIn};
use foureyes_protocol::{Family, PrincipalId};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::runtime::Runtime;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When it came.
    pub at: Instant,
    /// Whose it was.
    pub role: String,
    /// Its body.
    pub body: Value,
}

/// The model. Its server ends with it.
pub struct Model {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Held so that the server runs.
    _runtime: Runtime,
}

struct Kept {
    inner: Arc<dyn StandIn>,
    roles: Vec<String>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn for Kept {
    fn reply(&self, agent: &str, request: &Value) -> Reply {
        let named = self.roles.iter().any(|role| role == agent);
        let role = if named { agent.to_owned() } else { self.by_prompt(request) };
        let asked = Asked { at: Instant::now(), role: role.clone(), body: request.clone() };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        self.inner.reply(&role, request)
    }
}

impl Kept {
    /// Providers are not told whose request it is; the role's own prompt says it.
    fn by_prompt(&self, request: &Value) -> String {
        let system = request["system"].to_string();
        let is = |role: &&String| system.contains(&format!("You are `{role}`"));
        self.roles.iter().find(is).cloned().unwrap_or_default()
    }
}

impl Model {
    /// The models of a configuration; `text` finds the plays that are files.
    ///
    /// # Panics
    /// When a play is not one, or there is no port.
    pub fn of(config: &Value, text: impl Fn(&str) -> Option<String>) -> Self {
        let roster: Vec<(PrincipalId, Family)> =
            config["roles"].as_array().expect("roles").iter().map(member).collect();
        let named = config["model"]["plays"].as_object().cloned().unwrap_or_default();
        let plays: BTreeMap<String, String> = named
            .iter()
            .map(|(role, play)| (role.clone(), play.as_str().expect("a name").to_owned()))
            .collect();
        let texts = plays.values().filter_map(|name| Some((name.clone(), text(name)?))).collect();
        let played = standin::Plays::new(&roster, &plays, &texts).expect("plays");
        let roles = roster.iter().map(|(id, _)| id.to_string()).collect();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let inner = standin::model(&played, Arc::new(SystemClock::default()));
        let kept = Kept { inner, roles, asked: asked.clone() };
        let runtime = Runtime::new().expect("a runtime for the model");
        let server = runtime.block_on(Server::bind((Ipv4Addr::LOCALHOST, 0).into(), Arc::new(kept)));
        let server = server.expect("a port for the model");
        let address = server.local_addr();
        runtime.spawn(server.serve());
        Self { address, asked, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn member(role: &Value) -> (PrincipalId, Family) {
    let id = role["id"].as_str().expect("an id");
    let family = serde_json::from_value(role["family"].clone()).expect("a family");
    (PrincipalId::new(id).expect("an id"), family)
}
