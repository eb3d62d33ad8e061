//! The registry: the one place where envelopes become records.
//!
//! Checks, in order: decode, hash, identity, size → duplicate? the first verdict → rate → freeze →
//! permission and policy → append. A sender is answered when its record is durable, and only durable
//! records are shown to anybody else.

use crate::{
    context::Context as Core,
    journal::Entry,
    services::limiter::{Limiter, Take},
    supervision::{ExitCause, Restartable, exit_abnormally},
};
use actix::prelude::*;
use foureyes_policies::{
    admission::{self, Admission, Seen},
    features::Features,
    rate,
    record::Record,
    secrets,
    veto::Veto,
};
use foureyes_ports::{
    governance::{Draft, Receipt},
    ledger::NewRecord,
};
use foureyes_protocol::{
    Body, Code, Envelope, Family, MessageId, PrincipalId, Reason, Sealed,
    body::Refused,
    envelope::{OpenError, VERSION},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Tells a service that the journal has grown.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct CatchUp;

/// Subscribes a service to [`CatchUp`].
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Recipient<CatchUp>);

/// A draft to be sealed for this channel.
#[derive(Debug, Message)]
#[rtype(result = "Result<Receipt, Reason>")]
pub struct Say {
    /// The authenticated principal.
    pub channel: PrincipalId,
    /// What it says.
    pub draft: Draft,
}

/// Bytes that claim to be a sealed envelope.
#[derive(Debug, Message)]
#[rtype(result = "Result<Receipt, Reason>")]
pub struct SubmitSealed {
    /// The authenticated principal.
    pub channel: PrincipalId,
    /// The envelope.
    pub sealed: Sealed,
}

/// What the runtime itself has to say, as one batch: all or nothing.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Receipt>, Reason>")]
pub struct SayAll(pub Vec<Draft>);

/// The registry.
pub struct Registry {
    core: Core,
    limiter: Addr<Limiter>,
    subscribers: Vec<Recipient<CatchUp>>,
    admission: Admission,
    features: Features,
    veto: Veto,
    /// First verdicts of calls that carried an idempotency key, of this epoch.
    calls: HashMap<(PrincipalId, String), Receipt>,
    /// Records that have their place and are not durable yet, in order.
    syncing: VecDeque<Entry>,
}

impl Registry {
    /// A registry over the journal as it stands.
    pub fn new(core: Core, limiter: Addr<Limiter>) -> Self {
        let mut registry = Self {
            core,
            limiter,
            subscribers: Vec::new(),
            admission: Admission::default(),
            features: Features::default(),
            veto: Veto::default(),
            calls: HashMap::new(),
            syncing: VecDeque::new(),
        };
        registry.refold();
        registry
    }

    fn refold(&mut self) {
        self.admission = Admission { epoch: self.core.facts.epoch, ..Admission::default() };
        self.features = Features::default();
        self.veto = Veto::default();
        for entry in self.core.journal.since(0) {
            self.fold(&entry);
        }
        // A freeze holds until the record that lifts it is durable.
        let frozen = self.veto.frozen.is_some();
        for entry in Vec::from(self.syncing.clone()) {
            self.fold(&entry);
        }
        if self.admission.epoch != self.core.facts.epoch {
            self.admission.epoch = self.core.facts.epoch;
            self.admission.seqs.clear();
        }
        self.core.refs.set(frozen || self.veto.frozen.is_some());
    }

    fn fold(&mut self, entry: &Entry) {
        self.admission.apply(&entry.record, entry.hash);
        self.features.apply(&entry.record);
        self.veto.apply(&entry.record);
    }

    fn family(&self, id: &PrincipalId) -> Result<Family, Reason> {
        let unknown = || Reason::new(Code::Sender, format!("{id} is not on the roster"));
        self.core.facts.roster.family(id).ok_or_else(unknown)
    }

