//! Pictures of one run at several moments, for the preview and for the snapshot tests.

// The tests and the preview each use a part.
#![allow(dead_code)]

use foureyes_ports::view::{
    DeliveryView, FeatureView, LockView, MessageLine, QuestionView, RoleState, RoleView, ServiceView,
    SpentView, Tone, VerdictLine, View,
};
use foureyes_protocol::{CommitId, Digest, Family, FeatureId, Gate, MessageId, Outcome, PrincipalId, Risk};
use uuid::Uuid;

/// When the run of the scenes began: 2026-01-01T00:00:00Z.
pub const BEGAN: u64 = 1_767_225_600_000;

const ROLES: [(&str, Family); 12] = [
    ("orchestrator", Family::Orchestrator),
    ("librarian", Family::Librarian),
    ("planner-a", Family::Planner),
    ("planner-b", Family::Planner),
    ("architect-a", Family::Architect),
    ("architect-b", Family::Architect),
    ("architect-c", Family::Architect),
    ("dev-a", Family::Dev),
    ("dev-b", Family::Dev),
    ("qa-a", Family::Qa),
    ("qa-b", Family::Qa),
    ("docs", Family::Docs),
];

fn who(name: &str) -> PrincipalId {
    PrincipalId::new(name).expect("a valid name")
}

fn feature_id(name: &str) -> FeatureId {
    FeatureId::new(name).expect("a valid name")
}

fn commit(seed: &str) -> CommitId {
    CommitId::new(&Digest::of(seed.as_bytes()).to_string()[..40]).expect("40 digits")
}

fn role(n: usize, name: &str, family: Family) -> RoleView {
    RoleView {
        id: who(name),
        family,
        backend: "scripted".to_owned(),
        state: RoleState::Idle,
        pid: Some(4_000 + n as u32),
        generation: 1,
        restarts: 0,
        work: String::new(),
        unread: 0,
        oldest_unread_ms: 0,
        quiet_ms: 120,
        memory: 14 << 20,
        turns: 0,
        delivery: DeliveryView::default(),
        held: None,
        spent: SpentView::default(),
    }
}

fn at_work(view: &mut View, name: &str, state: RoleState, work: &str) {
    let role = view.roles.iter_mut().find(|r| r.id.as_str() == name).expect("a role of the scene");
    role.state = state;
    role.work = work.to_owned();
    role.unread = u64::from(state == RoleState::Busy);
    role.oldest_unread_ms = 340 * role.unread;
}

/// A message `s` tenths of a second after the beginning.
fn say(view: &mut View, s: u64, (from, to): (&str, &str), kind: &str, feature: &str, tone: Tone, text: &str) {
    view.records += 1;
    let feature = (!feature.is_empty()).then(|| feature_id(feature));
    let at_ms = BEGAN + s * 100;
    let [from, to, kind, text] = [from, to, kind, text].map(str::to_owned);
    view.messages.push(MessageLine { record: view.records, at_ms, from, to, kind, feature, text, tone });
}

fn verdict(
    view: &mut View,
    n: usize,
    gate: Gate,
    outcome: Outcome,
    summary: &str,
    signers: &[&str],
    millis: u64,
) {
    view.records += 1;
    let line = VerdictLine {
        record: view.records,
        at_ms: view.at_ms,
        gate,
        outcome,
        summary: summary.to_owned(),
        codes: if outcome == Outcome::Returned { vec!["FROZEN-TEST".to_owned()] } else { Vec::new() },
        signers: signers.iter().map(|name| who(name)).collect(),
        millis,
    };
    view.features[n].verdicts.push(line);
    if matches!(outcome, Outcome::Passed | Outcome::NotApplicable) {
        view.features[n].gate = gate.next().unwrap_or(gate);
    }
}

fn feature(name: &str, title: &str, above: Option<bool>) -> FeatureView {
    FeatureView {
        id: feature_id(name),
        title: title.to_owned(),
        kind: "feature".to_owned(),
        risk: Risk::Medium,
        gate: Gate::Spec,
        status: "active".to_owned(),
        above_threshold: above,
        author: None,
        size: (0, 0),
        head: None,
        content: None,
        merged: None,
        requested_ms: BEGAN + 900,
        ended_ms: None,
        verdicts: Vec::new(),
        waiting_for: Vec::new(),
        progress: None,
        returns: 0,
        spent: SpentView::default(),
    }
}

/// All roles are up, nothing was asked for yet.
pub fn start() -> View {
    View {
        version: 1,
        at_ms: BEGAN + 840,
        started_ms: BEGAN,
        repository: "tally".to_owned(),
        epoch: 1,
        tier: "SEPARATE-UID".to_owned(),
        records: 61,
        head: Digest::of(b"61"),
        target: "main".to_owned(),
        main: Some(commit("base")),
        roles: ROLES.iter().enumerate().map(|(n, (name, family))| role(n, name, *family)).collect(),
        services: ["registry", "locks", "limits", "librarian", "health", "gatekeeper", "projector"]
            .map(|name| ServiceView { name: name.to_owned(), responsive: true, restarts: 0 })
            .into(),
        ..View::default()
    }
}

