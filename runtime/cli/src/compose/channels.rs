//! What arrives on a role's socket besides tool calls: git and signatures.

use super::{push, questions};
use async_trait::async_trait;
use foureyes_actors::core::CoreHandle;
use foureyes_config::sections::limits::RateKind;
use foureyes_gateway::{ChannelHandlers, server::refuse_http};
use foureyes_model::proxy::Proxy;
use foureyes_policies::{features::Features, push as rules};
use foureyes_ports::{
    governance::Draft,
    hook::deny,
    vcs::{self, Permit, PushLimits, PushOutcome, PushRequest, RefUpdate, Refusal, Vcs, Visible},
};
use foureyes_protocol::{
    Address, Code, FeatureId, PrincipalId, Priority, Reason,
    body::{Pushed, Refused, Signed},
};
use foureyes_session::agent::claude_terminal::ClaudeTerminalBackend;
use foureyes_vcs::openpgp::{
    answer, payload,
    wire::{Answer, SignRequest, Verb, VerifyRequest, serve_sign, serve_verify},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{net::UnixStream, runtime::Handle};

/// The name of the one repository that agents may name.
pub const REPOSITORY: &str = "repo";
/// A fetch that takes longer is ended.
const FETCH_TIME: Duration = Duration::from_secs(120);
/// How often the record of a push is tried while the registry is being restarted, and how long apart.
const RECORD_TRIES: u32 = 20;
const RECORD_AGAIN: Duration = Duration::from_millis(100);

/// Serves git and signatures for all roles.
#[derive(Clone)]
pub struct Channels {
    core: CoreHandle,
    runtime: Handle,
    /// The way to the model, where any role has one.
    proxy: Option<Proxy>,
    /// Programs in terminals, whose hooks tell what they do.
    terminals: ClaudeTerminalBackend,
}

/// The lock of a branch, given back when dropped: also by a push that fails after it was judged.
struct Held<'a> {
    channels: &'a Channels,
    scope: String,
    token: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.channels.release(&self.scope, self.token, "done");
    }
}

/// What the judge of an accepted push leaves for its record.
struct Accepted<'a> {
    feature: FeatureId,
    pushed: Pushed,
    _held: Held<'a>,
}

impl Channels {
    /// Handlers over this core; blocking work asks it through `runtime`.
    pub fn new(
        core: CoreHandle,
        runtime: Handle,
        proxy: Option<Proxy>,
        terminals: ClaudeTerminalBackend,
    ) -> Self {
        Self { core, runtime, proxy, terminals }
    }

