//! What a request may not ask the provider to do. The provider's own servers can open connections: to
//! MCP servers, to pages, to addresses of images. Through these an agent that holds the repository
//! would reach the network, so no request that asks for them passes.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::fmt;

/// Why a body does not pass, in words for the model.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// Not JSON, or JSON that two readers could read differently.
    #[error("the body of the request is not plain JSON: {0}")]
    Json(String),
    /// It would make the provider reach out.
    #[error(
        "{0} would let the provider's servers reach the network on this role's behalf, which no role may"
    )]
    ReachesOut(String),
}

/// Beginnings of the types of tools that run where the agent runs, or reach nothing.
const LOCAL_TOOLS: [&str; 6] =
    ["custom", "bash_", "text_editor_", "memory_", "computer_", "tool_search_tool_"];

/// Kinds of sources of images and documents that travel in the request itself.
const INLINE_SOURCES: [&str; 3] = ["base64", "text", "content"];

/// Checks the body of a request. Says whether it asks for a stream.
pub(super) fn check(body: &[u8]) -> Result<bool, BodyError> {
    let Strict(body) = serde_json::from_slice(body).map_err(|e| BodyError::Json(e.to_string()))?;
    let Value::Object(body) = body else { return Err(BodyError::Json("it is no object".to_owned())) };
    if body.get("mcp_servers").is_some_and(|servers| !is_empty(servers)) {
        return Err(BodyError::ReachesOut("`mcp_servers`".to_owned()));
    }
    for tool in items(&body, "tools") {
        let kind = tool.get("type").and_then(Value::as_str);
        if let Some(kind) = kind.filter(|kind| !LOCAL_TOOLS.iter().any(|local| kind.starts_with(local))) {
            return Err(BodyError::ReachesOut(format!("the tool type {kind:?}")));
        }
    }
    for holder in items(&body, "messages") {
        blocks(holder)?;
    }
    items(&body, "system").iter().try_for_each(block)?;
    Ok(body.get("stream").and_then(Value::as_bool).unwrap_or(false))
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn items<'a>(object: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn blocks(holder: &Value) -> Result<(), BodyError> {
    holder.get("content").and_then(Value::as_array).map_or(Ok(()), |all| all.iter().try_for_each(block))
}

/// A block of content, and those in it. What a tool is called with is data and is not looked at.
fn block(block: &Value) -> Result<(), BodyError> {
    if let Some(source) = block.get("source").filter(|source| source.is_object()) {
        let kind = source.get("type").and_then(Value::as_str).unwrap_or_default();
        if !INLINE_SOURCES.contains(&kind) {
            return Err(BodyError::ReachesOut(format!("a source of type {kind:?}")));
        }
        blocks(source)?;
    }
    blocks(block)
}

/// JSON in which no object names a key twice: of two readers, one takes the first and one the last.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Any.deserialize(deserializer).map(Strict)
    }
}

struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = seq.next_element_seed(Any)? {
            all.push(value);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Any)?;
            if all.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice in one object")));
            }
            all.insert(key, value);
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_between_agent_and_model_passes() {
        let table = [
            (r#"{"stream":true}"#, true),
            (r#"{"stream":false,"mcp_servers":[]}"#, false),
            (
                r#"{"tools":[{"name":"Read"},{"type":"custom","name":"Bash"},{"type":"bash_20250124"}]}"#,
                false,
            ),
            (r#"{"messages":[{"role":"user","content":"https://x.example"}]}"#, false),
            (
                r#"{"messages":[{"content":[{"type":"image","source":{"type":"base64","data":"aa"}}]}]}"#,
                false,
            ),
            // What a tool is called with is data, also where it looks like a block.
            (
                r#"{"messages":[{"content":[{"type":"tool_use","input":{"content":[{"type":"image",
                    "source":{"type":"url","url":"https://x.example"}}]}}]}]}"#,
                false,
            ),
        ];
        for (body, streams) in table {
            assert_eq!(check(body.as_bytes()), Ok(streams), "{body}");
        }
    }

    #[test]
    fn what_would_make_the_provider_reach_out_does_not() {
        let image = r#"{"type":"image","source":{"type":"url","url":"https://x.example/?q=secret"}}"#;
        let table = [
            r#"{"mcp_servers":[{"type":"url","url":"https://x.example"}]}"#.to_owned(),
            r#"{"tools":[{"type":"web_fetch_20250910","name":"web_fetch"}]}"#.to_owned(),
            r#"{"tools":[{"type":"web_search_20250305"}]}"#.to_owned(),
            r#"{"tools":[{"type":"code_execution_20250825"}]}"#.to_owned(),
            r#"{"tools":[{"type":"mcp_toolset"}]}"#.to_owned(),
            format!(r#"{{"messages":[{{"role":"user","content":[{image}]}}]}}"#),
            format!(r#"{{"messages":[{{"content":[{{"type":"tool_result","content":[{image}]}}]}}]}}"#),
            format!(
                r#"{{"messages":[{{"content":[{{"type":"document","source":{{"type":"content","content":[{image}]}}}}]}}]}}"#
            ),
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]}"#
                .to_owned(),
        ];
        for body in table {
            assert!(matches!(check(body.as_bytes()), Err(BodyError::ReachesOut(_))), "{body}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_does_not() {
        for body in
            [r#"{"tools":[],"tools":[{"type":"web_fetch_1"}]}"#, "", "[]", "{", r#"{"a":1}{}"#, "\u{feff}{}"]
        {
            assert!(matches!(check(body.as_bytes()), Err(BodyError::Json(_))), "{body}");
        }
    }
}
