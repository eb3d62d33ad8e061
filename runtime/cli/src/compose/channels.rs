//! What arrives on a role's socket besides tool calls: git and signatures.

use super::push;
use async_trait::async_trait;
use foureyes_actors::core::CoreHandle;
use foureyes_config::sections::limits::RateKind;
use foureyes_gateway::ChannelHandlers;
use foureyes_policies::{features::Features, push as rules};
use foureyes_ports::{
    governance::Draft,
    vcs::{PushLimits, PushOutcome, PushRequest, RefUpdate, Refusal, Vcs, Visible},
};
use foureyes_protocol::{
    Address, Code, FeatureId, PrincipalId, Priority, Reason,
    body::{Pushed, Refused, Signed},
};
use foureyes_vcs::openpgp::{
    answer, payload,
    wire::{Answer, SignRequest, Verb, VerifyRequest, serve_sign, serve_verify},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::UnixStream, runtime::Handle};

/// The name of the one repository that agents may name.
pub const REPOSITORY: &str = "repo";
/// A fetch that takes longer is ended.
const FETCH_TIME: Duration = Duration::from_secs(120);

/// Serves git and signatures for all roles.
#[derive(Clone)]
pub struct Channels {
    core: CoreHandle,
    runtime: Handle,
}

/// What the judge of an accepted push leaves for its record.
struct Accepted {
    feature: FeatureId,
    pushed: Pushed,
    scope: String,
}

impl Channels {
    /// Handlers over this core; blocking work asks it through `runtime`.
    pub fn new(core: CoreHandle, runtime: Handle) -> Self {
        Self { core, runtime }
    }

    /// Serves one push on a thread that may block: one at a time, under the lock of its branch.
    fn push(&self, role: &PrincipalId, stream: &std::os::unix::net::UnixStream) {
        let accepted: Mutex<Option<Accepted>> = Mutex::new(None);
        let judge = |request: &PushRequest, view: &dyn Vcs| {
            let judged = self.judge(role, request, view);
            match judged {
                Ok(ok) => {
                    *accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(ok);
                    Ok(())
                }
                Err(reason) => {
                    self.refused(role, request, &reason);
                    Err(Refusal { lines: vec![reason.to_string()] })
                }
            }
        };
        let vcs = self.core.context().ports.vcs.clone();
        let outcome = vcs.serve_push(role, stream, &PushLimits::default(), &judge);
        let accepted = accepted.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (outcome, accepted) {
            (Ok(PushOutcome::Accepted(updates)), Some(accepted)) => self.record(accepted, &updates),
            (other, Some(accepted)) => {
                tracing::info!(%role, ?other, "an accepted push did not land");
                self.release(&accepted.scope, accepted.pushed.token, "did not land");
            }
            (Err(error), None) => tracing::info!(%role, %error, "a push failed"),
            (Ok(_), None) => {}
        }
    }

    fn judge(&self, role: &PrincipalId, request: &PushRequest, view: &dyn Vcs) -> Result<Accepted, Reason> {
        let context = self.core.context();
        let features = self.core.features();
        let find = |id: &str| FeatureId::new(id).ok().and_then(|id| features.by_id.get(&id));
        let updates = push::updates(request);
        let (feature, new) = rules::target(role, &updates, &context.facts.main_ref(), &find)?;
        self.runtime.block_on(self.core.may_act(role))?;
        let scope = feature.id.branch();
        let hold = self.runtime.block_on(self.core.lock(&scope, role))?;
        let judged = self.judge_content(role, feature, &features, &updates[0], &new, hold.token, view);
        let kept = judged.and_then(|pushed| {
            let commits =
                vec![RateKind::Commits; usize::try_from(pushed.commits).unwrap_or(usize::MAX).min(10_000)];
            self.runtime.block_on(self.core.take(role, commits))?;
            // The last word before the ref moves: the token is still in force and nothing is frozen.
            self.runtime.block_on(self.core.check_token(&scope, role, hold.token))?;
            self.runtime.block_on(self.core.may_act(role))?;
            Ok(pushed)
        });
        match kept {
            Ok(pushed) => Ok(Accepted { feature: feature.id.clone(), pushed, scope }),
            Err(reason) => {
                self.release(&scope, hold.token, "refused");
                Err(reason)
            }
        }
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

    /// The ref has moved: the record follows. If it is not admitted (a freeze came between), the ref
    /// goes back.
    fn record(&self, accepted: Accepted, updates: &[RefUpdate]) {
        let Accepted { feature, pushed, scope } = accepted;
        let (token, role) = (pushed.token, pushed.by.clone());
        let draft = Draft::new(Address::system(), pushed).about(feature);
        if let Err(reason) = self.runtime.block_on(self.core.say_all(vec![draft])) {
            tracing::warn!(%role, %reason, "a push is taken back");
            let back: Vec<RefUpdate> = updates
                .iter()
                .map(|u| RefUpdate { name: u.name.clone(), old: u.new.clone(), new: u.old.clone() })
                .collect();
            if let Err(error) = self.core.context().ports.vcs.update_refs(&back) {
                tracing::error!(%error, "a push that was not admitted could not be taken back; the next start adopts or drops it");
            }
        }
        self.release(&scope, token, "done");
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
