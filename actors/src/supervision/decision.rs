//! What a supervisor does about an exit: a state machine without clock, randomness or actors.
//!
//! Places are numbers in start order that are never used twice. A plan carries a ticket; whatever
//! overtakes the plan (a wider restart, a shutdown) takes the ticket's validity away, so a late timer
//! does nothing.

use std::collections::BTreeMap;

use super::backoff::Backoff;
use super::intensity::{Intensity, IntensityWindow};
use super::spec::{ChildSpec, Restart};
use super::strategy::Strategy;

/// A child's place in start order.
pub type Place = u64;

/// What is to be done about an exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the child was already waiting for a restart, or is unknown.
    Ignore,
    /// The child is not started again.
    End,
    /// These children are restarted.
    Restart(Plan),
    /// One restart too many: the supervisor gives up.
    Escalate,
}

/// A restart to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who is restarted, in start order, the failed child included.
    pub members: Vec<Place>,
    /// Temporary siblings that go down with them and do not come back, in reverse start order.
    pub ended: Vec<Place>,
    /// How often the failed child has failed since it was last healthy; 0 when none failed.
    pub attempt: u32,
    /// Milliseconds to wait first.
    pub delay_ms: u64,
    /// To be shown at [`Roster::arrive`].
    pub ticket: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Up,
    Waiting { ticket: u64 },
}

#[derive(Debug, Clone)]
struct Member {
    restart: Restart,
    backoff: Backoff,
    presence: Presence,
}

/// The children of one supervisor, as far as decisions go.
#[derive(Debug, Clone)]
pub struct Roster {
    strategy: Strategy,
    window: IntensityWindow,
    members: BTreeMap<Place, Member>,
    next_place: Place,
    last_ticket: u64,
}

impl Roster {
    /// A supervisor without children.
    pub fn new(strategy: Strategy, intensity: Intensity) -> Self {
        Self {
            strategy,
            window: IntensityWindow::new(intensity),
            members: BTreeMap::new(),
            next_place: 0,
            last_ticket: 0,
        }
    }

    /// Adds a running child behind all others.
    pub fn add(&mut self, spec: &ChildSpec) -> Place {
        let place = self.next_place;
        self.next_place += 1;
        let backoff = Backoff::new(spec.backoff);
        self.members.insert(place, Member { restart: spec.restart, backoff, presence: Presence::Up });
        place
    }

    /// Forgets a child; false when it was not there.
    pub fn remove(&mut self, place: Place) -> bool {
        self.members.remove(&place).is_some()
    }

    /// Whether a child in that place would be restarted after such an exit.
    pub fn comes_back(&self, place: Place, abnormal: bool) -> bool {
        self.members.get(&place).is_some_and(|member| member.restart.applies(abnormal))
    }

    /// Failures of a child since it was last healthy.
    pub fn attempts(&self, place: Place) -> u32 {
        self.members.get(&place).map_or(0, |member| member.backoff.attempts())
    }

    /// The limit that this supervisor keeps.
    pub fn intensity(&self) -> Intensity {
        self.window.limit()
    }

    /// A child ended by itself at `now_ms`; `draw` in `[0, 1)` is used for its backoff.
    pub fn exited(&mut self, place: Place, abnormal: bool, now_ms: u64, draw: f64) -> Decision {
        let Some(member) = self.members.get_mut(&place) else { return Decision::Ignore };
        if member.presence != Presence::Up {
            return Decision::Ignore;
        }
        if !member.restart.applies(abnormal) {
            self.members.remove(&place);
            return Decision::End;
        }
        if !self.window.admit(now_ms) {
            return Decision::Escalate;
        }
        let delay = member.backoff.failed(now_ms, draw);
        let (members, ended) = self.take_down(place);
        Decision::Restart(Plan {
            members,
            ended,
            attempt: delay.attempt,
            delay_ms: delay.ms,
            ticket: self.last_ticket,
        })
    }

    /// A plan for one child alone, asked for from outside: it counts as no failure and overtakes a backoff.
    pub fn request(&mut self, place: Place) -> Option<Plan> {
        let member = self.members.get_mut(&place)?;
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        member.presence = Presence::Waiting { ticket };
        Some(Plan { members: vec![place], ended: Vec::new(), attempt: 0, delay_ms: 0, ticket })
    }

    /// Everybody is down until further notice; open plans become void.
    pub fn suspend(&mut self) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.members.values_mut().for_each(|member| member.presence = Presence::Waiting { ticket });
    }

    /// The supervisor itself is restarted: a plan for all of its children, and an empty window. The
    /// children's backoff is kept, so that a child which fails for ever does not win fresh tries.
    pub fn resume(&mut self) -> Plan {
        self.window.clear();
        self.suspend();
        let members = self.members.keys().copied().collect();
        Plan { members, ended: Vec::new(), attempt: 0, delay_ms: 0, ticket: self.last_ticket }
    }

    /// A child's restart is due. True when the plan still stands; the child then counts as up.
    pub fn arrive(&mut self, place: Place, ticket: u64) -> bool {
        match self.members.get_mut(&place) {
            Some(member) if member.presence == (Presence::Waiting { ticket }) => {
                member.presence = Presence::Up;
                true
            }
            _ => false,
        }
    }

    /// Marks all that share the fate of `failed` as waiting under a new ticket.
    fn take_down(&mut self, failed: Place) -> (Vec<Place>, Vec<Place>) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let (mut members, mut ended) = (Vec::new(), Vec::new());
        for (place, member) in self.members.range_mut(self.strategy.affected(failed)) {
            if member.restart == Restart::Temporary {
                ended.push(*place);
            } else {
                member.presence = Presence::Waiting { ticket };
                members.push(*place);
            }
        }
        ended.reverse();
        self.members.retain(|place, _| !ended.contains(place));
        (members, ended)
    }
}

#[cfg(test)]
#[path = "tests/decision.rs"]
mod tests;
