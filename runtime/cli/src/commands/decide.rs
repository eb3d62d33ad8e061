//! `approve`, `reject`, `unfreeze`: what only a person decides.

use super::{Place, print};
use crate::{
    args::RejectArgs,
    confirm::ask_code,
    control::protocol::{Request, Typed},
    error::CliError,
    terminal::{Prompt, Terminal},
};
use foureyes_ports::{text::clean_lines, view::QuestionView};
use foureyes_protocol::Digest;
use std::process::ExitCode;

/// Lines of a question that are shown before a code is asked for.
const LINES: usize = 60;

pub(super) fn approve(place: &Place, which: &str) -> Result<ExitCode, CliError> {
    let client = place.client()?;
    let question = client.question(which)?;
    let mut prompt = Terminal;
    let typed = match question.decision {
        Some(decision) => {
            prompt.show(&shown(&question));
            Some(typed(&mut prompt, &decision)?)
        }
        None => None,
    };
    let done = client.act(Request::Approve { which: which.to_owned(), typed })?;
    print(&format!("{done}\n"))
}

pub(super) fn reject(place: &Place, args: RejectArgs) -> Result<ExitCode, CliError> {
    let request = Request::Reject { which: args.decision, findings: args.finding };
    let done = place.client()?.act(request)?;
    print(&format!("{done}\n"))
}

pub(super) fn unfreeze(place: &Place, report: String) -> Result<ExitCode, CliError> {
    let client = place.client()?;
    let decision = client.unfreeze_decision()?;
    let mut prompt = Terminal;
    let why = client.view()?.frozen.unwrap_or_default();
    prompt.show(&format!("frozen: {}", clean_lines(&why, LINES, 200)));
    let typed = typed(&mut prompt, &decision)?;
    let done = client.act(Request::Unfreeze { report, typed })?;
    print(&format!("{done}\n"))
}

fn typed(prompt: &mut dyn Prompt, decision: &Digest) -> Result<Typed, CliError> {
    let (digest, code) = ask_code(prompt, decision)?;
    Ok(Typed { digest, code: code.to_string() })
}

/// What is decided, for the person who types the code.
fn shown(question: &QuestionView) -> String {
    let feature = question.feature.as_ref().map(|f| format!(" on {f}")).unwrap_or_default();
    let text = clean_lines(&question.text, LINES, 200);
    format!("{} asks for a {}{feature}:\n{text}", question.from, question.what)
}
