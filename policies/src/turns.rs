//! When an agent gets a turn of its model: only on an envelope addressed to it, on a reminder of what
//! it left undone, or from the user. **Never while nothing waits.**
//!
//! This is for programs that tell when a turn ends. New envelopes of an ordinary kind wait for that
//! end; a CRITICAL one interrupts.

/// Reminders of the same envelopes before a person is told.
pub const REMINDERS: u32 = 3;
/// So long (milliseconds) a program has to leave off a turn that was interrupted; then it is ended.
pub const LEAVE_OFF_MS: u64 = 30_000;
/// A program that a person has taken over is looked at again after so long, in milliseconds.
pub const LOOK_AGAIN_MS: u64 = 1_000;

/// Where a role stands between its inbox and its program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// The newest envelope that a prompt told of.
    told: Option<u64>,
    /// The turn in flight.
    open: Option<Open>,
    /// The turn was cut short: what it was about has to be taken up again.
    again: bool,
    /// When the agent is reminded of what it left, and how often it was.
    remind_at: Option<u64>,
    reminders: u32,
    /// Whether a person was told that reminders do not help.
    given_up: bool,
    /// Turns so far.
    count: u64,
    /// What was before the turn in flight, for a prompt that is not written after all.
    before: Option<Box<Turns>>,
}

/// A turn in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    began_ms: u64,
    /// When it has taken too long; a person's turn never has.
    due_ms: Option<u64>,
    interrupted_ms: Option<u64>,
}

/// What is known at the moment of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Envelopes that the role has not acknowledged.
    pub waiting: usize,
    /// The place of the newest of them.
    pub newest: Option<u64>,
    /// The place of the newest CRITICAL one.
    pub newest_urgent: Option<u64>,
    /// Whether the program waits for a prompt.
    pub ready: bool,
    /// Whether a person has taken the program over: it is neither told anything nor interrupted.
    pub taken_over: bool,
    /// No turn may begin before (milliseconds since the Unix epoch); `u64::MAX` for a hold without
    /// known end.
    pub held_until: Option<u64>,
    /// The present time.
    pub now_ms: u64,
    /// The longest turn.
    pub turn_ms: u64,
}

/// Why a turn begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Envelopes that the agent was not told of.
    New,
    /// An earlier turn was cut short.
    Again,
    /// It left envelopes unacknowledged; the how-manieth reminder.
    Reminder(u32),
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Give it a turn.
    Prompt(Why),
    /// Interrupt the turn in flight.
    Interrupt,
    /// End the program: it does not leave off.
    End,
    /// Tell a person that it does not act on what waits.
    GiveUp,
    /// Nothing before this moment, unless something happens.
    At(u64),
    /// Nothing until something happens.
    Rest,
}

impl Turns {
    /// What to do. Changes nothing.
    pub fn next(&self, facts: &Facts) -> Next {
        if let Some(open) = self.open {
            return self.in_flight(open, facts);
        }
        if facts.waiting == 0 {
            return Next::Rest;
        }
        if let Some(until) = facts.held_until.filter(|until| *until > facts.now_ms) {
            return if until == u64::MAX { Next::Rest } else { Next::At(until) };
        }
        if facts.taken_over {
            return Next::At(facts.now_ms.saturating_add(LOOK_AGAIN_MS));
        }
        if !facts.ready {
            return Next::Rest;
        }
        match () {
            () if self.told < facts.newest => Next::Prompt(Why::New),
            () if self.again => Next::Prompt(Why::Again),
            () => self.reminder(facts.now_ms),
        }
    }

    fn in_flight(&self, open: Open, facts: &Facts) -> Next {
        if let Some(at) = open.interrupted_ms {
            let end = at.saturating_add(LEAVE_OFF_MS);
            return if facts.now_ms >= end { Next::End } else { Next::At(end) };
        }
        let urgent = facts.newest_urgent > self.told && facts.newest_urgent.is_some();
        let due = open.began_ms.saturating_add(facts.turn_ms);
        match urgent || facts.now_ms >= due {
            true if facts.taken_over => Next::At(facts.now_ms.saturating_add(LOOK_AGAIN_MS)),
            true => Next::Interrupt,
            false => Next::At(due),
        }
    }

    fn reminder(&self, now_ms: u64) -> Next {
        match self.remind_at {
            Some(at) if at > now_ms => Next::At(at),
            Some(_) if self.reminders < REMINDERS => Next::Prompt(Why::Reminder(self.reminders + 1)),
            Some(_) if !self.given_up => Next::GiveUp,
            _ => Next::Rest,
        }
    }

    /// A prompt goes out.
    pub fn begin(&mut self, why: Why, facts: &Facts) {
        self.before = None;
        self.before = Some(Box::new(self.clone()));
        if why == Why::New {
            self.reminders = 0;
            self.given_up = false;
        }
        if let Why::Reminder(n) = why {
            self.reminders = n;
        }
        self.told = self.told.max(facts.newest);
        self.open = Some(Open {
            began_ms: facts.now_ms,
            due_ms: Some(facts.now_ms.saturating_add(facts.turn_ms)),
            interrupted_ms: None,
        });
        self.again = false;
        self.remind_at = None;
        self.count += 1;
    }

