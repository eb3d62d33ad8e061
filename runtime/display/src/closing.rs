//! The closing table: what became of each feature, gate by gate, with the evidence and who signed.

use crate::ink::{self, Ink};
use crate::page::Page;
use crate::table::{Table, cell, flexible, inked, left, right};
use crate::text::{clip, wrap};
use crate::words;
use foureyes_ports::view::{FeatureView, VerdictLine, View};
use foureyes_protocol::PrincipalId;

/// One table a feature: gate, outcome, evidence (the record of the ledger and what it says), who
/// signed, how long the check took. Ends with the sum of the run.
pub fn closing_table(view: &View, page: Page) -> String {
    let mut out: String = view.features.iter().map(|f| feature_table(f, page) + "\n").collect();
    out.push_str(&sum(view, page));
    out
}

/// The table of one feature.
pub(crate) fn feature_table(feature: &FeatureView, page: Page) -> String {
    let mut out = heading(feature, page);
    for line in wrap(&facts(feature), page.columns() - 2, 2) {
        out.push_str(&format!("  {}\n", page.ink(Ink::Dim, &line)));
    }
    if feature.verdicts.is_empty() {
        out.push_str("  no gate was checked yet\n");
        return out;
    }
    let columns = [
        left("GATE"),
        left("OUTCOME"),
        right("RECORD"),
        flexible("EVIDENCE"),
        flexible("SIGNED BY"),
        right("TOOK"),
    ];
    let mut table = Table::new(&columns).indented(2).wrapped(3);
    feature.verdicts.iter().for_each(|v| table.row(verdict_row(v)));
    out + &table.render(page)
}

fn heading(feature: &FeatureView, page: Page) -> String {
    let (mark, colour) = if words::is_done(feature) { ("✓", Ink::Green) } else { ("▸", Ink::Yellow) };
    let right = end_words(feature);
    let room = page.columns().saturating_sub(feature.id.as_str().len() + right.len() + 6);
    let left = [
        (colour, format!("{mark} ")),
        (Ink::Bold, feature.id.to_string()),
        (Ink::Plain, format!("  {}", clip(&feature.title, room))),
    ];
    page.sides(&left, &[(colour, right)]) + "\n"
}

fn end_words(feature: &FeatureView) -> String {
    let took = feature.ended_ms.map(|end| words::duration(end.saturating_sub(feature.requested_ms)));
    match (&feature.merged, took) {
        (Some(commit), Some(took)) => format!("merged {} in {took}", commit.short()),
        (None, Some(took)) => format!("{} after {took}", feature.status),
        _ => format!("at {}", feature.gate),
    }
}

fn facts(feature: &FeatureView) -> String {
    let (lines, files) = feature.size;
    let mut facts = vec![format!("{} {}", feature.risk, feature.kind).trim().to_owned()];
    facts.push(words::route(feature).to_owned());
    if files > 0 {
        facts.push(format!("{} in {}", words::count(lines, "line"), words::count(files, "file")));
    }
    facts.extend(feature.author.as_ref().map(|author| format!("by {author}")));
    facts.push(words::count(u64::from(feature.returns), "return"));
    facts.extend(feature.content.as_ref().map(|content| format!("content {}", content.short())));
    facts.retain(|fact| !fact.is_empty());
    facts.join(" · ")
}

fn verdict_row(v: &VerdictLine) -> Vec<crate::table::Cell> {
    vec![
        cell(v.gate.to_string()),
        inked(ink::outcome(v.outcome), words::outcome(v.outcome)),
        inked(Ink::Dim, format!("#{}", v.record)),
        cell(format!("{}{}", untold_codes(v), v.summary)),
        cell(signers(&v.signers)),
        inked(Ink::Dim, words::duration(v.millis)),
    ]
}

/// The codes that the summary does not name itself, to stand before it.
fn untold_codes(v: &VerdictLine) -> String {
    let untold: Vec<&str> = v.codes.iter().map(String::as_str).filter(|c| !v.summary.contains(c)).collect();
    if untold.is_empty() { String::new() } else { format!("{}: ", untold.join(", ")) }
}

/// The names of those who signed; the runtime's own check has nobody else.
pub(crate) fn signers(signers: &[PrincipalId]) -> String {
    let names: Vec<&str> = signers.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { "runtime".to_owned() } else { names.join(", ") }
}

fn sum(view: &View, page: Page) -> String {
    let merged = view.features.iter().filter(|f| f.merged.is_some()).count() as u64;
    let main = view.main.as_ref().map_or("-", |c| c.short());
    let text = format!(
        "{} of {} merged · {} {main} · {} refused · ledger {} at {} · {}",
        merged,
        words::count(view.features.len() as u64, "feature"),
        view.target,
        words::count(view.refusals, "request"),
        words::count(view.records, "record"),
        view.head.short(),
        words::duration(view.at_ms.saturating_sub(view.started_ms)),
    );
    let text = words::spent(&view.spent).map_or(text.clone(), |spent| format!("{text} · {spent}"));
    wrap(&text, page.columns(), 2).iter().map(|line| page.ink(Ink::Bold, line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes;

    #[test]
    fn closing_table_at_80_columns() {
        insta::assert_snapshot!(closing_table(&scenes::done(), Page::plain(80)));
    }

    #[test]
    fn closing_table_at_120_columns() {
        insta::assert_snapshot!(closing_table(&scenes::done(), Page::plain(120)));
    }

    #[test]
    fn a_code_that_the_summary_names_is_not_told_twice() {
        let mut done = scenes::done();
        let v = &mut done.features[0].verdicts[0];
        v.codes = vec!["G-ADMITTED".to_owned(), "G-OTHER".to_owned()];
        v.summary = "G-ADMITTED (GREEN): changed".to_owned();
        let told = closing_table(&done, Page::plain(200));
        assert!(told.contains("G-OTHER: G-ADMITTED (GREEN): changed"), "{told}");
        assert_eq!(told.matches("G-ADMITTED").count(), 1);
    }

    #[test]
    fn a_run_that_was_stopped_early_is_told_as_it_is() {
        insta::assert_snapshot!(closing_table(&scenes::flight(), Page::plain(100)));
    }
}