    /// Serves one push on a thread that may block: one at a time, under the lock of its branch.
    fn push(&self, role: &PrincipalId, stream: &std::os::unix::net::UnixStream) {
        let judged = std::cell::Cell::new(false);
        let judge = |request: &PushRequest, view: &dyn Vcs| -> Result<Permit<'_>, Refusal> {
            judged.set(true);
            match self.judge(role, request, view) {
                Ok(accepted) => {
                    let updates = request.updates.clone();
                    Ok(Box::new(move |go| self.land(&accepted, &updates, go)))
                }
                Err(reason) => {
                    self.refused(role, request, &reason);
                    Err(refusal(&reason))
                }
            }
        };
        let vcs = self.core.context().ports.vcs.clone();
        match vcs.serve_push(role, stream, &PushLimits::default(), &judge) {
            // Shapes that version control refuses by itself are attempts like any other.
            Ok(PushOutcome::Refused { updates, lines }) if !judged.get() => {
                let request = PushRequest { role: role.clone(), updates };
                self.refused(role, &request, &refused_shape(&request, &lines));
            }
            Ok(_) => {}
            Err(error) => tracing::info!(%role, %error, "a push failed"),
        }
    }

    fn judge(
        &self,
        role: &PrincipalId,
        request: &PushRequest,
        view: &dyn Vcs,
    ) -> Result<Accepted<'_>, Reason> {
        let main = self.core.context().facts.main_ref();
        let updates = push::updates(request);
        let target = |features: &Features| {
            let find = |id: &str| FeatureId::new(id).ok().and_then(|id| features.by_id.get(&id));
            rules::target(role, &updates, &main, &find).map(|(feature, new)| (feature.id.clone(), new))
        };
        let (id, new) = target(&self.core.features())?;
        self.runtime.block_on(self.core.may_act(role))?;
        let scope = id.branch();
        let token = self.runtime.block_on(self.core.lock(&scope, role))?.token;
        let held = Held { channels: self, scope, token };
        // The lock may have been long in coming: what is judged is how things stand now.
        let features = self.core.features();
        target(&features)?;
        let feature = features
            .by_id
            .get(&id)
            .ok_or_else(|| Reason::new(Code::PushUnassigned, format!("there is no feature {id}")))?;
        let pushed = self.judge_content(role, feature, &features, &updates[0], &new, token, view)?;
        let commits =
            vec![RateKind::Commits; usize::try_from(pushed.commits).unwrap_or(usize::MAX).min(10_000)];
        self.runtime.block_on(self.core.take(role, commits))?;
        // The last word before the ref moves: the token is still in force and nothing is frozen.
        self.runtime.block_on(self.core.check_token(&held.scope, role, token))?;
        self.runtime.block_on(self.core.may_act(role))?;
        Ok(Accepted { feature: id, pushed, _held: held })
    }

    #[allow(clippy::too_many_arguments, reason = "the facts of one push, each from another place")]
    fn judge_content(
        &self,
        role: &PrincipalId,
        feature: &foureyes_policies::features::Feature,
        features: &Features,
        update: &rules::RefUpdate,
        new: &foureyes_protocol::CommitId,
        token: u64,
        view: &dyn Vcs,
    ) -> Result<Pushed, Reason> {
        let context = self.core.context();
        let main =
            features.main.clone().ok_or_else(|| Reason::new(Code::PushState, "nothing was imported yet"))?;
        let pushed = push::pushed(view, &context.facts, &main, update.old.clone(), new, token)
            .map_err(|e| push::shape(&e))?;
        let pushed = Pushed { by: role.clone(), ..pushed };
        let now = context.ports.clock.now_ms();
        push::judge(view, context.ports.signer.as_ref(), feature, role, &pushed, &main, now)?;
        Ok(pushed)
    }

    /// Moves the ref unless everything is frozen (a freeze waits for the end of the move), then keeps
    /// the record, before the client is told anything. If it is not admitted because a freeze came
    /// between, the ref goes back.
    fn land(
        &self,
        accepted: &Accepted<'_>,
        updates: &[RefUpdate],
        go: &mut dyn FnMut() -> vcs::Result<()>,
    ) -> Result<vcs::Result<()>, Refusal> {
        let Some(moved) = self.core.context().refs.unless_frozen(go) else {
            let frozen = Reason::new(Code::Frozen, "everything was frozen meanwhile: nothing moves");
            return Err(refusal(&frozen));
        };
        if moved.is_err() {
            return Ok(moved);
        }
        self.record(accepted).map(Ok).map_err(|reason| {
            tracing::warn!(role = %accepted.pushed.by, %reason, "the record of a push was not admitted");
            if reason.code == Code::Frozen {
                self.take_back(updates);
            }
            refusal(&reason)
        })
    }

    fn record(&self, accepted: &Accepted<'_>) -> Result<(), Reason> {
        let Accepted { feature, pushed, .. } = accepted;
        let mut tries = 1;
        loop {
            let draft = Draft::new(Address::system(), pushed.clone()).about(feature.clone());
            match self.runtime.block_on(self.core.say_all(vec![draft])) {
                // The registry is being restarted: it may have taken the record, or not.
                Err(reason) if reason.code == Code::Broken && tries < RECORD_TRIES => {
                    tries += 1;
                    self.runtime.block_on(tokio::time::sleep(RECORD_AGAIN));
                    let known = self.core.features().by_id.get(feature).and_then(|f| f.push.clone());
                    if known.is_some_and(|p| p.change.head == pushed.change.head) {
                        return Ok(());
                    }
                }
                said => return said.map(drop),
            }
        }
    }

    fn take_back(&self, updates: &[RefUpdate]) {
        let back: Vec<RefUpdate> = updates
            .iter()
            .map(|u| RefUpdate { name: u.name.clone(), old: u.new.clone(), new: u.old.clone() })
            .collect();
        if let Err(error) = self.core.context().ports.vcs.update_refs(&back) {
            tracing::error!(%error, "a push that was not admitted could not be taken back; a later start adopts it");
        }
    }

    fn release(&self, scope: &str, token: u64, why: &str) {
        self.runtime.block_on(self.core.unlock(scope, token, why));
    }

    /// A refused push is a record: triggers count it and people see it.
    fn refused(&self, role: &PrincipalId, request: &PushRequest, reason: &Reason) {
        let names: Vec<&str> = request.updates.iter().map(|u| u.name.as_str()).take(3).collect();
        let feature = names
            .first()
            .and_then(|n| n.strip_prefix("refs/heads/feature/"))
            .and_then(|id| FeatureId::new(id).ok());
        let incident = matches!(reason.code, Code::PushForeignKey | Code::PushAuthor);
        let refused = Refused {
            who: role.clone(),
            what: format!("push to {}", names.join(", ")),
            reason: reason.clone(),
            incident,
        };
        let draft = Draft { feature, priority: Priority::Normal, ..Draft::new(Address::system(), refused) };
        if let Err(error) = self.runtime.block_on(self.core.say_all(vec![draft])) {
            tracing::warn!(%error, "a refusal was not recorded");
        }
    }

    fn fetch(&self, role: &PrincipalId, stream: &std::os::unix::net::UnixStream) {
        let features = self.core.features();
        let mut visible = vec![self.core.context().facts.main_ref()];
        // A branch is open to whoever works on it or was asked to read it.
        let open = |f: &&foureyes_policies::features::Feature| {
            f.assigned.contains_key(role) || f.requests.iter().any(|r| r.to == *role)
        };
        visible.extend(features.by_id.values().filter(open).map(|f| f.id.branch()));
        if let Err(error) =
            self.core.context().ports.vcs.serve_fetch(stream, &Visible::Only(visible), FETCH_TIME)
        {
            tracing::debug!(%role, %error, "a fetch failed");
        }
    }

    /// A refused use of a tool is a record, within the role's own limit of what it initiates.
    async fn note_refusal(&self, role: &PrincipalId, what: String, reason: Reason) {
        if self.core.take(role, vec![RateKind::Messages]).await.is_err() {
            return;
        }
        let refused = Refused { who: role.clone(), what, reason, incident: false };
        let draft = Draft { priority: Priority::Low, ..Draft::new(Address::system(), refused) };
        if let Err(error) = self.core.say_all(vec![draft]).await {
            tracing::warn!(%error, "a refusal was not recorded");
        }
    }

    async fn sign_one(&self, role: &PrincipalId, request: SignRequest) -> Answer {
        match self.try_sign(role, request).await {
            Ok(answer) => answer,
            Err(reason) => answer::refused(&reason.to_string().replace('\n', " ")),
        }
    }

    async fn try_sign(&self, role: &PrincipalId, request: SignRequest) -> Result<Answer, Reason> {
        self.core.may_act(role).await?;
        let features = self.core.features();
        let open =
            features.by_id.values().filter(|f| f.is_open() && f.may_push(role)).map(|f| f.id.clone()).next();
        let refuse = |text: String| Reason::new(Code::SignRefused, text);
        let feature = open.ok_or_else(|| refuse(format!("{role} has no open assignment")))?;
        self.core.take(role, vec![RateKind::Signatures]).await?;
        let context = self.core.context();
        let key = context.ports.signer.keys().into_iter().find(|k| k.principal == *role);
        if !key.is_some_and(|k| answer::names_key(&request.key, &k)) {
            return Err(refuse(format!("the key {:?} is not that of {role}", request.key)));
        }
        let now = context.ports.clock.now_ms();
        let made = match payload::kind_of(&request.payload) {
            Some(payload::Kind::Tag) => context.ports.signer.sign_tag(role, &request.payload, now),
            _ => context.ports.signer.sign_commit(role, &request.payload, now),
        };
        let made = made.map_err(|e| refuse(e.to_string()))?;
        let signed =
            Signed { role: role.clone(), payload: made.signing.payload, feature: Some(feature.clone()) };
        // Durable before the signature leaves: a push is judged by this record.
        self.core
            .say_all(vec![
                Draft { priority: Priority::Low, ..Draft::new(Address::system(), signed) }.about(feature),
            ])
            .await?;
        Ok(answer::signed(&made))
    }
}

