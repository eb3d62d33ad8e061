//! The form in which the user answers: a text or an option by number; for a decision approve or
//! reject, part of its digest and the one-time code.

use super::ui::Effect;
use crossterm::event::KeyCode;
use foureyes_ports::text::clean_text;
use foureyes_ports::view::QuestionView;
use foureyes_protocol::Digest;

/// What is being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A text or the number of an option.
    Text,
    /// Approve or reject.
    Choice,
    /// The beginning of the decision's digest.
    Digest,
    /// The one-time code.
    Code,
}

/// An open form.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    /// The question's number.
    pub(super) number: u64,
    pub(super) step: Step,
    pub(super) input: String,
    /// Why what was typed is not taken.
    pub(super) hint: &'static str,
    approve: bool,
    digest: String,
}

/// What a key in a form leads to.
pub(super) enum Reply {
    Stay,
    Close,
    Send(Effect),
}

/// Longest answer that is typed here, in characters.
const LONGEST: usize = 500;
/// Digits of a digest that must be typed at least.
const DIGEST_DIGITS: usize = 6;
/// Digits of a one-time code at least.
const CODE_DIGITS: usize = 6;

impl Form {
    pub(super) fn new(question: &QuestionView) -> Self {
        let step = if is_decision(question) { Step::Choice } else { Step::Text };
        let (input, digest) = Default::default();
        Self { number: question.number, step, input, hint: "", approve: false, digest }
    }

    pub(super) fn key(&mut self, code: KeyCode, questions: &[QuestionView]) -> Reply {
        let Some(question) = questions.iter().find(|q| q.number == self.number) else {
            return Reply::Close;
        };
        self.hint = "";
        match code {
            KeyCode::Esc => return Reply::Close,
            KeyCode::Tab => self.turn(questions, 1),
            KeyCode::BackTab => self.turn(questions, questions.len() - 1),
            KeyCode::Enter => return self.enter(question),
            KeyCode::Backspace => drop(self.input.pop()),
            KeyCode::Char(c) if self.step == Step::Choice => return self.choose(c, question),
            KeyCode::Char(c) => self.push(c),
            _ => {}
        }
        Reply::Stay
    }

    pub(super) fn paste(&mut self, text: &str) {
        if self.step != Step::Choice {
            clean_text(text, LONGEST).chars().for_each(|c| self.push(c));
        }
    }

    fn push(&mut self, c: char) {
        if self.input.chars().count() < LONGEST && !c.is_control() {
            self.input.push(c);
        }
    }

    /// On to another open question.
    fn turn(&mut self, questions: &[QuestionView], by: usize) {
        let here = questions.iter().position(|q| q.number == self.number).unwrap_or(0);
        *self = Self::new(&questions[(here + by) % questions.len()]);
    }

    fn choose(&mut self, c: char, question: &QuestionView) -> Reply {
        self.approve = match c {
            'y' | 'a' => true,
            'n' | 'r' => false,
            _ => {
                self.hint = "press y to approve or n to reject";
                return Reply::Stay;
            }
        };
        if question.decision.is_some() && self.approve {
            self.step = Step::Digest;
            return Reply::Stay;
        }
        self.send()
    }

    fn enter(&mut self, question: &QuestionView) -> Reply {
        let typed = self.input.trim().to_owned();
        match self.step {
            Step::Choice => self.hint = "press y to approve or n to reject",
            Step::Text if typed.is_empty() => self.hint = "type an answer, or Esc to go back",
            Step::Text => {
                let text = option(&typed, question).unwrap_or(typed);
                return Reply::Send(Effect::Answer { number: self.number, text });
            }
            Step::Digest if begins(question.decision.as_ref(), &typed) => {
                self.digest = typed;
                self.input.clear();
                self.step = Step::Code;
            }
            Step::Digest => self.hint = "that is not how this decision's digest begins (6 digits or more)",
            Step::Code if is_code(&typed) => {
                self.input = typed;
                return self.send();
            }
            Step::Code => self.hint = "a one-time code has six digits or more",
        }
        Reply::Stay
    }

    fn send(&mut self) -> Reply {
        let (digest, code) = (std::mem::take(&mut self.digest), std::mem::take(&mut self.input));
        Reply::Send(Effect::Decide { number: self.number, approve: self.approve, digest, code })
    }
}

/// Whether it is approved or rejected and not answered by a text.
fn is_decision(question: &QuestionView) -> bool {
    question.decision.is_some() || matches!(question.what.as_str(), "decision" | "sign-off" | "co-sign")
}

/// The option of that number.
fn option(typed: &str, question: &QuestionView) -> Option<String> {
    let n: usize = typed.parse().ok()?;
    question.options.get(n.checked_sub(1)?).cloned()
}

fn begins(decision: Option<&Digest>, typed: &str) -> bool {
    typed.len() >= DIGEST_DIGITS && decision.is_some_and(|d| d.to_string().starts_with(&typed.to_lowercase()))
}

fn is_code(typed: &str) -> bool {
    typed.len() >= CODE_DIGITS && typed.bytes().all(|b| b.is_ascii_digit())
}
