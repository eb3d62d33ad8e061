//! The user's desk: what the person decides, turned into envelopes of principal `user`. Every way in
//! (live view, control socket) goes through here, and the second factor is checked here.

use crate::compose::CoreGovernance;
use foureyes_ports::{
    governance::{Draft, Governance},
    view::{QuestionView, View},
};
use foureyes_protocol::{
    Address, Body, ChangeKind, Code, Digest, FeatureId, PrincipalId, Priority, Reason, Risk,
    body::{
        Answer, CoSign, DecisionAnnouncement, FeatureAction, FeatureControl, FeatureRequested, Finding,
        Freeze, Quarantine, SignOffApproval, SignOffRejection, SpecSubmitted, StatusReport, Unfreeze,
    },
};
use foureyes_vcs::second_factor::{CodeVerdict, SecondFactor, typed_digest_matches};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

/// How long the picture may lag behind the ledger.
const PICTURE_LAG: std::time::Duration = std::time::Duration::from_millis(500);
/// What the user must wait between the first enrolment during a freeze and lifting it.
const FRESH_ENROLMENT_MS: u64 = 10 * 60_000;

/// The user's desk.
#[derive(Clone)]
pub struct Desk {
    governance: Arc<CoreGovernance>,
    second_factor: PathBuf,
    /// One code at a time, or two that come together could both spend the same one.
    checking: Arc<tokio::sync::Mutex<()>>,
}

/// What the user typed for the second factor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// The short digest of the decision, as it was shown.
    pub digest: String,
    /// The one-time code.
    pub code: String,
}

type Done = Result<String, Reason>;

impl Desk {
    /// A desk over this core; `second_factor` is where its state lies.
    pub fn new(governance: Arc<CoreGovernance>, second_factor: PathBuf) -> Self {
        Self { governance, second_factor, checking: Arc::default() }
    }

    /// The core behind the desk.
    pub fn governance(&self) -> &Arc<CoreGovernance> {
        &self.governance
    }

    async fn say(&self, draft: Draft) -> Done {
        let draft = Draft { labels: BTreeSet::from([foureyes_protocol::Label::User]), ..draft };
        let receipt = self.governance.submit(&PrincipalId::user(), draft).await?;
        Ok(format!("record {}", receipt.record))
    }

    /// The question of this short number or message id.
    ///
    /// # Errors
    /// When nothing of that number waits.
    pub async fn question(&self, which: &str) -> Result<QuestionView, Reason> {
        // What was asked this moment is in the picture some milliseconds later.
        let mut views = self.governance.core().view();
        let there = |v: &Arc<View>| foureyes_actors::services::projector::find_question(v, which).is_some();
        let shown = tokio::time::timeout(PICTURE_LAG, views.wait_for(there)).await;
        let view: Option<Arc<View>> = shown.ok().and_then(|seen| seen.ok().map(|v| v.clone()));
        let found =
            view.and_then(|v| foureyes_actors::services::projector::find_question(&v, which).cloned());
        found.ok_or_else(|| {
            Reason::new(
                Code::NotAsked,
                format!("nothing with the number {which} waits for you: `agents inbox` lists what does"),
            )
        })
    }

    /// Asks for a feature.
    ///
    /// # Errors
    /// The rule that refuses.
    pub async fn request(&self, id: FeatureId, title: String, text: String) -> Done {
        self.say(Draft::new(Address::system(), FeatureRequested { title, text }).about(id)).await
    }

    /// Steers a feature.
    ///
    /// # Errors
    /// The rule that refuses.
    pub async fn steer(&self, id: FeatureId, action: FeatureAction, reason: String) -> Done {
        self.say(Draft::new(Address::system(), FeatureControl { action, reason }).about(id)).await
    }

    /// Says something to somebody.
    ///
    /// # Errors
    /// The rule that refuses.
    pub async fn send(&self, to: Address, text: String, feature: Option<FeatureId>) -> Done {
        self.say(Draft { feature, ..Draft::new(to, StatusReport { text }) }).await
    }