    /// The gateway's part: id, sequence, times and hash are the runtime's, never the sender's.
    fn seal(&self, channel: &PrincipalId, draft: Draft, offset: u64) -> Envelope {
        let now = self.core.ports.clock.now_ms();
        let mut random = [0; 10];
        self.core.ports.entropy.fill(&mut random);
        let id = MessageId::from_parts(now, random);
        Envelope {
            v: VERSION,
            run: self.core.facts.run,
            epoch: self.core.facts.epoch,
            id,
            from: channel.clone(),
            to: draft.to,
            kind: draft.body.kind(),
            feature: draft.feature,
            thread: draft.thread,
            in_reply_to: draft.in_reply_to,
            seq: self.admission.next_seq(channel) + offset,
            sent_at: now,
            expires_at: draft.expires_at,
            priority: draft.priority,
            labels: draft.labels,
            body: draft.body,
        }
    }

    fn identify(&self, channel: &PrincipalId, envelope: &Envelope) -> Result<(), Reason> {
        let (facts, now) = (&self.core.facts, self.core.ports.clock.now_ms());
        self.admission.identity(envelope, channel, facts.run, facts.epoch, now)
    }

    /// The last checks, at the moment at which the place in the ledger is taken.
    fn permit(&self, envelope: &Envelope) -> Result<(), Reason> {
        self.admission.sequence(envelope)?;
        admission::permit(envelope, &self.core.facts.roster, &self.admission, &self.features, &self.veto)
    }

    /// Takes the next places in the ledger for these envelopes. The future ends when they are durable.
    fn append(&mut self, envelopes: Vec<Envelope>) -> ResponseActFuture<Self, Result<Vec<Receipt>, Reason>> {
        let at_ms = self.core.ports.clock.now_ms();
        let sealed: Vec<Sealed> = envelopes.iter().map(Envelope::seal).collect();
        if let Some(large) = sealed.iter().find(|s| s.bytes.len() as u64 > self.limit()) {
            let text = format!("{} bytes are more than {}", large.bytes.len(), self.limit());
            return Box::pin(fut::ready(Err(Reason::new(Code::TooLarge, text))));
        }
        let critical = envelopes.iter().any(|e| matches!(e.body, Body::Freeze(_)));
        if critical {
            // Before the record: whoever moves a ref has finished, and nobody begins any more.
            self.core.refs.set(true);
        }
        let batch = sealed.iter().map(|s| NewRecord { at_ms, bytes: s.bytes.clone() }).collect();
        let ledger = &self.core.ports.ledger;
        let ticket = if critical { ledger.append_critical(None, batch) } else { ledger.append(None, batch) };
        let entries: Vec<Entry> = ticket
            .assigned()
            .zip(envelopes.into_iter().zip(sealed))
            .map(|(index, (envelope, s))| Entry {
                record: Arc::new(Record { index, at_ms, envelope: Arc::new(envelope) }),
                hash: s.hash,
            })
            .collect();
        let receipts: Vec<Receipt> =
            entries.iter().map(|e| Receipt { id: e.record.envelope.id, record: e.record.index }).collect();
        // Noted before anything can panic: the ledger has them, so a restart must know of them.
        self.syncing.extend(entries.iter().cloned());
        entries.iter().for_each(|e| self.fold(e));
        Box::pin(ticket.into_actor(self).map(move |result, registry, ctx| match result {
            Ok(head) => {
                // The first of a group shows the whole group, so that everybody is told once for all.
                let durable = registry.core.ports.ledger.head().index;
                registry.publish_below(durable.max(head.index));
                Ok(receipts)
            }
            Err(error) => Err(registry.fail_stop(&error.to_string(), ctx)),
        }))
    }

    /// What was folded may not be in the ledger, so nothing may be approved on it any more.
    fn fail_stop(&mut self, why: &str, ctx: &mut Context<Self>) -> Reason {
        self.core.refs.stop();
        exit_abnormally(ctx, format!("the ledger refused an append: {why}"));
        Reason::new(
            Code::Broken,
            format!("the ledger cannot be written: {why}; nothing more is admitted until the next start"),
        )
    }

