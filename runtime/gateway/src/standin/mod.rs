//! A stand-in for a model: it plays the plays of scripted agents ([`crate::player`]) through the
//! Messages API, so that real agent programs do real work without an account.
//!
//! It is a function of the request. The conversation is its memory: `request` reads what was done in
//! the present turn, `replay` are the hands with which the player acts through the program's tools.
//! What plays say about models themselves is wrapped around: orders that are [obeyed](Obeying),
//! [loops](Looping), [faults](Faulty).

mod faulty;
mod looping;
mod obeying;
mod replay;
mod request;
mod shell;

#[cfg(test)]
mod tests;

pub use faulty::Faulty;
pub use looping::Looping;
pub use obeying::Obeying;

use crate::player::{
    Player,
    play::{Play, PlayError},
};
use foureyes_config::builtin;
use foureyes_ports::{
    clock::Clock,
    model::{Block, Reply, ReplyOutcome, StandIn},
};
use foureyes_protocol::{Family, PrincipalId};
use replay::Replay;
use request::Seen;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What each role of a team plays.
#[derive(Clone, Debug, Default)]
pub struct Plays(BTreeMap<String, (Family, Arc<Play>)>);

impl Plays {
    /// The plays of a team: for each role of the `roster` the one that `plays` names for it, else
    /// `good/<family>`. A name is that of one of the `texts` (plays that were accepted with a
    /// configuration), else of a built-in play.
    ///
    /// # Errors
    /// The first play that does not exist or cannot be read, with its name, line and column.
    pub fn new(
        roster: &[(PrincipalId, Family)],
        plays: &BTreeMap<String, String>,
        texts: &BTreeMap<String, String>,
    ) -> Result<Self, PlayError> {
        let of_role = |(role, family): &(PrincipalId, Family)| {
            let good = || format!("good/{}", family.as_str());
            let name = plays.get(role.as_str()).cloned().unwrap_or_else(good);
            let text = texts.get(&name).map(String::as_str).or_else(|| builtin::play(&name));
            let text = text.ok_or_else(|| PlayError {
                source: name.clone(),
                line: None,
                column: None,
                message: format!("there is no such play for {role}: name a built-in one or a file"),
            })?;
            Ok((role.to_string(), (*family, Arc::new(Play::parse(text, &name)?))))
        };
        roster.iter().map(of_role).collect::<Result<_, _>>().map(Self)
    }

    /// The roles.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The stand-in of a team: each role does what its play says, and its model fails, loops and obeys
/// where the play says so. Faults are counted from here on; `clock` tells when a limit ends.
pub fn model(plays: &Plays, clock: Arc<dyn Clock>) -> Arc<dyn StandIn> {
    let one = |(role, (family, play)): (&String, &(Family, Arc<Play>))| {
        (role.clone(), of_play(*family, play, clock.clone()))
    };
    Arc::new(Team(plays.0.iter().map(one).collect()))
}

fn of_play(family: Family, play: &Arc<Play>, clock: Arc<dyn Clock>) -> Arc<dyn StandIn> {
    let mut model: Arc<dyn StandIn> = if play.loops {
        Arc::new(Looping)
    } else {
        Arc::new(Playing { play: play.clone(), shell: has_shell(family) })
    };
    if play.obeys {
        model = Arc::new(Obeying::new(model));
    }
    if !play.faults.is_empty() {
        model = Arc::new(Faulty::new(model, play.faults.clone(), clock));
    }
    model
}

/// A model for each role.
struct Team(BTreeMap<String, Arc<dyn StandIn>>);

impl StandIn for Team {
    fn reply(&self, agent: &str, request: &Value) -> Reply {
        // Behind a proxy that keeps the path to itself, the prompt says who asks.
        let told = || prompted(request).filter(|role| self.0.contains_key(role));
        let role = if self.0.contains_key(agent) { Some(agent.to_owned()) } else { told() };
        match role.as_deref().and_then(|role| Some((role, self.0.get(role)?))) {
            Some((role, model)) => model.reply(role, request),
            None => Reply {
                outcome: ReplyOutcome::Error {
                    status: 404,
                    kind: "not_found_error".to_owned(),
                    message: format!("no role {agent:?} is played here"),
                    headers: Vec::new(),
                },
                ..Reply::default()
            },
        }
    }
}

/// The role that the prompt of a request names.
fn prompted(request: &Value) -> Option<String> {
    const BEFORE: &str = "You are `";
    let system = request["system"].to_string();
    let after = &system[system.find(BEFORE)? + BEFORE.len()..];
    after.split('`').next().map(str::to_owned)
}

/// A model that plays a play.
struct Playing {
    play: Arc<Play>,
    /// Whether it uses a shell where its program offers one: not every program leaves it out for
    /// families that run nothing.
    shell: bool,
}

fn has_shell(family: Family) -> bool {
    matches!(family, Family::Dev | Family::Qa | Family::Docs)
}

impl StandIn for Playing {
    fn reply(&self, agent: &str, request: &Value) -> Reply {
        let mut seen = Seen::of(request);
        if !self.shell {
            seen.forget("bash");
        }
        if let Some(aside) = aside(&seen) {
            return said(aside);
        }
        let mut player = Player::with(self.play.clone(), agent, Replay::new(seen));
        // It ends suspended or with an empty inbox; the hands know which.
        let _ = player.drain();
        player.hands.reply()
    }
}

/// The answer to a request that is not about work: a title, a summary, a program without our tools.
fn aside(seen: &Seen) -> Option<String> {
    if seen.sum_up {
        let notes = seen.notes.iter().map(|(name, what)| format!("{}{name}: {what}\n", request::NOTED));
        let notes: String = notes.collect();
        return Some(format!(
            "<summary>\nThe inbox was worked on, one envelope after the other.\n{notes}</summary>"
        ));
    }
    seen.runtime("inbox").is_none().then(|| "Nothing to do here: the tool `inbox` is not offered.".to_owned())
}

fn said(text: String) -> Reply {
    Reply { outcome: ReplyOutcome::Message(vec![Block::Text(text)]), ..Reply::default() }
}
