//! Returns: three of the same gate reach the orchestrator, five the user, two from DEPLOY within a week
//! the user too.

use super::{Gate, Outcome, Planner, Priority, Step};
use crate::features::Verdict;
use foureyes_protocol::{Address, Family, body::Escalation};

impl Planner<'_> {
    /// So many counted returns that the user decides whether it goes on.
    pub(super) fn too_many_returns(&self) -> Option<Step> {
        let (gate, n) = self.worst_gate()?;
        let retry = format!(
            "`agents feature retry {}` or `agents feature cancel {}`",
            self.feature.id, self.feature.id
        );
        if n >= self.rules.returns_user {
            return Some(self.verdict_to_user(
                gate,
                Outcome::Broken,
                format!("{gate} was returned {n} times: {retry}"),
            ));
        }
        let back = self.back_from_deploy()?;
        let text =
            format!("DEPLOY was returned {back} times within the time of `gates.deploy_returns`: {retry}");
        Some(self.verdict_to_user(Gate::Deploy, Outcome::Broken, text))
    }

    /// The gate with the most counted returns.
    fn worst_gate(&self) -> Option<(Gate, u32)> {
        self.feature.returns.iter().max_by_key(|(_, n)| **n).map(|(gate, n)| (*gate, *n))
    }

    /// How many returns from DEPLOY since the user's last word lie close enough together.
    fn back_from_deploy(&self) -> Option<u32> {
        let counts = |v: &&Verdict| {
            v.index > self.feature.restarted
                && v.verdict.gate == Gate::Deploy
                && v.verdict.outcome == Outcome::Returned
                && v.verdict.counts
        };
        let count = self.numbers.deploy_returns as usize;
        let newest: Vec<&Verdict> = self.feature.verdicts.iter().rev().filter(counts).take(count).collect();
        let close = newest.first()?.at_ms.saturating_sub(newest.last()?.at_ms)
            <= self.numbers.deploy_returns_within_ms;
        (newest.len() == count && close).then_some(count as u32)
    }

    /// The orchestrator is told once for each gate, with what was wrong.
    pub(super) fn tell_orchestrator(&self) -> Option<Step> {
        let limit = self.rules.returns_orchestrator;
        let told = |gate: &Gate| self.feature.told.get(gate).copied().unwrap_or(0) >= limit;
        let (gate, n) = self.feature.returns.iter().find(|(gate, n)| **n >= limit && !told(gate))?;
        let returned = |v: &&Verdict| v.verdict.gate == *gate && v.verdict.outcome == Outcome::Returned;
        let positions =
            self.feature.verdicts.iter().filter(returned).map(|v| v.verdict.summary.clone()).collect();
        let escalation = Escalation {
            dispute: format!("{gate} of {} was returned {n} times", self.feature.id),
            positions,
            question: "what has to change: another dev (tool `assign`), a new spec, or a word to the author?"
                .to_owned(),
        };
        let to = self.draw_role(&[Family::Orchestrator], "returns").map_or_else(Address::user, Address::One);
        Some(self.say(to, escalation, Priority::High))
    }
}
