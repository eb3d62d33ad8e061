//! The projector: makes the picture that displays, `status` and the agents' tools show.

use super::memory::Memory;
use crate::{
    context::Context as Core,
    journal::{Cursor, Entry},
    services::registry::CatchUp,
    supervision::{ExitCause, Restartable},
};
use actix::prelude::*;
use foureyes_policies::{
    costs::{Costs, Line, Sum},
    features::{Feature, Features, Status},
    veto::Veto,
};
use foureyes_ports::{
    text::clean_text,
    view::{
        DeliveryView, FeatureView, MessageLine, QuestionView, RoleState, RoleView, ServiceView, SpentView,
        Tone, VerdictLine, View,
    },
};
use foureyes_protocol::{Address, Body, Envelope, FeatureId, Gate, MessageId, Outcome, PrincipalId};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// What a role's actor tells of its agent.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct RoleSignal {
    /// The role.
    pub role: PrincipalId,
    /// Its state.
    pub state: RoleState,
    /// Host pid.
    pub pid: Option<u32>,
    /// How often its process was started.
    pub generation: u64,
    /// How often it was restarted after a death.
    pub restarts: u32,
    /// Unacknowledged envelopes.
    pub unread: u64,
    /// When the oldest of them was admitted.
    pub oldest_ms: Option<u64>,
    /// When the process last gave a sign of life: an event, or something new on its screen.
    pub heard_ms: u64,
    /// Turns of its model so far.
    pub turns: u64,
    /// Of these, those that began while nothing waited and nobody ordered them.
    pub idle_turns: u64,
    /// How far the newest prompt came.
    pub delivery: DeliveryView,
    /// Why no turn begins now.
    pub held: Option<String>,
}

/// How far a gate run is; an empty text ends it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct ProgressSignal(pub FeatureId, pub String);

/// Whether services answer.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct ServiceSignal(pub Vec<ServiceView>);

/// The locks held now.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct LockSignal(pub Vec<foureyes_ports::view::LockView>);

const MESSAGES: usize = 200;
const ALERTS: usize = 50;
const LINE: usize = 400;
/// The picture is drawn at most this often.
const TICK: Duration = Duration::from_millis(50);

/// The projector.
pub struct Projector {
    core: Core,
    out: watch::Sender<Arc<View>>,
    repository: String,
    features: Features,
    veto: Veto,
    cursor: Cursor,
    messages: VecDeque<MessageLine>,
    alerts: VecDeque<String>,
    refusals: u64,
    costs: Costs,
    questions: BTreeMap<u64, QuestionView>,
    asked: u64,
    roles: BTreeMap<PrincipalId, RoleSignal>,
    services: Vec<ServiceView>,
    locks: Vec<foureyes_ports::view::LockView>,
    progress: BTreeMap<FeatureId, String>,
    work: BTreeMap<PrincipalId, String>,
    memory: Memory,
    version: u64,
    dirty: bool,
}

impl Projector {
    /// A projector that publishes to this channel.
    pub fn new(core: Core, repository: String, out: watch::Sender<Arc<View>>) -> Self {
        Self {
            core,
            out,
            repository,
            features: Features::default(),
            veto: Veto::default(),
            cursor: Cursor::default(),
            messages: VecDeque::new(),
            alerts: VecDeque::new(),
            refusals: 0,
            costs: Costs::default(),
            questions: BTreeMap::new(),
            asked: 0,
            roles: BTreeMap::new(),
            services: Vec::new(),
            locks: Vec::new(),
            progress: BTreeMap::new(),
            work: BTreeMap::new(),
            memory: Memory::default(),
            version: 0,
            dirty: true,
        }
    }

    fn catch_up(&mut self) {
        for entry in self.cursor.next(&self.core.journal) {
            self.features.apply(&entry.record);
            self.veto.apply(&entry.record);
            self.costs.apply(&entry.record);
            self.take(&entry);
            self.dirty = true;
        }
    }

