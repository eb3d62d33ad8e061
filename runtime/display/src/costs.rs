//! `agents costs`: what models were used for, by role, by feature and gate, by model.

use crate::{
    ink::Ink,
    page::Page,
    table::{Table, cell, inked, left, right},
    words,
};
use foureyes_ports::view::SpentView;
use serde::Serialize;

/// One line: what is summed, and the sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostLine {
    /// What: a role, a feature and its gate, a model.
    pub what: String,
    /// The sum.
    pub spent: SpentView,
}

/// The costs, summed in three ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CostsView {
    /// By role.
    pub roles: Vec<CostLine>,
    /// By feature and the gate at which it stood.
    pub features: Vec<CostLine>,
    /// By model.
    pub models: Vec<CostLine>,
    /// All.
    pub total: SpentView,
}

/// The tables.
pub fn costs(view: &CostsView, page: Page) -> String {
    if view.total.requests == 0 {
        return "no model was used yet\n".to_owned();
    }
    let tables = [("ROLE", &view.roles), ("FEATURE AND GATE", &view.features), ("MODEL", &view.models)];
    let mut out = String::new();
    for (title, lines) in tables {
        let mut table = Table::new(&[left(title), right("REQUESTS"), right("TOKENS"), right("USD")]);
        for line in lines {
            table.row(vec![
                cell(&line.what),
                cell(line.spent.requests.to_string()),
                cell(words::tokens(line.spent.tokens)),
                cell(words::money(&line.spent)),
            ]);
        }
        if title == "MODEL" {
            table.row(vec![
                inked(Ink::Bold, "all"),
                cell(view.total.requests.to_string()),
                cell(words::tokens(view.total.tokens)),
                inked(Ink::Bold, words::money(&view.total)),
            ]);
        }
        out.push_str(&table.render(page));
        out.push('\n');
    }
    if view.total.unpriced > 0 {
        out.push_str(&format!(
            "{} went to models without a price: set `model.prices`\n",
            words::count(view.total.unpriced, "request")
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: &str, tokens: u64, microusd: u64, unpriced: u64) -> CostLine {
        let spent = SpentView { requests: 3, tokens, microusd, unpriced };
        CostLine { what: what.to_owned(), spent }
    }

    #[test]
    fn the_tables() {
        let view = CostsView {
            roles: vec![line("dev-a", 1_234_567, 1_250_000, 0), line("qa-a", 999, 0, 3)],
            features: vec![line("clamp at GREEN", 1_235_566, 1_250_000, 3)],
            models: vec![line("claude-sonnet-4-5", 1_234_567, 1_250_000, 0), line("local", 999, 0, 3)],
            total: SpentView { requests: 6, tokens: 1_235_566, microusd: 1_250_000, unpriced: 3 },
        };
        insta::assert_snapshot!(costs(&view, Page::plain(80)));
        assert_eq!(costs(&CostsView::default(), Page::plain(80)), "no model was used yet\n");
    }
}