fn refusal(reason: &Reason) -> Refusal {
    Refusal { lines: vec![reason.to_string()] }
}

/// The rule that a push breaks which never reached the judge.
fn refused_shape(request: &PushRequest, lines: &[String]) -> Reason {
    let text = lines.join("; ");
    let feature_branches = request.updates.iter().all(|u| u.name.starts_with("refs/heads/feature/"));
    let deletes = request.updates.iter().any(|u| u.new.is_none());
    let code = match text.contains("fast-forward") && feature_branches && !deletes {
        true => Code::PushForce,
        false => Code::PushRef,
    };
    Reason::new(code, text)
}

#[async_trait]
impl ChannelHandlers for Channels {
    async fn git(&self, role: &PrincipalId, line: &str, stream: UnixStream) {
        let mut words = line.split(' ');
        let (_, service, repository) = (words.next(), words.next(), words.next());
        if repository != Some(REPOSITORY) || words.next().is_some() {
            return;
        }
        let Ok(stream) = stream.into_std() else { return };
        let (channels, role, service) = (self.clone(), role.clone(), service.map(str::to_owned));
        let served = tokio::task::spawn_blocking(move || match service.as_deref() {
            Some("receive-pack") => channels.push(&role, &stream),
            Some("upload-pack") => channels.fetch(&role, &stream),
            _ => {}
        });
        if let Err(error) = served.await {
            tracing::error!(%error, "a git connection's thread died");
        }
    }