/// Two features in flight, one of them refused once already.
pub fn flight() -> View {
    let mut view = start();
    view.version = 2;
    view.at_ms = BEGAN + 7_400;
    view.features = vec![
        feature("statistics", "Add mean, median and standard deviation of a list of numbers", Some(true)),
        feature("clamp", "Add a function that clamps a number into a range", Some(false)),
    ];
    say(
        &mut view,
        9,
        ("user", "orchestrator"),
        "task",
        "statistics",
        Tone::Plain,
        "Add mean, median and standard deviation",
    );
    say(
        &mut view,
        10,
        ("orchestrator", "planner-a"),
        "assign",
        "statistics",
        Tone::Plain,
        "write the specification",
    );
    verdict(
        &mut view,
        0,
        Gate::Spec,
        Outcome::Passed,
        "5 conditions, 9 tests named",
        &["planner-a", "architect-a"],
        310,
    );
    verdict(&mut view, 1, Gate::Spec, Outcome::Passed, "2 conditions, 3 tests named", &["planner-b"], 240);
    verdict(&mut view, 1, Gate::Red, Outcome::Passed, "3 new tests fail, 14 old ones pass", &[], 1_240);
    say(
        &mut view,
        41,
        ("system", "dev-b"),
        "verdict",
        "clamp",
        Tone::Good,
        "RED passed: 3 new tests fail, 14 old ones pass",
    );
    say(
        &mut view,
        48,
        ("dev-b", "system"),
        "push",
        "clamp",
        Tone::Bad,
        "refused PUSH-TARGET: main takes commits of the gate alone",
    );
    say(
        &mut view,
        55,
        ("dev-b", "system"),
        "push",
        "clamp",
        Tone::Bad,
        "refused FROZEN-TEST: tests/clamp.rs was admitted at RED",
    );
    verdict(
        &mut view,
        1,
        Gate::Green,
        Outcome::Returned,
        "tests/clamp.rs differs from what RED admitted",
        &[],
        35,
    );
    say(
        &mut view,
        56,
        ("system", "dev-b"),
        "verdict",
        "clamp",
        Tone::Warn,
        "GREEN returned: tests/clamp.rs differs",
    );
    say(
        &mut view,
        70,
        ("dev-a", "system"),
        "submit",
        "statistics",
        Tone::Plain,
        "9 tests in tests/statistics.rs",
    );
    view.features[0].progress = Some("RED: 12/40 tests".to_owned());
    view.features[0].author = Some(who("dev-a"));
    view.features[0].size = (142, 3);
    view.features[1].author = Some(who("dev-b"));
    view.features[1].size = (31, 2);
    view.features[1].returns = 1;
    view.features[1].waiting_for = vec!["dev-b".to_owned()];
    at_work(&mut view, "dev-a", RoleState::Busy, "statistics: tests for an empty list");
    at_work(&mut view, "dev-b", RoleState::Restarting, "clamp: implementation");
    at_work(&mut view, "qa-a", RoleState::Waiting, "clamp: verification");
    view.roles[8].restarts = 1;
    view.roles[8].pid = None;
    view.refusals = 2;
    view.locks = vec![LockView {
        scope: "feature/statistics".to_owned(),
        holder: who("dev-a"),
        token: 12,
        until_ms: BEGAN + 60_000,
    }];
    view.head = Digest::of(b"flight");
    view
}

/// The librarian froze everything.
pub fn frozen() -> View {
    let mut view = flight();
    view.version = 3;
    view.at_ms = BEGAN + 9_100;
    view.frozen = Some("librarian: dev-b approved its own change".to_owned());
    view.quarantined = vec![(who("dev-b"), "approved its own change over its own socket".to_owned())];
    view.alerts.push("freeze by librarian: dev-b approved its own change".to_owned());
    say(&mut view, 90, ("librarian", "all"), "freeze", "", Tone::Bad, "dev-b approved its own change");
    view
}

/// Two things wait for the user: a question and a decision with a one-time code.
pub fn question() -> View {
    let mut view = flight();
    view.version = 4;
    view.at_ms = BEGAN + 11_300;
    view.features[0].waiting_for = vec!["user".to_owned()];
    view.features[0].progress = None;
    let ask = |number, from: &str, feature: &str, what: &str, text: &str| QuestionView {
        id: MessageId(Uuid::from_u128(number)),
        number: number as u64,
        from: who(from),
        feature: Some(feature_id(feature)),
        what: what.to_owned(),
        text: text.to_owned(),
        options: Vec::new(),
        decision: None,
        at_ms: BEGAN + 10_100,
    };
    let mut first =
        ask(3, "architect-a", "clamp", "question", "What shall clamp(5, 9, 1) do, whose ends are swapped?");
    first.options = vec!["return an error".to_owned(), "swap the ends".to_owned()];
    let mut second =
        ask(4, "system", "statistics", "decision", "src/auth.rs is CRITICAL: land 142 lines in 3 files?");
    second.decision = Some(Digest::of(b"decision"));
    view.questions = vec![first, second];
    say(
        &mut view,
        101,
        ("architect-a", "user"),
        "question",
        "clamp",
        Tone::Warn,
        "What shall clamp(5, 9, 1) do?",
    );
    view
}