    /// Answers whatever waits: a question by its text or the number of an option, a sign-off by
    /// `approve` or `reject …`, a task for a spec by the spec's text.
    ///
    /// # Errors
    /// The rule that refuses; a decision that needs a code says how to give it.
    pub async fn answer(&self, which: &str, text: &str) -> Done {
        let question = self.question(which).await?;
        let text = option_text(&question, text);
        match question.what.as_str() {
            "decision" => Err(needs_code(&question)),
            "sign-off" | "co-sign" if is_yes(&text) => self.approve(which, None).await,
            "sign-off" | "co-sign" => self.reject(which, &text, None).await,
            "task" => self.spec(&question, &text).await,
            _ => self.say(reply(&question, Answer { text })).await,
        }
    }

    /// Approves what waits: signs, co-signs, or decides with the second factor.
    ///
    /// # Errors
    /// The rule that refuses; a wrong code.
    pub async fn approve(&self, which: &str, typed: Option<Typed>) -> Done {
        let question = self.question(which).await?;
        if let Some(decision) = question.decision {
            return self.decide(&question, decision, true, typed).await;
        }
        let body = match self.asked(&question)? {
            Body::SignOffRequest(r) => Body::from(SignOffApproval {
                subject: r.subject,
                content: r.content,
                policy: self.governance.core().context().facts.policy,
                checked: vec!["read by the user".to_owned()],
                ran: Vec::new(),
                concerns: Vec::new(),
            }),
            Body::CoSignRequest(r) => {
                CoSign { content: r.content, granted: true, by_rule: false, points: Vec::new() }.into()
            }
            _ => {
                return Err(Reason::new(
                    Code::NotAsked,
                    format!("{which} is a {}: `agents answer {which} TEXT`", question.what),
                ));
            }
        };
        self.say(reply(&question, body)).await
    }

    /// Rejects what waits.
    ///
    /// # Errors
    /// The rule that refuses; a wrong code.
    pub async fn reject(&self, which: &str, finding: &str, typed: Option<Typed>) -> Done {
        let question = self.question(which).await?;
        if let Some(decision) = question.decision {
            return self.decide(&question, decision, false, typed).await;
        }
        let body = match self.asked(&question)? {
            Body::SignOffRequest(r) => Body::from(SignOffRejection {
                subject: r.subject,
                content: r.content,
                findings: vec![found(finding)],
            }),
            Body::CoSignRequest(r) => {
                CoSign { content: r.content, granted: false, by_rule: false, points: Vec::new() }.into()
            }
            _ => {
                return Err(Reason::new(
                    Code::NotAsked,
                    format!("{which} is a {}: `agents answer {which} TEXT`", question.what),
                ));
            }
        };
        self.say(reply(&question, body)).await
    }

    /// What was asked, as it stands in the ledger.
    fn asked(&self, question: &QuestionView) -> Result<Body, Reason> {
        let entry = self.governance.core().context().journal.find(question.id);
        let gone = || Reason::new(Code::NotAsked, "the question is not in the ledger");
        Ok(entry.ok_or_else(gone)?.record.envelope.body.clone())
    }

    /// A decision with the second factor. A refusal needs none: it can do no harm.
    async fn decide(
        &self,
        question: &QuestionView,
        decision: Digest,
        approved: bool,
        typed: Option<Typed>,
    ) -> Done {
        let second_factor = match (approved, typed) {
            (true, None) => return Err(needs_code(question)),
            (true, Some(typed)) => {
                self.check(&decision, &typed).await?;
                true
            }
            (false, Some(typed)) if is_fraud(&typed) => return self.fraud().await,
            (false, _) => false,
        };
        let reason = if approved { "the user approves" } else { "the user refuses" }.to_owned();
        let body = DecisionAnnouncement { decision, approved, second_factor, reason };
        self.say(Draft { priority: Priority::Critical, ..reply(question, body) }).await
    }

