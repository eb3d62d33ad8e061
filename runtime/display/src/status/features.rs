//! `agents feature list`, `agents feature show` and `agents gate`.

use crate::closing::feature_table;
use crate::ink::{self, Ink};
use crate::page::Page;
use crate::table::{Cell, Table, cell, flexible, inked, left, right};
use crate::text::clip;
use crate::words;
use foureyes_ports::view::{FeatureView, View};
use foureyes_protocol::{FeatureId, Gate};

/// The features, oldest first, each with where it stands.
pub fn feature_list(view: &View, page: Page) -> String {
    if view.features.is_empty() {
        return "no features yet: agents feature new TITLE\n".to_owned();
    }
    let columns = [
        left("FEATURE"),
        left("GATE"),
        left("RISK"),
        left("ROUTE"),
        right("SIZE"),
        right("AGE"),
        flexible("STANDS"),
        flexible("TITLE"),
    ];
    let mut table = Table::new(&columns);
    view.features.iter().for_each(|f| table.row(list_row(view, f)));
    table.render(page)
}

fn list_row(view: &View, f: &FeatureView) -> Vec<Cell> {
    let age = f.ended_ms.unwrap_or(view.at_ms).saturating_sub(f.requested_ms);
    let gate =
        if words::is_done(f) { inked(Ink::Green, "DONE") } else { inked(Ink::Bold, f.gate.to_string()) };
    vec![
        inked(Ink::Bold, f.id.as_str()),
        gate,
        inked(ink::risk(f.risk), f.risk.to_string()),
        cell(words::route(f)),
        cell(format!("{}/{}", f.size.0, f.size.1)),
        inked(Ink::Dim, words::duration(age)),
        cell(standing(f)),
        cell(&f.title),
    ]
}

/// Where it stands in words: the run under way, what it waits for, or its status.
fn standing(f: &FeatureView) -> String {
    let waits = words::waits(f);
    match &f.progress {
        Some(progress) => progress.clone(),
        None if waits.is_empty() => f.status.clone(),
        None => format!("waits for {waits}"),
    }
}

/// One feature with its verdicts; nothing when there is no feature of that name.
pub fn feature_show(view: &View, id: &FeatureId, page: Page) -> Option<String> {
    let feature = view.features.iter().find(|f| f.id == *id)?;
    let mut out = feature_table(feature, page);
    let mut fact = |name: &str, text: String| {
        if !text.is_empty() {
            let text = clip(&text, page.columns() - 13);
            out.push_str(&format!("  {} {text}\n", page.ink(Ink::Dim, &format!("{name:<10}"))));
        }
    };
    fact("status", feature.status.clone());
    fact("waits for", words::waits(feature));
    fact("under way", feature.progress.clone().unwrap_or_default());
    fact("branch", feature.id.branch());
    fact("head", feature.head.as_ref().map(ToString::to_string).unwrap_or_default());
    fact("content", feature.content.as_ref().map(ToString::to_string).unwrap_or_default());
    fact("merged", feature.merged.as_ref().map(ToString::to_string).unwrap_or_default());
    Some(out)
}

/// Every feature's way through the gates; one feature's when `only` names it, and nothing when no
/// feature has that name.
pub fn gate(view: &View, only: Option<&FeatureId>, page: Page) -> Option<String> {
    let chosen: Vec<&FeatureView> =
        view.features.iter().filter(|f| only.is_none_or(|id| f.id == *id)).collect();
    if only.is_some() && chosen.is_empty() {
        return None;
    }
    let mut columns = vec![left("FEATURE")];
    columns.extend(["SPEC", "RED", "GREEN", "PEER", "QA", "DEPLOY"].map(left));
    columns.push(flexible("STANDS"));
    let mut table = Table::new(&columns);
    chosen.iter().for_each(|f| table.row(gate_row(f)));
    Some(table.render(page))
}

fn gate_row(f: &FeatureView) -> Vec<Cell> {
    let mut row = vec![inked(Ink::Bold, f.id.as_str())];
    row.extend(Gate::ALL.map(|gate| inked(mark_ink(f, gate), words::gate_mark(f, gate))));
    row.push(cell(standing(f)));
    row
}

/// The colour of one gate in a feature's track.
pub(crate) fn mark_ink(f: &FeatureView, gate: Gate) -> Ink {
    match words::gate_mark(f, gate) {
        "✓" => Ink::Green,
        "▸" => Ink::Cyan,
        "↺" => Ink::Yellow,
        "✗" => Ink::Red,
        _ => Ink::Dim,
    }
}