/// Everything has landed.
pub fn done() -> View {
    let mut view = flight();
    view.version = 5;
    view.at_ms = BEGAN + 19_600;
    verdict(&mut view, 0, Gate::Red, Outcome::Passed, "9 new tests fail, 14 old ones pass", &[], 1_900);
    verdict(
        &mut view,
        0,
        Gate::Green,
        Outcome::Passed,
        "23 tests pass, no admitted test touched",
        &[],
        2_050,
    );
    verdict(
        &mut view,
        0,
        Gate::Peer,
        Outcome::Passed,
        "2 approvals of this content",
        &["dev-b", "architect-b"],
        120,
    );
    verdict(&mut view, 0, Gate::Qa, Outcome::Passed, "merge result: 26 tests pass", &["qa-a"], 2_200);
    verdict(
        &mut view,
        0,
        Gate::Deploy,
        Outcome::Passed,
        "landed, signed by the gate key",
        &["orchestrator", "librarian"],
        90,
    );
    verdict(
        &mut view,
        1,
        Gate::Green,
        Outcome::Passed,
        "17 tests pass, no admitted test touched",
        &[],
        1_300,
    );
    verdict(&mut view, 1, Gate::Peer, Outcome::Passed, "1 approval of this content", &["dev-a"], 80);
    verdict(&mut view, 1, Gate::Qa, Outcome::NotApplicable, "fast track: below the threshold", &[], 1);
    verdict(
        &mut view,
        1,
        Gate::Deploy,
        Outcome::Passed,
        "landed, signed by the gate key",
        &["orchestrator"],
        85,
    );
    for (feature, ended) in view.features.iter_mut().zip([18_200, 14_400]) {
        feature.status = "done".to_owned();
        feature.merged = Some(commit(feature.id.as_str()));
        feature.ended_ms = Some(BEGAN + ended);
        feature.content = Some(Digest::of(feature.id.as_str().as_bytes()));
        feature.waiting_for.clear();
        feature.progress = None;
    }
    view.roles.iter_mut().for_each(|role| {
        role.state = RoleState::Idle;
        role.pid = Some(4_100);
        role.work.clear();
        role.unread = 0;
    });
    view.locks.clear();
    view.refusals = 4;
    view.main = Some(commit("statistics"));
    view.head = Digest::of(b"done");
    say(
        &mut view,
        182,
        ("system", "all"),
        "landed",
        "statistics",
        Tone::Good,
        "statistics is on main, signed by the gate key",
    );
    view
}

/// An agent that writes escape sequences, bidi controls and formats of tmux everywhere it can.
pub fn hostile() -> View {
    const EVIL: &str = "\x1b]0;owned\x07\x1b[2J\u{202e}evil\u{2066}\u{9b}31m #(touch /tmp/owned) \r\nsecond";
    let mut view = question();
    view.version = 6;
    view.repository = EVIL.to_owned();
    view.frozen = Some(EVIL.to_owned());
    view.quarantined = vec![(who("dev-b"), EVIL.to_owned())];
    view.alerts = vec![EVIL.to_owned()];
    for text in [&mut view.tier, &mut view.target] {
        text.push_str(EVIL);
    }
    for feature in &mut view.features {
        for text in [&mut feature.title, &mut feature.kind, &mut feature.status] {
            text.push_str(EVIL);
        }
        feature.progress = Some(EVIL.to_owned());
        feature.waiting_for = vec![EVIL.to_owned()];
        feature.verdicts.iter_mut().for_each(|v| {
            v.summary.push_str(EVIL);
            v.codes.push(EVIL.to_owned());
        });
    }
    view.roles.iter_mut().for_each(|role| role.work.push_str(EVIL));
    view.services.iter_mut().for_each(|service| service.name.push_str(EVIL));
    view.locks.iter_mut().for_each(|lock| lock.scope.push_str(EVIL));
    for question in &mut view.questions {
        question.what.push_str(EVIL);
        question.text.push_str(EVIL);
        question.options.push(EVIL.to_owned());
    }
    for message in &mut view.messages {
        for text in [&mut message.from, &mut message.to, &mut message.kind, &mut message.text] {
            text.push_str(EVIL);
        }
    }
    view
}
