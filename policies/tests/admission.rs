//! Admission: identity, duplicates, order, and for every kind who may say it now.

mod world;

use foureyes_policies::admission::Seen;
use foureyes_protocol::{
    Address, Body, Code, Digest, Envelope, Gate, MessageId, Risk, RunId,
    body::{
        CoSign, DecisionAnnouncement, Finding, GateRequest, LockRequest, SignOffApproval, SignOffRejection,
        SpecSubmitted, StatusReport, Subject, Task, TaskAssignment, TertiaryReviewRequest, TertiaryVerdict,
    },
};
use world::{Work, World, id, uuid_of};

fn report(world: &World) -> Envelope {
    let sent = world.records.last().unwrap().envelope.as_ref().clone();
    let body = Body::from(StatusReport { text: String::new() });
    Envelope {
        id: MessageId(uuid_of(99)),
        from: id("dev-a"),
        to: Address::system(),
        kind: body.kind(),
        seq: world.admission.next_seq(&id("dev-a")),
        body,
        ..sent
    }
}

fn at(gate: Gate, work: Work) -> World {
    let mut world = World::twelve(7);
    world.request("greet", work);
    world.run_until(|w| w.feature("greet").gate == gate);
    world
}

#[test]
fn identity_is_the_channels() {
    let world = at(Gate::Red, Work::small());
    let e = report(&world);
    let judge = |e: &Envelope, channel: &str, now| {
        world.admission.identity(e, &id(channel), RunId(uuid_of(1)), 0, now).map_err(|r| r.code)
    };
    assert_eq!(judge(&e, "dev-a", 0), Ok(()));
    assert_eq!(judge(&e, "dev-b", 0), Err(Code::Sender), "V3.1");
    assert_eq!(
        judge(&Envelope { run: RunId(uuid_of(2)), ..e.clone() }, "dev-a", 0),
        Err(Code::Epoch),
        "V3.3"
    );
    assert_eq!(judge(&Envelope { epoch: 9, ..e.clone() }, "dev-a", 0), Err(Code::Epoch));
    let short = Envelope { expires_at: Some(5), ..e };
    assert_eq!(judge(&short, "dev-a", 4), Ok(()));
    assert_eq!(judge(&short, "dev-a", 5), Err(Code::Expired), "V3.12");
}

#[test]
fn an_id_stands_for_its_bytes_and_sequences_have_no_gaps() {
    let world = at(Gate::Red, Work::small());
    let first = &world.records[0];
    let hash = Digest::of(&first.index.to_be_bytes());
    assert_eq!(world.admission.seen(first.envelope.id, hash), Ok(Seen::Same(first.index)), "V3.2");
    let other = world.admission.seen(first.envelope.id, Digest::of(b"other"));
    assert_eq!(other.unwrap_err().code, Code::Tampering);
    assert_eq!(world.admission.seen(MessageId(uuid_of(98)), hash), Ok(Seen::New));
    let e = report(&world);
    assert!(world.admission.sequence(&e).is_ok());
    for seq in [0, e.seq - 1, e.seq + 1, u64::MAX] {
        let moved = Envelope { seq, ..e.clone() };
        assert_eq!(world.admission.sequence(&moved).unwrap_err().code, Code::Sequence, "{seq}");
    }
}

fn refused(
    world: &mut World,
    from: &str,
    to: &str,
    feature: Option<&str>,
    body: impl Into<Body>,
) -> Option<Code> {
    world.try_append(&id(from), to.parse().unwrap(), feature, body.into()).err().map(|r| r.code)
}

fn approve(subject: Subject, content: Digest) -> SignOffApproval {
    let policy = Digest::default();
    SignOffApproval { subject, content, policy, checked: Vec::new(), ran: Vec::new(), concerns: Vec::new() }
}

#[test]
fn a_sign_off_is_the_answer_of_the_one_who_was_asked_about_what_is_there() {
    let mut world = World::twelve(7);
    world.request("greet", Work::large());
    world.run_until(|w| w.feature("greet").gate == Gate::Peer);
    world.settle();
    let feature = world.feature("greet").clone();
    let content = feature.push.as_ref().unwrap().content;
    let author = feature.author().unwrap().to_string();
    let asked = feature.requests.iter().find(|r| r.subject == Subject::Change).unwrap().to.to_string();
    let change = |content| approve(Subject::Change, content);
    let not_asked = ["architect-a", "architect-b", "architect-c"];
    let not_asked =
        not_asked.into_iter().find(|a| feature.requests.iter().all(|r| r.to.as_str() != *a)).unwrap();
    let greet = Some("greet");
    for (from, feature, body, code) in [
        (author.as_str(), greet, change(content), Code::SelfApproval),
        ("docs", greet, change(content), Code::NotEligible),
        (not_asked, greet, change(content), Code::NotAsked),
        (&asked, greet, change(Digest::of(b"other")), Code::StaleApproval),
        (&asked, None, change(content), Code::NotAsked),
        (&asked, Some("other"), change(content), Code::NotAsked),
    ] {
        assert_eq!(refused(&mut world, from, "system", feature, body), Some(code), "{from}");
    }
    let empty = SignOffRejection { subject: Subject::Change, content, findings: Vec::new() };
    assert_eq!(refused(&mut world, &asked, "system", greet, empty), Some(Code::Kind), "a rejection says why");
    world.push("greet", &id(&author));
    assert_eq!(
        refused(&mut world, &asked, "system", greet, change(content)),
        Some(Code::StaleApproval),
        "V1.13"
    );
    let finding =
        Finding { severity: Risk::Low, place: String::new(), problem: String::new(), fix: String::new() };
    let own = SignOffRejection { subject: Subject::Change, content, findings: vec![finding] };
    assert_eq!(refused(&mut world, &author, "system", greet, own), Some(Code::SelfApproval));
}

