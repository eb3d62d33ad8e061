//! The choice of a model: by a configuration option of the session, or by the older list of models
//! that some agents still have.

use agent_client_protocol_schema::{
    AGENT_METHOD_NAMES, SessionConfigKind, SessionConfigOption, SessionConfigOptionCategory,
    SessionConfigSelect, SessionConfigSelectOptions, SetSessionConfigOptionRequest,
};
use foureyes_ports::text::clean_text;
use serde_json::{Value, json};

/// Models that are named to people at most.
const NAMED: usize = 12;

/// What must be done to have the model that is ordered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Choice {
    /// The session has it already.
    Made,
    /// This method with these parameters chooses it.
    By(&'static str, Value),
}

/// How a session that answered its making with `made` comes to the model `ordered`.
///
/// # Errors
/// Why it cannot, and what mends it.
pub(super) fn choose(session: &str, made: &Value, ordered: &str) -> Result<Choice, String> {
    if let Some((id, select)) = option_of(made) {
        let offered = values(&select.options);
        let model = matching(&offered, ordered).ok_or_else(|| not_offered(ordered, &offered))?;
        if model == &*select.current_value.0 {
            return Ok(Choice::Made);
        }
        let request = SetSessionConfigOptionRequest::new(session.to_owned(), id, model.to_owned());
        return Ok(Choice::By(AGENT_METHOD_NAMES.session_set_config_option, json!(request)));
    }
    let models = &made["models"];
    let offered: Vec<String> = models["availableModels"].as_array().map_or_else(Vec::new, |list| {
        list.iter().filter_map(|model| model["modelId"].as_str()).map(str::to_owned).collect()
    });
    let model = matching(&offered, ordered).ok_or_else(|| not_offered(ordered, &offered))?;
    if models["currentModelId"] == model {
        return Ok(Choice::Made);
    }
    Ok(Choice::By("session/set_model", json!({ "sessionId": session, "modelId": model })))
}

/// Whether the answer to a choice shows that it was not made. An answer that shows nothing is
/// believed.
pub(super) fn refuted(answer: &Value, ordered: &str) -> bool {
    let Some((_, select)) = option_of(answer) else { return false };
    let model = matching(&values(&select.options), ordered).map(str::to_owned);
    model.is_some_and(|model| *model != *select.current_value.0)
}

fn option_of(made: &Value) -> Option<(String, SessionConfigSelect)> {
    let options = made["configOptions"].as_array()?.iter();
    let mut options = options.filter_map(|o| serde_json::from_value::<SessionConfigOption>(o.clone()).ok());
    let option = options.find(|o| o.category == Some(SessionConfigOptionCategory::Model))?;
    match option.kind {
        SessionConfigKind::Select(select) => Some((option.id.0.to_string(), select)),
        _ => None,
    }
}

fn values(options: &SessionConfigSelectOptions) -> Vec<String> {
    match options {
        SessionConfigSelectOptions::Ungrouped(options) => {
            options.iter().map(|option| option.value.0.to_string()).collect()
        }
        SessionConfigSelectOptions::Grouped(groups) => {
            let options = groups.iter().flat_map(|group| &group.options);
            options.map(|option| option.value.0.to_string()).collect()
        }
        _ => Vec::new(),
    }
}

/// The model of exactly this name, or the only one whose name behind its provider is this.
fn matching<'a>(offered: &'a [String], ordered: &str) -> Option<&'a str> {
    if let Some(model) = offered.iter().find(|model| *model == ordered) {
        return Some(model);
    }
    let behind = |model: &&String| model.strip_suffix(ordered).is_some_and(|head| head.ends_with('/'));
    let mut found = offered.iter().filter(behind);
    found.next().filter(|_| found.next().is_none()).map(String::as_str)
}

fn not_offered(ordered: &str, offered: &[String]) -> String {
    if offered.is_empty() {
        return format!(
            "it offers no choice of models, so {ordered:?} cannot be had; name the model in the agent's own \
             configuration, and none in the role's"
        );
    }
    let named: Vec<String> = offered.iter().take(NAMED).map(|model| clean_text(model, 64)).collect();
    let more = if offered.len() > NAMED { ", …" } else { "" };
    format!("it does not offer the model {ordered:?}; it offers {}{more}", named.join(", "))
}