    /// Shows every record below this index: the ledger makes records durable in order, so when one is,
    /// all before it are, whichever ticket is looked at first.
    fn publish_below(&mut self, end: u64) {
        let (mut unfrozen, mut any) = (false, false);
        while let Some(entry) = self.syncing.pop_front_if(|e| e.record.index < end) {
            unfrozen |= matches!(entry.record.envelope.body, Body::Unfreeze(_));
            any = true;
            self.core.journal.push(entry);
        }
        if unfrozen && self.veto.frozen.is_none() {
            self.core.refs.set(false);
        }
        if any {
            self.subscribers.iter().for_each(|s| {
                // A full mailbox holds a `CatchUp` already, which will see these records too.
                let _ = s.try_send(CatchUp);
            });
        }
    }

    fn limit(&self) -> u64 {
        self.core.facts.config.messages.max_size.0
    }

    /// A refusal of an agent is a record too, so that triggers and people see it.
    fn refuse(&mut self, envelope: &Envelope, reason: Reason, ctx: &mut Context<Self>) -> Reason {
        let told = matches!(reason.code, Code::Rate | Code::TooLarge | Code::Expired);
        if envelope.from.is_system() || told {
            return reason;
        }
        let incident = matches!(reason.code, Code::Sender | Code::Tampering | Code::SelfApproval);
        let refused = Refused {
            who: envelope.from.clone(),
            what: format!("{} to {}", envelope.kind, envelope.to),
            reason: reason.clone(),
            incident,
        };
        let mut draft = Draft::new(foureyes_protocol::Address::system(), refused);
        draft.feature = envelope.feature.clone();
        let record = self.seal(&PrincipalId::system(), draft, 0);
        let append = self.append(vec![record]).map(|_, _, _| ());
        ctx.spawn(append);
        reason
    }
}

impl Actor for Registry {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        // A flood must not grow the mailbox without end, nor must twelve senders at once find it full.
        ctx.set_mailbox_capacity(1_024);
    }
}

impl Restartable for Registry {
    /// What has its place in the ledger and is not shown yet stays: without it the journal would miss
    /// records that are durable, a freeze among them. What waits for the disk still is shown with the
    /// next record, which is that of this restart at the latest.
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {
        self.refold();
        self.publish_below(self.core.ports.ledger.head().index);
    }
}
crate::supervised!(Registry);

impl Handler<Subscribe> for Registry {
    type Result = ();
    fn handle(&mut self, subscribe: Subscribe, _: &mut Context<Self>) {
        self.subscribers.push(subscribe.0);
    }
}

type Admitted = ResponseActFuture<Registry, Result<Receipt, Reason>>;

fn refused(reason: Reason) -> Admitted {
    Box::pin(fut::ready(Err(reason)))
}

impl Handler<Say> for Registry {
    type Result = Admitted;
    fn handle(&mut self, say: Say, ctx: &mut Context<Self>) -> Self::Result {
        let Say { channel, mut draft } = say;
        let call = draft.idempotency.take().map(|key| (channel.clone(), key));
        if let Some(receipt) = call.as_ref().and_then(|c| self.calls.get(c)) {
            return Box::pin(fut::ready(Ok(*receipt)));
        }
        let family = match self.family(&channel) {
            Ok(family) => family,
            Err(reason) => return refused(reason),
        };
        if let Err(reason) = without_secrets(&draft.body) {
            let envelope = self.seal(&channel, draft, 0);
            return refused(self.refuse(&envelope, reason, ctx));
        }
        let envelope = self.seal(&channel, draft, 0);
        self.rate_then(envelope, family, ctx, move |registry, mut envelope, ctx| {
            // Others of the same sender may have been admitted while the limiter was asked.
            envelope.seq = registry.admission.next_seq(&channel);
            registry.admit(envelope, call, ctx)
        })
    }
}

impl Registry {
    /// Asks the limiter, then goes on with the same envelope.
    fn rate_then(
        &mut self,
        envelope: Envelope,
        family: Family,
        ctx: &mut Context<Self>,
        go_on: impl FnOnce(&mut Self, Envelope, &mut Context<Self>) -> Admitted + 'static,
    ) -> Admitted {
        if rate::is_free(&envelope, family) {
            return go_on(self, envelope, ctx);
        }
        let take = self.limiter.send(Take { who: envelope.from.clone(), kinds: rate::kinds(&envelope) });
        Box::pin(take.into_actor(self).then(move |answer, registry, ctx| match answer {
            Ok(Ok(())) => go_on(registry, envelope, ctx),
            Ok(Err(reason)) => refused(registry.refuse(&envelope, reason, ctx)),
            Err(_) => refused(Reason::new(Code::Rate, "the rate limiter is restarting: send it again")),
        }))
    }

