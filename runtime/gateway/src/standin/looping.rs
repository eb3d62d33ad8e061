//! A model that gets no further.

use super::{aside, request::Seen, said};
use foureyes_ports::model::{Block, Reply, ReplyOutcome, StandIn};
use serde_json::{Map, Value, json};

/// Reads its inbox again and again, and never ends its turn.
pub struct Looping;

impl StandIn for Looping {
    fn reply(&self, _: &str, request: &Value) -> Reply {
        let seen = Seen::of(request);
        if let Some(aside) = aside(&seen) {
            return said(aside);
        }
        let input = Map::from_iter([("max".to_owned(), json!(1))]);
        let call = Block::ToolUse { name: seen.runtime_name("inbox"), input };
        Reply { outcome: ReplyOutcome::Message(vec![call]), ..Reply::default() }
    }
}