    fn take(&mut self, entry: &Entry) {
        let (record, envelope) = (&entry.record, &entry.record.envelope);
        let present = envelope.epoch == self.core.facts.epoch;
        self.note_question(envelope, record.at_ms);
        self.note_work(envelope);
        match &envelope.body {
            Body::Alert(a) if present => {
                push(&mut self.alerts, clean_text(&format!("{}: {}", a.event, a.text), LINE), ALERTS)
            }
            Body::Refused(_) if present => self.refusals += 1,
            Body::GateVerdict(_) => {
                if let Some(id) = &envelope.feature {
                    self.progress.remove(id);
                }
            }
            _ => {}
        }
        if let Some((text, tone)) = gist(envelope) {
            let line = MessageLine {
                record: record.index,
                at_ms: record.at_ms,
                from: envelope.from.to_string(),
                to: envelope.to.to_string(),
                kind: envelope.kind.to_string(),
                feature: envelope.feature.clone(),
                text: clean_text(&text, LINE),
                tone,
            };
            push(&mut self.messages, line, MESSAGES);
        }
    }

    /// What waits for the user, until it is answered.
    fn note_question(&mut self, envelope: &Envelope, at_ms: u64) {
        if let Some(answered) = envelope.in_reply_to.filter(|_| envelope.from.is_user()) {
            self.questions.retain(|_, q| q.id != answered);
        }
        if let Body::DecisionAnnouncement(d) = &envelope.body {
            self.questions.retain(|_, q| q.decision != Some(d.decision));
        }
        if envelope.to != Address::user() {
            return;
        }
        let Some((what, text, options, decision)) = asks_user(&envelope.body) else { return };
        self.asked += 1;
        let question = QuestionView {
            id: envelope.id,
            number: self.asked,
            from: envelope.from.clone(),
            feature: envelope.feature.clone(),
            what: what.to_owned(),
            text: clean_text(&text, 4 * LINE),
            options,
            decision,
            at_ms,
        };
        self.questions.insert(self.asked, question);
    }

    fn note_work(&mut self, envelope: &Envelope) {
        let Address::One(to) = &envelope.to else { return };
        let feature = envelope.feature.as_ref().map_or_else(String::new, |f| format!(" {f}"));
        let work = match &envelope.body {
            Body::TaskAssignment(t) => format!("{:?}{feature}", t.task),
            Body::SignOffRequest(r) => format!("review {}{feature}", r.subject),
            Body::CoSignRequest(_) => format!("co-sign{feature}"),
            _ => return,
        };
        self.work.insert(to.clone(), work);
    }

    fn publish(&mut self) {
        let processes: Vec<u32> = self.roles.values().filter_map(|role| role.pid).collect();
        let grown = self.memory.measure(&processes, self.core.ports.clock.now_ms());
        if !std::mem::take(&mut self.dirty) && !grown {
            return;
        }
        self.version += 1;
        let view = self.view();
        // Nobody may be watching; the next one to come sees the newest picture.
        self.out.send_replace(Arc::new(view));
    }

    fn view(&self) -> View {
        let (facts, now) = (&self.core.facts, self.core.ports.clock.now_ms());
        let head = self.core.ports.ledger.head();
        View {
            version: self.version,
            at_ms: now,
            started_ms: facts.started_ms,
            repository: self.repository.clone(),
            epoch: facts.epoch,
            tier: facts.tier.clone(),
            records: head.index,
            head: head.hash,
            target: facts.target.clone(),
            main: self.features.main.clone(),
            frozen: self.veto.frozen.as_ref().map(|f| {
                format!("by {} since record {}: {}", f.by, f.index, clean_text(&f.freeze.reason, LINE))
            }),
            quarantined: self
                .veto
                .quarantined
                .iter()
                .map(|(r, w)| (r.clone(), clean_text(w, LINE)))
                .collect(),
            roles: facts.roster.iter().map(|(id, family)| self.role(id, *family, now)).collect(),
            services: self.services.clone(),
            features: self.feature_views(),
            locks: self.locks.clone(),
            messages: self.messages.iter().cloned().collect(),
            questions: self.questions.values().cloned().collect(),
            alerts: self.alerts.iter().cloned().collect(),
            refusals: self.refusals,
            idle_turns: self.roles.values().map(|r| r.idle_turns).sum(),
            spent: spent(&self.costs.total()),
        }
    }