    /// The short digest as shown, and a code that confirms this decision and no other. `FRAUD` in place
    /// of a code freezes everything.
    async fn check(&self, decision: &Digest, typed: &Typed) -> Result<(), Reason> {
        if is_fraud(typed) {
            return self.fraud().await.map(drop);
        }
        let refuse = |text: String| Err(Reason::new(Code::SecondFactor, text));
        if !typed_digest_matches(decision, &typed.digest) {
            return refuse(format!(
                "the digest that was typed is not {}: look again at what is decided",
                decision.short()
            ));
        }
        let now = self.governance.core().context().ports.clock.now_ms();
        let (dir, decision, code) = (self.second_factor.clone(), *decision, typed.code.trim().to_owned());
        let broken = |e: String| Reason::new(Code::Broken, e);
        let _one_at_a_time = self.checking.lock().await;
        let checked =
            tokio::task::spawn_blocking(move || SecondFactor::open(&dir)?.check(&decision, &code, now)).await;
        match checked.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.to_string()))? {
            CodeVerdict::Accepted => Ok(()),
            CodeVerdict::Wrong { left } => refuse(format!("wrong code; {left} tries left for this decision")),
            CodeVerdict::Closed => refuse(
                "too many wrong codes: this decision is closed; it is asked anew with the next push, or, where a freeze is to be lifted, after another `agents freeze` of yours"
                    .to_owned(),
            ),
            CodeVerdict::Reused => refuse("this code was used already: wait for the next one".to_owned()),
            CodeVerdict::TooSoon { wait_ms } => refuse(format!(
                "a code was accepted less than a minute ago: wait {} s",
                wait_ms.div_ceil(1000)
            )),
            CodeVerdict::NotEnrolled => {
                refuse("no second factor is enrolled: `agents 2fa enroll`".to_owned())
            }
        }
    }

    async fn fraud(&self) -> Done {
        self.freeze("the user answered FRAUD to a decision".to_owned()).await?;
        Err(Reason::new(Code::Frozen, "FRAUD: everything is frozen"))
    }

    /// Freezes everything.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub async fn freeze(&self, reason: String) -> Done {
        let body = Freeze {
            reason,
            evidence: Vec::new(),
            roles: Vec::new(),
            remedy: "the user lifts it".to_owned(),
        };
        self.say(Draft { priority: Priority::Critical, ..Draft::new(Address::All, body) }).await
    }

    /// The digest that lifting the present freeze is bound to.
    ///
    /// # Errors
    /// When nothing is frozen.
    pub async fn unfreeze_decision(&self) -> Result<Digest, Reason> {
        let view = self.governance.view().await;
        let frozen = view.frozen.clone().ok_or_else(|| Reason::new(Code::NotAsked, "nothing is frozen"))?;
        let context = self.governance.core().context();
        let run = context.facts.run.to_string();
        // Each freeze of the user's own asks anew: three wrong codes close a decision, and no freeze may
        // last for ever. An agent's do not, or it could change the digest under the user's hands.
        let own = |e: &foureyes_actors::journal::Entry| {
            e.record.envelope.from.is_user() && matches!(e.record.envelope.body, Body::Freeze(_))
        };
        let asked = context.journal.since(0).iter().filter(|e| own(e)).count().to_string();
        let parts = [run.as_bytes(), frozen.as_bytes(), asked.as_bytes()];
        Ok(Digest::of_parts("foureyes.unfreeze.v1", parts))
    }

    /// Lifts the freeze, with the second factor; quarantines are lifted with it.
    ///
    /// # Errors
    /// A wrong code; an enrolment that is too fresh.
    pub async fn unfreeze(&self, report: String, typed: Option<Typed>) -> Done {
        let decision = self.unfreeze_decision().await?;
        if report.trim().is_empty() {
            return Err(Reason::new(Code::Kind, "a freeze is lifted with a report of what was found"));
        }
        let typed = typed.ok_or_else(|| {
            Reason::new(Code::SecondFactor, format!("lifting a freeze needs a code for {}", decision.short()))
        })?;
        self.enrolled_long_enough().await?;
        self.check(&decision, &typed).await?;
        let quarantined: Vec<PrincipalId> =
            self.governance.view().await.quarantined.iter().map(|(r, _)| r.clone()).collect();
        let done = self
            .say(Draft {
                priority: Priority::Critical,
                ..Draft::new(Address::All, Unfreeze { report, second_factor: true })
            })
            .await?;
        for role in quarantined {
            let body = Quarantine { role, reason: "lifted with the freeze".to_owned(), lifted: true };
            self.say(Draft { priority: Priority::Critical, ..Draft::new(Address::All, body) }).await?;
        }
        Ok(done)
    }

    /// Who enrols only when everything is frozen already waits ten minutes: whoever forced the freeze
    /// must not be the first to enrol.
    async fn enrolled_long_enough(&self) -> Result<(), Reason> {
        let context = self.governance.core().context();
        let (dir, now) = (self.second_factor.clone(), context.ports.clock.now_ms());
        let enrolled =
            tokio::task::spawn_blocking(move || SecondFactor::open(&dir).map(|s| s.enrolled_at())).await;
        let broken = |e: String| Reason::new(Code::Broken, e);
        let enrolled = enrolled.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.to_string()))?;
        let frozen_at = self.frozen_at();
        match enrolled {
            None => Err(Reason::new(
                Code::SecondFactor,
                "no second factor is enrolled: `agents 2fa enroll`, then wait ten minutes",
            )),
            Some(at) if frozen_at.is_some_and(|f| at > f) && now.saturating_sub(at) < FRESH_ENROLMENT_MS => {
                let left = (FRESH_ENROLMENT_MS - now.saturating_sub(at)).div_ceil(60_000);
                Err(Reason::new(
                    Code::SecondFactor,
                    format!("the second factor was enrolled during the freeze: wait {left} more minutes"),
                ))
            }
            Some(_) => Ok(()),
        }
    }

    /// When the freeze in force began: a later one, while it holds, does not begin it anew.
    fn frozen_at(&self) -> Option<u64> {
        let entries = self.governance.core().context().journal.since(0);
        let held = entries.iter().rev().take_while(|e| !matches!(e.record.envelope.body, Body::Unfreeze(_)));
        held.filter(|e| matches!(e.record.envelope.body, Body::Freeze(_))).map(|e| e.record.at_ms).last()
    }

    /// A roster without a planner: the user writes the spec.
    async fn spec(&self, question: &QuestionView, text: &str) -> Done {
        let title = text.lines().next().unwrap_or_default().to_owned();
        let body = SpecSubmitted {
            title,
            kind: ChangeKind::Feature,
            risk: Risk::Low,
            text: text.to_owned(),
            paths: Vec::new(),
            characterisation: Vec::new(),
            removes: Vec::new(),
            reverts: None,
        };
        self.say(reply(question, body)).await
    }
}