    fn tools_listed(&self, role: &PrincipalId) {
        self.terminals.connected(role);
    }

    async fn hook(&self, role: &PrincipalId, event: &str, payload: Value) -> Value {
        self.terminals.hook(role, event, &payload);
        let facts = &self.core.context().facts;
        match facts.roster.family(role) {
            Some(family) => {
                let (answer, refused) = questions::hook(family, &facts.paths, &payload);
                if let Some((what, reason)) = refused {
                    self.note_refusal(role, what, reason).await;
                }
                answer
            }
            None => deny(event, "there is no such role"),
        }
    }

    async fn http(&self, role: &PrincipalId, head: &[u8], stream: UnixStream) {
        match &self.proxy {
            Some(proxy) => proxy.serve(role, head, stream).await,
            None => refuse_http(stream).await,
        }
    }

    async fn sign(&self, role: &PrincipalId, line: &str, stream: UnixStream) {
        let (reader, writer) = stream.into_split();
        let served = match Verb::from_line(line) {
            Some(Verb::Sign) => {
                serve_sign(reader, writer, async |request| self.sign_one(role, request).await).await
            }
            Some(Verb::Verify) => {
                let verify = async |r: VerifyRequest| {
                    let context = self.core.context();
                    answer::verified(&context.ports.signer.verify(
                        &r.payload,
                        &r.signature,
                        context.ports.clock.now_ms(),
                    ))
                };
                serve_verify(reader, writer, verify).await
            }
            None => return,
        };
        if let Err(error) = served {
            tracing::debug!(%role, %error, "a signing connection failed");
        }
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<Channels>>();
};