    fn role(&self, id: &PrincipalId, family: foureyes_protocol::Family, now: u64) -> RoleView {
        let signal = self.roles.get(id);
        let config = &self.core.facts.config;
        let backend = config.role(id).map_or("", |r| config.backend(r).kind());
        let busy = signal.is_some_and(|s| s.unread > 0);
        let mut used = Sum::default();
        self.costs.lines.iter().filter(|(l, _)| l.role == *id).for_each(|(_, sum)| used += *sum);
        RoleView {
            id: id.clone(),
            family,
            backend: backend.to_owned(),
            state: signal.map_or(RoleState::Asleep, |s| s.state),
            pid: signal.and_then(|s| s.pid),
            generation: signal.map_or(0, |s| s.generation),
            restarts: signal.map_or(0, |s| s.restarts),
            work: if busy { self.work.get(id).cloned().unwrap_or_default() } else { String::new() },
            unread: signal.map_or(0, |s| s.unread),
            oldest_unread_ms: signal.and_then(|s| s.oldest_ms).map_or(0, |at| now.saturating_sub(at)),
            quiet_ms: signal.filter(|s| s.pid.is_some()).map_or(0, |s| now.saturating_sub(s.heard_ms)),
            memory: signal.and_then(|s| s.pid).map_or(0, |pid| self.memory.of(pid)),
            turns: signal.map_or(0, |s| s.turns),
            delivery: signal.map_or_else(DeliveryView::default, |s| s.delivery),
            held: signal.and_then(|s| s.held.as_deref()).map(|why| clean_text(why, LINE)),
            spent: spent(&used),
        }
    }

    fn feature_views(&self) -> Vec<FeatureView> {
        let mut features: Vec<&Feature> = self.features.by_id.values().collect();
        features.sort_by_key(|f| f.requested);
        features.into_iter().map(|f| self.feature(f)).collect()
    }

    fn feature(&self, f: &Feature) -> FeatureView {
        let push = f.push.as_ref();
        let landed = f.verdicts.last().map(|v| v.at_ms);
        let mut used = Sum::default();
        let mine = |l: &Line| l.feature.as_ref() == Some(&f.id);
        self.costs.lines.iter().filter(|(l, _)| mine(l)).for_each(|(_, sum)| used += *sum);
        FeatureView {
            id: f.id.clone(),
            title: clean_text(&f.title, 120),
            kind: f.spec.as_ref().map_or_else(String::new, |s| s.spec.kind.to_string()),
            risk: f.risk(),
            gate: f.gate,
            status: status(&f.status),
            above_threshold: push.map(|p| p.facts.above_threshold()),
            author: f.author().cloned(),
            size: push.map_or((0, 0), |p| (p.change.lines(), p.change.files.len() as u64)),
            head: push.map(|p| p.change.head.clone()),
            content: push.map(|p| p.content),
            merged: f.merged.clone(),
            requested_ms: f.requested_at,
            ended_ms: matches!(f.status, Status::Done(_) | Status::Cancelled).then_some(landed).flatten(),
            verdicts: f.verdicts.iter().map(verdict_line).collect(),
            waiting_for: waiting_for(f),
            progress: self.progress.get(&f.id).cloned(),
            returns: f.returns.values().sum(),
            spent: spent(&used),
        }
    }
}

fn spent(sum: &Sum) -> SpentView {
    SpentView { requests: sum.requests, tokens: sum.tokens(), microusd: sum.microusd, unpriced: sum.unpriced }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    queue.push_back(item);
    if queue.len() > max {
        queue.pop_front();
    }
}

fn status(status: &Status) -> String {
    match status {
        Status::Active => "active".to_owned(),
        Status::Paused => "paused".to_owned(),
        Status::Waiting(why) => format!("waiting: {}", clean_text(why, LINE)),
        Status::Cancelled => "cancelled".to_owned(),
        Status::Done(_) => "done".to_owned(),
    }
}

fn verdict_line(v: &foureyes_policies::features::Verdict) -> VerdictLine {
    VerdictLine {
        record: v.index,
        at_ms: v.at_ms,
        gate: v.verdict.gate,
        outcome: v.verdict.outcome,
        summary: clean_text(&v.verdict.summary, LINE),
        codes: v.verdict.reasons.iter().map(|r| r.code.to_string()).collect(),
        signers: v.verdict.signers.clone(),
        millis: v.verdict.millis,
    }
}