fn reply(question: &QuestionView, body: impl Into<Body>) -> Draft {
    let to = if question.from.is_system() { Address::system() } else { Address::One(question.from.clone()) };
    let draft = Draft::new(to, body).answering(question.id);
    Draft { feature: question.feature.clone(), ..draft }
}

fn needs_code(question: &QuestionView) -> Reason {
    let digest = question.decision.map_or_else(String::new, |d| d.short());
    Reason::new(
        Code::SecondFactor,
        format!(
            "this decision needs the second factor: `agents approve {}` on a terminal asks for the digest {digest} and a code",
            question.number
        ),
    )
}

/// The number of an option stands for its text.
fn option_text(question: &QuestionView, text: &str) -> String {
    let number: Option<usize> = text.trim().parse().ok();
    let chosen = number.and_then(|n| n.checked_sub(1)).and_then(|n| question.options.get(n));
    chosen.cloned().unwrap_or_else(|| text.to_owned())
}

fn is_fraud(typed: &Typed) -> bool {
    typed.code.trim().eq_ignore_ascii_case("fraud")
}

fn is_yes(text: &str) -> bool {
    matches!(text.trim().to_lowercase().as_str(), "approve" | "yes" | "y" | "ok")
}

fn found(text: &str) -> Finding {
    Finding {
        severity: Risk::High,
        place: "the change".to_owned(),
        problem: text.to_owned(),
        fix: "see the problem".to_owned(),
    }
}