    /// The prompt was not written: as if it had not begun.
    pub fn not_begun(&mut self) {
        if let (Some(_), Some(before)) = (self.open, self.before.take()) {
            *self = *before;
        }
    }

    /// A turn began that the runtime did not order: the user talks to the agent.
    pub fn begun_by_user(&mut self, now_ms: u64) {
        if self.open.is_none() {
            self.open = Some(Open { began_ms: now_ms, due_ms: None, interrupted_ms: None });
            self.before = None;
            self.count += 1;
        }
    }

    /// The turn in flight is told to end. Whether that is news.
    pub fn interrupted(&mut self, now_ms: u64) -> bool {
        let Some(open) = self.open.as_mut().filter(|open| open.interrupted_ms.is_none()) else {
            return false;
        };
        open.interrupted_ms = Some(now_ms);
        true
    }

    /// Whether the turn in flight was told to end.
    pub fn is_interrupted(&self) -> bool {
        self.open.is_some_and(|open| open.interrupted_ms.is_some())
    }

    /// The agent acted on something: reminders begin anew.
    pub fn acted(&mut self) {
        (self.reminders, self.given_up) = (0, false);
    }

    /// A person wants the role to begin anew: what waits is told again.
    pub fn begin_anew(&mut self) {
        self.acted();
        self.again = true;
    }

    /// The same role with nothing told, after its actor was restarted.
    pub fn forget(&self) -> Self {
        Self { count: self.count, ..Self::default() }
    }

    /// The turn ended. `whole` when the model had no more to say; what is then still unacknowledged
    /// is reminded of after `remind_ms`, twice as long each time. So is what a turn was about that
    /// took too long: taken up at once, it would take as long again, for ever.
    pub fn ended(&mut self, whole: bool, now_ms: u64, remind_ms: u64) {
        let overlong = self.open.is_some_and(|o| o.interrupted_ms >= o.due_ms && o.due_ms.is_some());
        (self.open, self.before) = (None, None);
        self.again = !whole && !overlong;
        let wait = remind_ms.saturating_mul(1 << self.reminders.min(16));
        self.remind_at = Some(now_ms.saturating_add(wait));
    }

    /// The program is gone; a turn in flight was cut short.
    pub fn program_ended(&mut self) {
        self.again |= self.open.take().is_some();
        self.before = None;
    }

    /// A person was told.
    pub fn gave_up(&mut self) {
        self.given_up = true;
    }

    /// Whether a turn is in flight.
    pub fn in_turn(&self) -> bool {
        self.open.is_some()
    }

