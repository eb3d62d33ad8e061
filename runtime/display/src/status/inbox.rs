//! `agents inbox`: what waits for the user, each with the command that answers.

use crate::ink::Ink;
use crate::page::Page;
use crate::text::wrap;
use crate::words;
use foureyes_ports::view::{QuestionView, View};

/// What waits for the user, each with the command that answers.
pub fn inbox(view: &View, page: Page) -> String {
    if view.questions.is_empty() {
        return "nothing waits for you\n".to_owned();
    }
    view.questions.iter().map(|q| question(view, q, page)).collect::<Vec<_>>().join("\n")
}

fn question(view: &View, q: &QuestionView, page: Page) -> String {
    let about = q.feature.as_ref().map(|f| format!(" about {f}")).unwrap_or_default();
    let age = words::duration(view.at_ms.saturating_sub(q.at_ms));
    let mut out = page.sides(
        &[
            (Ink::Yellow, format!("{:>3}  ", q.number)),
            (Ink::Bold, format!("{} from {}{about}", crate::text::clean(&q.what), q.from)),
        ],
        &[(Ink::Dim, format!("{age} ago"))],
    ) + "\n";
    let mut line = |ink, text: &str| out.push_str(&format!("     {}\n", page.ink(ink, text)));
    wrap(&q.text, page.columns() - 5, 6).iter().for_each(|text| line(Ink::Plain, text));
    wrap(&words::options(q), page.columns() - 5, 2).iter().for_each(|text| line(Ink::Cyan, text));
    if let Some(decision) = &q.decision {
        line(Ink::Magenta, &format!("decision {} · one-time code needed", decision.short()));
    }
    line(Ink::Green, &format!("-> {}", words::remedy(q)));
    out
}