/// What a feature waits for, in words.
fn waiting_for(f: &Feature) -> Vec<String> {
    let content = f.push.as_ref().map(|p| p.content);
    let open =
        f.requests.iter().filter(|r| !r.answered && (Some(r.content) == content || f.gate <= Gate::Red));
    let mut waiting: Vec<String> = open.map(|r| format!("{} to sign the {}", r.to, r.subject)).collect();
    if f.gate == Gate::Spec && f.spec.is_none() {
        waiting.extend(
            f.assignees(foureyes_protocol::body::Task::WriteSpec).map(|r| format!("{r} to write the spec")),
        );
    }
    if waiting.is_empty() && matches!(f.gate, Gate::Red | Gate::Green) && matches!(f.status, Status::Active) {
        waiting.extend(f.author().map(|a| format!("{a} to push")));
    }
    waiting
}

type Asked = (&'static str, String, Vec<String>, Option<foureyes_protocol::Digest>);

fn asks_user(body: &Body) -> Option<Asked> {
    Some(match body {
        Body::Question(q) => ("question", q.text.clone(), q.options.clone(), None),
        Body::SignOffRequest(r) => (
            "sign-off",
            format!("sign the {}: {}", r.subject, r.text),
            vec!["approve".to_owned(), "reject".to_owned()],
            None,
        ),
        Body::CoSignRequest(r) => {
            ("co-sign", format!("co-sign {}", r.act), vec!["approve".to_owned(), "reject".to_owned()], None)
        }
        Body::CriticalDecisionRequest(r) => ("decision", r.act.clone(), r.options.clone(), Some(r.decision)),
        Body::Escalation(e) => ("question", e.question.clone(), Vec::new(), None),
        Body::TaskAssignment(t) => ("task", format!("{:?}: {}", t.task, t.text), Vec::new(), None),
        _ => return None,
    })
}

/// What a record says to a person, and how much it matters; bookkeeping says nothing.
fn gist(envelope: &Envelope) -> Option<(String, Tone)> {
    Some(match &envelope.body {
        Body::TaskAssignment(t) => (format!("{:?}: {}", t.task, t.title), Tone::Plain),
        Body::TaskComplete(t) => {
            let claim = match t.tests_pass {
                Some(true) => " (claims: tests pass)",
                Some(false) => " (says: tests fail)",
                None => "",
            };
            (format!("done: {}{claim}", t.summary), Tone::Plain)
        }
        Body::SpecSubmitted(s) => (format!("spec: {} ({}, risk {})", s.title, s.kind, s.risk), Tone::Plain),
        Body::Question(q) => (format!("asks: {}", q.text), Tone::Warn),
        Body::Answer(a) => (format!("answers: {}", a.text), Tone::Good),
        Body::StatusReport(s) => (s.text.clone(), Tone::Plain),
        Body::SignOffRequest(r) => {
            (format!("please sign the {} {}", r.subject, r.content.short()), Tone::Plain)
        }
        Body::SignOffApproval(a) => (format!("signs the {} {}", a.subject, a.content.short()), Tone::Good),
        Body::SignOffRejection(r) => (
            format!("rejects the {}: {}", r.subject, r.findings.first().map_or("", |f| f.problem.as_str())),
            Tone::Warn,
        ),
        Body::CoSign(c) => (
            format!(
                "{} DEPLOY{}",
                if c.granted { "co-signs" } else { "refuses" },
                if c.by_rule { " (by rule)" } else { "" }
            ),
            Tone::Good,
        ),
        Body::CoSignRequest(r) => (format!("please co-sign {}", r.act), Tone::Plain),
        Body::CriticalDecisionRequest(r) => (format!("decision needed: {}", r.act), Tone::Warn),
        Body::DecisionAnnouncement(d) => {
            (format!("the user {}", if d.approved { "approves" } else { "refuses" }), Tone::Good)
        }
        Body::GateRequest(g) => (format!("proposes {}", g.gate), Tone::Plain),
        Body::GateVerdict(v) => verdict_gist(v),
        Body::Pushed(p) => (
            format!(
                "{} pushed {} ({} lines, {} files)",
                p.by,
                p.change.head.short(),
                p.change.lines(),
                p.change.files.len()
            ),
            Tone::Plain,
        ),
        Body::Imported(i) => (format!("imported {} at {}", i.source, i.new.short()), Tone::Plain),
        Body::Merged(m) => (format!("landed {}", m.commit.short()), Tone::Good),
        Body::Delivered(d) => (format!("delivered {} to {}", d.commit.short(), d.to), Tone::Good),
        Body::Freeze(f) => (format!("FREEZE: {}", f.reason), Tone::Bad),
        Body::Unfreeze(_) => ("the freeze is lifted".to_owned(), Tone::Good),
        Body::Quarantine(q) => (
            format!("{} {}: {}", q.role, if q.lifted { "is back" } else { "is set aside" }, q.reason),
            Tone::Bad,
        ),
        Body::Alert(a) => (format!("{}: {}", a.event, a.text), Tone::Warn),
        Body::Health(h) => (
            format!("{} is {}: {}", h.who, h.state, h.cause),
            if h.state == "up" { Tone::Plain } else { Tone::Warn },
        ),
        Body::Refused(r) => (format!("REFUSED {} {}: {}", r.who, r.what, r.reason), Tone::Bad),
        Body::FeatureRequested(f) => (format!("asks for: {}", f.title), Tone::Plain),
        Body::FeatureControl(c) => (format!("{:?}: {}", c.action, c.reason), Tone::Warn),
        Body::ReviewRequest(r) => (format!("please look at {}: {}", r.range, r.focus), Tone::Plain),
        Body::ReviewFeedback(r) => (r.text.clone(), Tone::Plain),
        Body::Escalation(e) => (format!("escalates: {}", e.question), Tone::Warn),
        Body::TakenOver(t) => {
            let word = if t.taken { "takes over" } else { "gives back" };
            (format!("the user {word} {}", t.role), Tone::Warn)
        }
        Body::Fetched(f) => (format!("{} fetched {} ({})", f.role, f.url, f.status), Tone::Plain),
        Body::EpochStarted(e) => (format!("epoch begins, tier {}", e.tier), Tone::Plain),
        _ => return None,
    })
}

fn verdict_gist(v: &foureyes_protocol::body::GateVerdict) -> (String, Tone) {
    let (word, tone) = match v.outcome {
        Outcome::Passed => ("passed", Tone::Good),
        Outcome::Checked => ("checked", Tone::Good),
        Outcome::NotApplicable => ("not applicable", Tone::Plain),
        Outcome::Returned => ("RETURNED", Tone::Warn),
        Outcome::Broken => ("waits", Tone::Bad),
    };
    (format!("{} {word}: {}", v.gate, v.summary), tone)
}

/// The question with this short number, or of this message.
pub fn find_question<'v>(view: &'v View, what: &str) -> Option<&'v QuestionView> {
    let number: Option<u64> = what.parse().ok();
    let id: Option<MessageId> = what.parse().ok();
    view.questions.iter().find(|q| Some(q.number) == number || Some(q.id) == id)
}

