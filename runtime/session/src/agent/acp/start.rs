//! Getting acquainted: from the greeting's answer to an agent that takes prompts, or is unfit.

use super::{
    end::words_of,
    model::{Choice, choose, refuted},
    order,
    protocol::{Acp, Call, Phase, parse, show, state},
};
use crate::agent::Step;
use agent_client_protocol_schema::{
    AGENT_METHOD_NAMES, Error, InitializeResponse, NewSessionResponse, ProtocolVersion,
};
use foureyes_ports::{
    backend::{AgentEvent, AgentState},
    text::clean_text,
};
use serde::Serialize;
use serde_json::Value;

impl Acp {
    pub(super) fn initialized(&mut self, result: Value) -> Vec<Step> {
        let Some(agent) = parse::<InitializeResponse>(result) else {
            return self
                .unfit("it does not speak the Agent Client Protocol: see `argv` of its back end".to_owned());
        };
        if agent.protocol_version != ProtocolVersion::V1 {
            let version = agent.protocol_version;
            return self
                .unfit(format!("it speaks version {version} of the protocol and not 1; install another"));
        }
        let mut steps = match agent.agent_info {
            Some(info) => show(vec![clean_text(&format!("━━ {} {}", info.name, info.version), 100)]),
            None => Vec::new(),
        };
        let resumes = agent.agent_capabilities.session_capabilities.resume.is_some();
        let loads = agent.agent_capabilities.load_session;
        self.keeps = resumes || loads;
        steps.extend(match self.order.resume.clone() {
            Some(id) if resumes => {
                let request = order::resume_session(&id);
                self.take_up(id, AGENT_METHOD_NAMES.session_resume, &request)
            }
            Some(id) if loads => {
                let request = order::load_session(&id);
                self.take_up(id, AGENT_METHOD_NAMES.session_load, &request)
            }
            Some(_) => self.forgot("it keeps no conversations"),
            None => self.begin(),
        });
        steps
    }

    pub(super) fn take_up(&mut self, id: String, method: &str, params: &impl Serialize) -> Vec<Step> {
        self.session = id;
        vec![Step::Reply(self.request(Call::TakeUp, method, params))]
    }

    pub(super) fn begin(&mut self) -> Vec<Step> {
        self.session.clear();
        self.instructed = false;
        self.spent.begin();
        vec![Step::Reply(self.request(Call::New, AGENT_METHOD_NAMES.session_new, &order::new_session()))]
    }

    /// The conversation of the earlier life is lost.
    pub(super) fn forgot(&mut self, why: &str) -> Vec<Step> {
        let mut steps = show(vec![format!("━━ the conversation is lost ({why}); a new one begins")]);
        steps.push(Step::Event(AgentEvent::Forgot(clean_text(why, 200))));
        steps.extend(self.begin());
        steps
    }

    pub(super) fn made(&mut self, result: Value) -> Vec<Step> {
        let Some(made) = parse::<NewSessionResponse>(result.clone()) else {
            return self.unfit("it made a session without an id; install another version of it".to_owned());
        };
        self.session = made.session_id.0.to_string();
        self.choose_model(&result)
    }

    pub(super) fn choose_model(&mut self, made: &Value) -> Vec<Step> {
        let Some(model) = self.order.model.clone() else { return self.ready() };
        match choose(&self.session, made, &model) {
            Ok(Choice::Made) => self.ready(),
            Ok(Choice::By(method, params)) => {
                vec![Step::Reply(self.request(Call::SetModel, method, &params))]
            }
            Err(why) => self.unfit(why),
        }
    }

    pub(super) fn chosen(&mut self, result: &Value) -> Vec<Step> {
        match &self.order.model {
            Some(model) if refuted(result, model) => {
                let why =
                    format!("it kept another model than {model:?}; name it in the agent's own configuration");
                self.unfit(why)
            }
            _ => self.ready(),
        }
    }

    pub(super) fn ready(&mut self) -> Vec<Step> {
        self.phase = Phase::Ready;
        vec![state(AgentState::Idle)]
    }

    pub(super) fn unfit(&mut self, why: String) -> Vec<Step> {
        self.phase = Phase::Unfit;
        let mut steps = show(vec![format!("✗ {why}")]);
        steps.push(Step::Event(AgentEvent::Unfit(why)));
        steps
    }
}

pub(super) fn wants_login(error: &Error) -> String {
    format!(
        "it wants a login ({}); point it at the runtime's base URL and token in `env` of its back end",
        words_of(error)
    )
}