    fn admit(
        &mut self,
        envelope: Envelope,
        call: Option<(PrincipalId, String)>,
        ctx: &mut Context<Self>,
    ) -> Admitted {
        if let Err(reason) = self.permit(&envelope) {
            return refused(self.refuse(&envelope, reason, ctx));
        }
        let append = self.append(vec![envelope]);
        Box::pin(append.map(move |result, registry, _| {
            let receipt = result?.remove(0);
            if let Some(call) = call {
                registry.calls.insert(call, receipt);
            }
            Ok(receipt)
        }))
    }
}

impl Handler<SubmitSealed> for Registry {
    type Result = Admitted;
    fn handle(&mut self, submit: SubmitSealed, ctx: &mut Context<Self>) -> Self::Result {
        let SubmitSealed { channel, sealed } = submit;
        let envelope = match sealed.open(self.limit() as usize) {
            Ok(envelope) => envelope,
            Err(error) => return refused(not_an_envelope(&error)),
        };
        let checks =
            self.identify(&channel, &envelope).and_then(|()| self.admission.seen(envelope.id, sealed.hash));
        match checks {
            Err(reason) => {
                let by_channel = Envelope { from: channel, ..envelope };
                return refused(self.refuse(&by_channel, reason, ctx));
            }
            Ok(Seen::Same(record)) => return Box::pin(fut::ready(Ok(Receipt { id: envelope.id, record }))),
            Ok(Seen::New) => {}
        }
        if let Err(reason) = without_secrets(&envelope.body) {
            return refused(self.refuse(&envelope, reason, ctx));
        }
        match self.family(&channel) {
            Ok(family) => self.rate_then(envelope, family, ctx, |registry, envelope, ctx| {
                registry.admit(envelope, None, ctx)
            }),
            Err(reason) => refused(reason),
        }
    }
}

impl Handler<SayAll> for Registry {
    type Result = ResponseActFuture<Self, Result<Vec<Receipt>, Reason>>;
    fn handle(&mut self, say: SayAll, _: &mut Context<Self>) -> Self::Result {
        let system = PrincipalId::system();
        let envelopes: Vec<Envelope> =
            say.0.into_iter().zip(0..).map(|(draft, n)| self.seal(&system, draft, n)).collect();
        for envelope in &envelopes {
            if let Err(reason) = self.veto.permits(envelope, Family::System) {
                return Box::pin(fut::ready(Err(reason)));
            }
        }
        if envelopes.is_empty() {
            return Box::pin(fut::ready(Ok(Vec::new())));
        }
        self.append(envelopes)
    }
}

fn not_an_envelope(error: &OpenError) -> Reason {
    let code = match error {
        OpenError::Hash => Code::HashMismatch,
        OpenError::Version(_) => Code::Version,
        OpenError::Canonical(foureyes_protocol::canonical::CanonicalError::TooLarge { .. }) => Code::TooLarge,
        OpenError::Kind(..) | OpenError::Canonical(_) => Code::Malformed,
    };
    Reason::new(code, error.to_string())
}

/// A body with what looks like a secret is not stored: the refusal keeps its digest and the kinds of
/// what was found, and tells the sender.
fn without_secrets(body: &Body) -> Result<(), Reason> {
    let text = serde_json::to_string(body).map_err(|e| Reason::new(Code::Malformed, e.to_string()))?;
    let hits = secrets::scan(&text);
    if hits.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> = hits.iter().map(|h| h.kind.to_string()).collect();
    let digest = foureyes_protocol::Digest::of(text.as_bytes()).short();
    Err(Reason::new(
        Code::Secret,
        format!(
            "the message (digest {digest}) holds what looks like {}: take it out and send it again",
            kinds.join(", ")
        ),
    ))
}