impl Actor for Projector {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1_024);
        self.catch_up();
        self.publish();
        ctx.run_interval(TICK, |projector, _| projector.publish());
    }
}

impl Restartable for Projector {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {
        let fresh = Self::new(self.core.clone(), self.repository.clone(), self.out.clone());
        let version = self.version;
        *self = Self { roles: std::mem::take(&mut self.roles), version, ..fresh };
    }
}
crate::supervised!(Projector);

impl Handler<CatchUp> for Projector {
    type Result = ();
    fn handle(&mut self, _: CatchUp, _: &mut Context<Self>) {
        self.catch_up();
    }
}

impl Handler<RoleSignal> for Projector {
    type Result = ();
    fn handle(&mut self, signal: RoleSignal, _: &mut Context<Self>) {
        self.roles.insert(signal.role.clone(), signal);
        self.dirty = true;
    }
}

impl Handler<ProgressSignal> for Projector {
    type Result = ();
    fn handle(&mut self, ProgressSignal(feature, text): ProgressSignal, _: &mut Context<Self>) {
        self.progress.insert(feature, clean_text(&text, 120));
        self.dirty = true;
    }
}

impl Handler<ServiceSignal> for Projector {
    type Result = ();
    fn handle(&mut self, signal: ServiceSignal, _: &mut Context<Self>) {
        self.dirty |= self.services != signal.0;
        self.services = signal.0;
    }
}

impl Handler<LockSignal> for Projector {
    type Result = ();
    fn handle(&mut self, signal: LockSignal, _: &mut Context<Self>) {
        self.dirty |= self.locks != signal.0;
        self.locks = signal.0;
    }
}
