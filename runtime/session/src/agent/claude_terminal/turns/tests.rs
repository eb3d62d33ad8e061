use super::*;
use proptest::prelude::*;
use serde_json::json;

struct Bed {
    turns: Turns,
    now: Instant,
    stamp: u64,
}

impl Bed {
    fn idle() -> Self {
        let mut bed = Self { turns: Turns::default(), now: Instant::now(), stamp: 0 };
        assert_eq!(bed.at(Status::Idle), [AgentEvent::State(AgentState::Idle)]);
        bed
    }

    /// The record changes to this status.
    fn at(&mut self, status: Status) -> Vec<AgentEvent> {
        self.stamp += 1;
        self.again(status)
    }

    /// The record is read again, unchanged.
    fn again(&mut self, status: Status) -> Vec<AgentEvent> {
        self.turns.read(Some(Record { status, stamp: self.stamp }), self.now)
    }

    fn later(&mut self, by: Duration) {
        self.now += by;
    }

    fn submit(&mut self, text: &str) -> Vec<AgentEvent> {
        self.turns.hook("UserPromptSubmit", &json!({"prompt": text}))
    }

    fn write(&mut self, n: u128) -> PromptId {
        let id = id(n);
        self.turns.wrote(id, self.now);
        id
    }
}

fn id(n: u128) -> PromptId {
    PromptId(uuid::Uuid::from_u128(n))
}

fn ended(prompt: Option<PromptId>, end: TurnEnd) -> AgentEvent {
    AgentEvent::TurnEnded(TurnReport { prompt, end, ..TurnReport::default() })
}

const IDLE: AgentEvent = AgentEvent::State(AgentState::Idle);
const BUSY: AgentEvent = AgentEvent::State(AgentState::Busy);

#[test]
fn a_prompt_is_seen_and_its_turn_ends_once() {
    let mut bed = Bed::idle();
    assert_eq!(bed.turns.ready(bed.now), Ok(()));
    let prompt = bed.write(1);
    assert!(bed.turns.ready(bed.now).is_err(), "one at a time");
    assert_eq!(bed.again(Status::Idle), []);
    assert_eq!(bed.submit(&format!("{}\nwork", marker::line(prompt))), [AgentEvent::Seen(prompt), BUSY]);
    assert_eq!(bed.again(Status::Idle), [], "the record is older than the turn");
    assert_eq!(bed.at(Status::Busy), []);
    assert!(bed.turns.ready(bed.now).is_err());
    assert_eq!(bed.turns.hook("Stop", &json!({})), []);
    assert_eq!(bed.at(Status::Idle), [ended(Some(prompt), TurnEnd::Done), IDLE]);
    assert_eq!(bed.again(Status::Idle), []);
    assert_eq!((bed.turns.ready(bed.now), bed.turns.has_residue()), (Ok(()), false));
}

#[test]
fn a_turn_that_fits_between_two_readings_is_not_missed() {
    let mut bed = Bed::idle();
    let prompt = bed.write(1);
    bed.submit(&marker::line(prompt));
    bed.turns.hook("Stop", &json!({}));
    bed.stamp += 1;
    assert_eq!(bed.at(Status::Idle), [ended(Some(prompt), TurnEnd::Done), IDLE]);
}

#[test]
fn without_a_last_word_the_end_is_told_a_little_later() {
    let mut bed = Bed::idle();
    bed.at(Status::Busy);
    assert_eq!(bed.at(Status::Idle), []);
    assert!(bed.turns.ready(bed.now).is_err());
    bed.later(LAST_WORD);
    let events = bed.again(Status::Idle);
    assert!(matches!(&events[..], [AgentEvent::TurnEnded(TurnReport { end: TurnEnd::GaveUp(_), .. }), IDLE]));
    assert!(bed.turns.has_residue());
    bed.at(Status::Busy);
    bed.at(Status::Idle);
    bed.turns.hook("StopFailure", &json!({"error": "overloaded"}));
    assert_eq!(bed.again(Status::Idle), [ended(None, TurnEnd::Failed(ModelTrouble::Overloaded)), IDLE]);
}

#[test]
fn an_interrupted_turn_has_no_hook() {
    let mut bed = Bed::idle();
    bed.at(Status::Busy);
    bed.turns.interrupted();
    assert_eq!(bed.at(Status::Idle), [ended(None, TurnEnd::Interrupted), IDLE]);
    assert!(bed.turns.has_residue(), "its text may be back in the line");
    bed.write(1);
    assert!(!bed.turns.has_residue());
}

