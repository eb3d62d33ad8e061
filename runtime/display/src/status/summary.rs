//! `agents status`: the whole at one glance: needs you, working, done.

use super::inbox::inbox;
use crate::ink::Ink;
use crate::page::Page;
use crate::table::{Table, cell, flexible, inked, left, right};
use crate::text::clip;
use crate::words::{self, Stage};
use foureyes_ports::view::{FeatureView, RoleState, View};

/// The whole at one glance: what is frozen, what needs the user, what is under way, what is done.
pub fn summary(view: &View, page: Page) -> String {
    let sections = [
        Some(head(view, page)),
        frozen(view, page),
        needs_you(view, page),
        features(view, Stage::Working, "Working", page),
        features(view, Stage::Done, "Done", page),
        Some(foot(view, page)),
    ];
    sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn head(view: &View, page: Page) -> String {
    let main = view.main.as_ref().map_or("-", |c| c.short());
    let left = [
        (Ink::Bold, clip(&view.repository, 40)),
        (Ink::Plain, format!("  {}@{main}", clip(&view.target, 30))),
        (Ink::Cyan, format!("  {}", clip(&view.tier, 20))),
    ];
    let up = words::duration(view.at_ms.saturating_sub(view.started_ms));
    page.sides(&left, &[(Ink::Dim, format!("epoch {} · up {up}", view.epoch))]) + "\n"
}

fn frozen(view: &View, page: Page) -> Option<String> {
    let mut out = String::new();
    if let Some(why) = &view.frozen {
        let line = format!(" FROZEN: {} ", clip(why, page.columns().saturating_sub(10)));
        out.push_str(&format!("{}\n  -> agents unfreeze\n", page.ink(Ink::Alarm, &line)));
    }
    for (role, why) in &view.quarantined {
        let line = clip(&format!("{role} is set aside: {why}"), page.columns());
        out.push_str(&(page.ink(Ink::Red, &line) + "\n"));
    }
    (!out.is_empty()).then_some(out)
}

fn needs_you(view: &View, page: Page) -> Option<String> {
    let title = page.ink(Ink::Yellow, &format!("Needs you ({})", view.questions.len()));
    (!view.questions.is_empty()).then(|| format!("{title}\n{}", inbox(view, page)))
}

/// Features that need the user are told in both places: the question above, the state here.
fn features(view: &View, stage: Stage, title: &str, page: Page) -> Option<String> {
    let here = |f: &&FeatureView| (words::stage(view, f) == Stage::Done) == (stage == Stage::Done);
    let chosen: Vec<&FeatureView> = view.features.iter().filter(here).collect();
    let mut table = Table::new(&[left(""), left(""), left(""), flexible("")]).indented(2);
    for f in &chosen {
        let (gate, colour) = if stage == Stage::Done {
            (f.status.clone(), Ink::Green)
        } else {
            (f.gate.to_string(), Ink::Cyan)
        };
        let text = if stage == Stage::Done { ended(f) } else { under_way(f) };
        table.row(vec![
            inked(Ink::Bold, f.id.as_str()),
            inked(colour, gate),
            cell(words::route(f)),
            cell(text),
        ]);
    }
    let title = page.ink(Ink::Bold, &format!("{title} ({})", chosen.len()));
    (!chosen.is_empty()).then(|| format!("{title}\n{}", table.render(page)))
}

fn under_way(f: &FeatureView) -> String {
    let waits = words::waits(f);
    match (&f.progress, waits.is_empty()) {
        (Some(progress), _) => progress.clone(),
        (None, true) => f.title.clone(),
        (None, false) => format!("waits for {waits}"),
    }
}

fn ended(f: &FeatureView) -> String {
    let took = f.ended_ms.map_or(0, |end| end.saturating_sub(f.requested_ms));
    let merged = f.merged.as_ref().map(|c| format!("{} ", c.short())).unwrap_or_default();
    format!("{merged}{} in {}", f.title, words::duration(took))
}

fn foot(view: &View, page: Page) -> String {
    let mut table = Table::new(&[left(""), right(""), flexible("")]);
    let states = [
        RoleState::Busy,
        RoleState::Waiting,
        RoleState::Idle,
        RoleState::Asleep,
        RoleState::Restarting,
        RoleState::Degraded,
    ];
    let counted = states.into_iter().map(|state| (state, words::roles_in(view, &[state])));
    let told: Vec<String> =
        counted.filter(|(_, n)| *n > 0).map(|(state, n)| format!("{n} {state}")).collect();
    table.row(vec![inked(Ink::Dim, "roles"), cell(view.roles.len().to_string()), cell(told.join(", "))]);
    let head = format!("head {}", view.head.short());
    table.row(vec![inked(Ink::Dim, "ledger"), cell(view.records.to_string()), cell(head)]);
    let alerts = words::count(view.alerts.len() as u64, "alert");
    table.row(vec![inked(Ink::Dim, "refused"), cell(view.refusals.to_string()), cell(alerts)]);
    let turns: u64 = view.roles.iter().map(|r| r.turns).sum();
    if let Some(spent) = words::spent(&view.spent) {
        let idle = format!("{} without a message; {spent}", words::count(view.idle_turns, "turn"));
        table.row(vec![inked(Ink::Dim, "turns"), cell(turns.to_string()), cell(idle)]);
    }
    for role in view.roles.iter().filter(|r| r.held.is_some()) {
        let why = role.held.clone().unwrap_or_default();
        table.row(vec![inked(Ink::Yellow, "held"), cell(role.id.as_str()), cell(why)]);
    }
    table.render(page)
}