    /// Turns so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(waiting: usize, newest: u64) -> Facts {
        Facts {
            waiting,
            newest: (waiting > 0).then_some(newest),
            ready: true,
            now_ms: 1_000,
            turn_ms: 60_000,
            ..Facts::default()
        }
    }

    #[test]
    fn a_turn_begins_for_an_envelope_and_not_twice_for_the_same() {
        let mut turns = Turns::default();
        let one = facts(1, 7);
        assert_eq!(turns.next(&facts(0, 0)), Next::Rest);
        assert_eq!(turns.next(&one), Next::Prompt(Why::New));
        turns.begin(Why::New, &one);
        assert_eq!(turns.next(&facts(2, 9)), Next::At(61_000), "ordinary news wait for the end");
        turns.ended(true, 2_000, 500);
        assert_eq!(turns.next(&facts(2, 9)), Next::Prompt(Why::New));
        assert_eq!(turns.next(&one), Next::At(2_500), "nothing new: a reminder, later");
        assert_eq!(turns.next(&facts(0, 0)), Next::Rest);
    }

    #[test]
    fn a_critical_envelope_interrupts_once() {
        let mut turns = Turns::default();
        turns.begin(Why::New, &facts(1, 7));
        let urgent = Facts { newest_urgent: Some(9), ..facts(2, 9) };
        assert_eq!(turns.next(&urgent), Next::Interrupt);
        assert!(turns.interrupted(1_000) && !turns.interrupted(1_500));
        assert_eq!(turns.next(&urgent), Next::At(31_000));
        assert_eq!(turns.next(&Facts { now_ms: 31_000, ..urgent }), Next::End, "it does not leave off");
        turns.ended(false, 2_000, 500);
        assert_eq!(turns.next(&urgent), Next::Prompt(Why::New));
    }

    #[test]
    fn a_turn_that_takes_too_long_again_and_again_ends_as_one_that_leaves_things_undone() {
        let mut turns = Turns::default();
        let mut one = facts(1, 7);
        turns.begin(Why::New, &one);
        for n in 1..=REMINDERS + 1 {
            one.now_ms += one.turn_ms;
            assert_eq!(turns.next(&one), Next::Interrupt);
            assert!(turns.interrupted(one.now_ms));
            turns.ended(false, one.now_ms, 500);
            one.now_ms += 500 << (n - 1);
            if n <= REMINDERS {
                assert_eq!(turns.next(&one), Next::Prompt(Why::Reminder(n)));
                turns.begin(Why::Reminder(n), &one);
            }
        }
        assert_eq!(turns.next(&one), Next::GiveUp);
    }

    #[test]
    fn reminders_end() {
        let mut turns = Turns::default();
        let mut one = facts(1, 7);
        turns.begin(Why::New, &one);
        for n in 1..=REMINDERS {
            turns.ended(true, one.now_ms, 500);
            one.now_ms += 500 << (n - 1);
            assert_eq!(turns.next(&one), Next::Prompt(Why::Reminder(n)));
            turns.begin(Why::Reminder(n), &one);
        }
        turns.ended(true, one.now_ms, 500);
        one.now_ms += 1_000_000;
        assert_eq!(turns.next(&one), Next::GiveUp);
        turns.gave_up();
        assert_eq!(turns.next(&one), Next::Rest);
        assert_eq!(turns.next(&facts(2, 8)), Next::Prompt(Why::New));
    }

    #[test]
    fn what_was_cut_short_is_taken_up_again_when_nothing_holds() {
        let mut turns = Turns::default();
        turns.begin(Why::New, &facts(1, 7));
        turns.program_ended();
        let held = |until| Facts { held_until: Some(until), ..facts(1, 7) };
        assert_eq!(turns.next(&held(5_000)), Next::At(5_000));
        assert_eq!(turns.next(&held(u64::MAX)), Next::Rest);
        assert_eq!(turns.next(&Facts { ready: false, ..facts(1, 7) }), Next::Rest);
        assert_eq!(turns.next(&held(1_000)), Next::Prompt(Why::Again));
        assert_eq!(turns.next(&facts(0, 0)), Next::Rest, "it was acknowledged meanwhile");
    }

    #[test]
    fn a_prompt_that_is_not_written_leaves_no_trace() {
        let mut turns = Turns::default();
        turns.begin(Why::New, &facts(1, 7));
        turns.ended(true, 1_000, 500);
        for why in [Why::New, Why::Again, Why::Reminder(1)] {
            let before = turns.clone();
            turns.begin(why, &facts(2, 9));
            turns.not_begun();
            assert_eq!(turns, before);
        }
    }

    #[test]
    fn what_a_person_has_taken_over_is_left_alone() {
        let mut turns = Turns::default();
        let taken = Facts { taken_over: true, newest_urgent: Some(7), ..facts(1, 7) };
        assert_eq!(turns.next(&taken), Next::At(2_000));
        assert_eq!(turns.next(&Facts { waiting: 0, ..taken }), Next::Rest);
        turns.begun_by_user(1_000);
        assert_eq!(turns.next(&taken), Next::At(2_000), "no interrupt");
        assert_eq!(turns.next(&Facts { taken_over: false, ..taken }), Next::Interrupt);
    }

    #[derive(Clone, Debug)]
    enum Happening {
        Arrives(bool),
        Acknowledged,
        Ended(bool),
        Died,
        Later(u64),
        Held(Option<u64>),
        Ready(bool),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            any::<bool>().prop_map(Happening::Arrives),
            Just(Happening::Acknowledged),
            any::<bool>().prop_map(Happening::Ended),
            Just(Happening::Died),
            (0..100_000u64).prop_map(Happening::Later),
            prop::option::of(0..200_000u64).prop_map(Happening::Held),
            any::<bool>().prop_map(Happening::Ready),
        ]
    }

    proptest! {
        /// Whatever happens: no turn while nothing waits, never two at once, none while held.
        #[test]
        fn no_turn_without_a_reason(story in prop::collection::vec(happening(), 0..200)) {
            let mut turns = Turns::default();
            let mut f = facts(0, 0);
            let mut records = 0;
            for step in story {
                match step {
                    Happening::Arrives(urgent) => {
                        records += 1;
                        f.waiting += 1;
                        f.newest = Some(records);
                        if urgent { f.newest_urgent = Some(records) }
                    }
                    Happening::Acknowledged => {
                        f.waiting = 0;
                        (f.newest, f.newest_urgent) = (None, None);
                    }
                    Happening::Ended(whole) if turns.in_turn() => turns.ended(whole, f.now_ms, 500),
                    Happening::Died => turns.program_ended(),
                    Happening::Later(ms) => f.now_ms += ms,
                    Happening::Held(until) => f.held_until = until,
                    Happening::Ready(ready) => f.ready = ready,
                    Happening::Ended(_) => {}
                }
                match turns.next(&f) {
                    Next::Prompt(why) => {
                        prop_assert!(f.waiting > 0 && f.ready && !turns.in_turn());
                        prop_assert!(f.held_until.is_none_or(|until| until <= f.now_ms));
                        turns.begin(why, &f);
                    }
                    Next::Interrupt => {
                        prop_assert!(turns.in_turn());
                        prop_assert!(turns.interrupted(f.now_ms));
                    }
                    Next::End => {
                        prop_assert!(turns.is_interrupted());
                        turns.program_ended();
                    }
                    Next::GiveUp => turns.gave_up(),
                    Next::At(at) => prop_assert!(at > f.now_ms),
                    Next::Rest => {}
                }
            }
        }
    }
}