#[test]
fn nobody_does_what_was_not_asked_of_them() {
    let mut world = at(Gate::Qa, Work::small());
    let content = world.feature("greet").push.as_ref().unwrap().content;
    let planner = world.feature("greet").spec.as_ref().unwrap().by.to_string();
    let stranger = if planner == "planner-a" { "planner-b" } else { "planner-a" };
    let greet = Some("greet");
    let spec: SpecSubmitted = world.feature("greet").spec.as_ref().unwrap().spec.clone();
    assert_eq!(refused(&mut world, stranger, "system", greet, spec), Some(Code::NotAsked));
    let cosign = CoSign { content, granted: true, by_rule: false, points: Vec::new() };
    assert_eq!(refused(&mut world, "librarian", "system", greet, cosign.clone()), Some(Code::NotAsked));
    assert_eq!(refused(&mut world, "dev-a", "system", greet, cosign), Some(Code::Kind));
    let deploy = GateRequest { gate: Gate::Deploy, content, text: String::new() };
    assert_eq!(refused(&mut world, "orchestrator", "system", greet, deploy), Some(Code::GateState));
    let widen = LockRequest { scope: String::new(), widen: vec!["src".to_owned()] };
    assert_eq!(refused(&mut world, "docs", "system", greet, widen), Some(Code::PushUnassigned));
    let verdict = TertiaryVerdict { content, approved: true, findings: Vec::new() };
    assert_eq!(refused(&mut world, "qa-a", "system", greet, verdict.clone()), Some(Code::NotAsked));
    let head = world.feature("greet").push.as_ref().unwrap().change.head.clone();
    let ask = TertiaryReviewRequest { content, head, look_for: String::new() };
    assert_eq!(refused(&mut world, "system", "qa-a", greet, ask), None);
    assert_eq!(refused(&mut world, "qa-a", "system", greet, verdict.clone()), None);
    assert_eq!(refused(&mut world, "qa-a", "system", greet, verdict), Some(Code::NotAsked), "once");
    let unknown = StatusReport { text: String::new() };
    assert_eq!(refused(&mut world, "dev-z", "system", greet, unknown), Some(Code::Sender));
}

#[test]
fn work_is_given_to_those_who_write_such_changes() {
    let mut world = at(Gate::Red, Work::small());
    world.settle();
    let task = || TaskAssignment {
        task: Task::Implement,
        title: String::new(),
        text: String::new(),
        branch: None,
        base: None,
        paths: Vec::new(),
        candidates: Vec::new(),
    };
    let greet = Some("greet");
    for to in ["librarian", "qa-a", "family:dev", "user"] {
        assert_eq!(refused(&mut world, "orchestrator", to, greet, task()), Some(Code::Receiver), "{to}");
    }
    assert_eq!(refused(&mut world, "planner-a", "dev-a", greet, task()), Some(Code::Kind));
    assert_eq!(refused(&mut world, "orchestrator", "dev-a", greet, task()), None);
}

#[test]
fn a_critical_decision_needs_the_code() {
    let mut world = World::twelve(7);
    world.silent.insert(id("user"));
    world.request("greet", Work { code: vec![("src/auth/a.rs", 9)], ..Work::small() });
    world.run();
    // The user reads the spec of what is critical.
    let requests: Vec<_> =
        world.feature("greet").requests.iter().filter(|r| r.to.is_user()).cloned().collect();
    for r in requests {
        assert_eq!(refused(&mut world, "user", "system", Some("greet"), approve(r.subject, r.content)), None);
    }
    world.run();
    let decision = world.feature("greet").decision_asked.expect("the user is asked");
    let answer = |approved, second_factor| DecisionAnnouncement {
        decision,
        approved,
        second_factor,
        reason: String::new(),
    };
    let greet = Some("greet");
    assert_eq!(
        refused(&mut world, "orchestrator", "system", greet, answer(true, true)),
        Some(Code::Kind),
        "V10.1"
    );
    assert_eq!(refused(&mut world, "user", "system", greet, answer(true, false)), Some(Code::SecondFactor));
    assert_eq!(refused(&mut world, "user", "system", greet, answer(true, true)), None);
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
}