#[test]
fn a_queued_prompt_ends_one_turn_and_begins_the_next() {
    let mut bed = Bed::idle();
    bed.at(Status::Busy);
    bed.turns.hook("Stop", &json!({}));
    assert_eq!(bed.submit("typed meanwhile"), [ended(None, TurnEnd::Done)]);
    bed.at(Status::Busy);
    bed.turns.hook("Stop", &json!({}));
    assert_eq!(bed.at(Status::Idle), [ended(None, TurnEnd::Done), IDLE]);
}

#[test]
fn a_dialog_is_waited_for() {
    let mut bed = Bed::idle();
    bed.at(Status::Busy);
    assert_eq!(bed.at(Status::Waiting), [AgentEvent::State(AgentState::WaitingPermission)]);
    let refused = bed.turns.ready(bed.now);
    assert_eq!(refused, Err(DeliverError::NotReady("a dialog is open in its terminal")));
    assert_eq!(bed.at(Status::Busy), [BUSY]);
}

#[test]
fn what_was_never_seen_may_be_written_again_after_a_while() {
    let mut bed = Bed::idle();
    bed.write(1);
    bed.later(UNSEEN);
    assert_eq!((bed.turns.ready(bed.now), bed.turns.has_residue()), (Ok(()), true));
}

#[test]
fn only_prompts_that_were_written_are_seen() {
    let mut bed = Bed::idle();
    assert_eq!(bed.submit(&marker::line(id(9))), [BUSY]);
    assert_eq!(bed.submit("text"), []);
}

#[test]
fn tools_begin_and_end() {
    let mut bed = Bed::idle();
    bed.at(Status::Busy);
    let call = json!({"tool_use_id": "t1", "tool_name": "Bash\u{1b}"});
    let tool = |running| AgentEvent::Tool { call: "t1".into(), name: "Bash".into(), running };
    bed.turns.hook("Stop", &json!({}));
    assert_eq!(bed.turns.hook("PreToolUse", &call), [tool(true)]);
    assert_eq!(bed.turns.hook("PreToolUse", &call), []);
    assert_eq!(bed.turns.hook("PostToolUse", &call), [tool(false)]);
    assert_eq!(bed.turns.hook("PostToolUse", &call), []);
    bed.turns.hook("PreToolUse", &call);
    bed.turns.hook("Stop", &json!({}));
    assert_eq!(bed.at(Status::Idle), [tool(false), ended(None, TurnEnd::Done), IDLE]);
}

#[test]
fn failures_have_their_names() {
    let cases = [
        ("authentication_failed", "", ModelTrouble::Auth("authentication_failed".into())),
        ("billing_error", "no money", ModelTrouble::Auth("no money".into())),
        ("rate_limit", "", ModelTrouble::RateLimited { until: None }),
        ("overloaded", "", ModelTrouble::Overloaded),
        ("server_error", "", ModelTrouble::Server(500)),
        ("invalid_request", "prompt is too long", ModelTrouble::TooLong),
        ("invalid_request", "bad", ModelTrouble::Refused(400, "bad".into())),
    ];
    let failed = |error: &str, details: &str| failure(&json!({"error": error, "error_details": details}));
    for (error, details, expected) in cases {
        assert_eq!(failed(error, details), TurnEnd::Failed(expected), "{error}");
    }
    assert_eq!(failed("unknown", ""), TurnEnd::GaveUp("its request failed: unknown".into()));
}

proptest! {
    /// Whatever is read and called in whatever order: a turn ends at most once for each time the
    /// program leaves idleness, nothing is told twice, and it comes to rest.
    #[test]
    fn turns_come_to_rest(steps in prop::collection::vec(0..8_u8, 0..60)) {
        let mut bed = Bed::idle();
        let mut events = Vec::new();
        for step in steps {
            let told = match step {
                0 => bed.at(Status::Busy),
                1 => bed.at(Status::Waiting),
                2 => bed.at(Status::Idle),
                3 => bed.submit("x"),
                4 => bed.turns.hook("Stop", &json!({})),
                5 => { bed.turns.interrupted(); Vec::new() }
                6 => { bed.later(LAST_WORD); Vec::new() }
                _ => { bed.write(1); Vec::new() }
            };
            events.extend(told);
        }
        events.extend(bed.at(Status::Idle));
        bed.later(UNSEEN);
        events.extend(bed.again(Status::Idle));
        prop_assert_eq!(bed.turns.ready(bed.now), Ok(()));
        prop_assert!(!bed.turns.at_work());
        let states: Vec<_> = events.iter().filter(|e| matches!(e, AgentEvent::State(_))).collect();
        prop_assert!(states.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", states);
    }
}
