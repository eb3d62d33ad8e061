//! Troubles of models, as programs tell of them and as they are shown.

use foureyes_ports::model::ModelTrouble;

/// A trouble in few words, as a line of what is shown.
pub(super) fn troubled(trouble: &ModelTrouble) -> String {
    match trouble {
        ModelTrouble::Auth(_) => "the account was refused".to_owned(),
        ModelTrouble::RateLimited { .. } => "the account's limit is reached".to_owned(),
        ModelTrouble::Overloaded => "the model is overloaded".to_owned(),
        ModelTrouble::Server(status) => format!("the model's server failed ({status})"),
        ModelTrouble::Network(_) => "the model cannot be reached".to_owned(),
        ModelTrouble::Silent(_) => "the model fell silent".to_owned(),
        ModelTrouble::TooLong => "the conversation is too long".to_owned(),
        ModelTrouble::Refused(status, _) => format!("the request was refused ({status})"),
    }
}

/// Whether the words contain one of the marks, which are in lower case.
pub(super) fn says(words: &str, marks: &[&str]) -> bool {
    let words = words.to_ascii_lowercase();
    marks.iter().any(|mark| words.contains(mark))
}
