//! The tools that agents act through, as data: name, description, families, schema, handler. Adding
//! one is one entry in the file of its group. Nothing here knows how the calls travel.

mod inbox;
mod picture;
mod refusal;
mod review;
mod safety;
mod signing;
mod talk;
mod web;
mod work;

pub(crate) use refusal::Refusal;

use foureyes_ports::governance::{Draft, Governance};
use foureyes_protocol::{Body, Digest, Family, Kind, Label, PrincipalId, Priority};
use futures::future::BoxFuture;
use schemars::{JsonSchema, generate::SchemaSettings, transform::RestrictFormats};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 200;
/// The argument under which a caller gives such a key by hand.
pub(crate) const KEY: &str = "idempotency_key";

/// Who speaks on a connection, and to what: fixed before the first byte is read from it.
#[derive(Clone)]
pub(crate) struct Channel {
    pub governance: Arc<dyn Governance>,
    pub role: PrincipalId,
    pub family: Family,
    pub policy: Digest,
}

/// One call of a tool.
#[derive(Clone)]
pub(crate) struct Call {
    channel: Arc<Channel>,
    key: Option<String>,
}

/// What a call came to.
pub(crate) type Answer = Result<Value, Refusal>;

/// A tool.
pub(crate) struct Tool {
    pub name: &'static str,
    pub description: &'static str,
    /// The families that are shown it. Hidden is not forbidden: the rules behind decide.
    pub families: &'static [Family],
    /// Whether it says something that the ledger keeps (and so takes an idempotency key).
    says: bool,
    schema: fn() -> Map<String, Value>,
    run: fn(Call, Value) -> BoxFuture<'static, Answer>,
}

/// An entry of a group: `says` for what becomes an envelope, `asks` for what does not.
macro_rules! tool {
    (says $($rest:tt)*) => { tool!(@ true, $($rest)*) };
    (asks $($rest:tt)*) => { tool!(@ false, $($rest)*) };
    (@ $says:literal, $name:ident($args:ty) for $families:expr, $description:literal) => {
        $crate::tools::Tool {
            name: stringify!($name),
            description: $description,
            families: $families,
            says: $says,
            schema: $crate::tools::schema_of::<$args>,
            run: |call, arguments| Box::pin(async move {
                $name(call, $crate::tools::arguments::<$args>(stringify!($name), arguments)?).await
            }),
        }
    };
}
use tool;

/// Every family of agents.
const EVERYBODY: &[Family] = &Family::ROLES;
/// Those who write files of a feature.
const WRITERS: &[Family] = &[Family::Architect, Family::Dev, Family::Qa, Family::Docs];

/// Every tool, in the order of the lists.
pub(crate) fn all() -> impl Iterator<Item = &'static Tool> {
    let groups = [inbox::TOOLS, picture::TOOLS, talk::TOOLS, work::TOOLS, signing::TOOLS, review::TOOLS];
    groups.into_iter().chain([safety::TOOLS, web::TOOLS]).flatten()
}

/// The tools that a family is shown.
pub(crate) fn shown_to(family: Family) -> impl Iterator<Item = &'static Tool> {
    all().filter(move |tool| tool.families.contains(&family))
}

/// Calls a tool by name; `tool_use` is the caller's own id of the call, where it gives one.
pub(crate) async fn call(
    channel: Arc<Channel>,
    name: &str,
    mut arguments: Map<String, Value>,
    tool_use: Option<String>,
) -> Answer {
    let tool = all().find(|t| t.name == name).ok_or_else(|| Refusal::unknown_tool(name, channel.family))?;
    let given = if tool.says { arguments.remove(KEY) } else { None };
    let key = match given {
        None | Some(Value::Null) => tool_use,
        Some(Value::String(key)) => Some(key),
        Some(_) => return Err(Refusal::bad_call(name, "`idempotency_key` is a text")),
    };
    if key.as_ref().is_some_and(|k| k.len() > MAX_KEY) {
        return Err(Refusal::bad_call(name, format_args!("an idempotency key has at most {MAX_KEY} bytes")));
    }
    (tool.run)(Call { channel, key }, Value::Object(arguments)).await
}

impl Tool {
    /// The JSON schema of its arguments.
    pub fn schema(&self) -> Map<String, Value> {
        let mut schema = (self.schema)();
        if self.says {
            let about = "Optional: a repeated call with the same key is the same call";
            let key = json!({"type": "string", "maxLength": MAX_KEY, "description": about});
            if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert(KEY.to_owned(), key);
            }
        }
        schema
    }
}

impl Call {
    fn core(&self) -> &dyn Governance {
        &*self.channel.governance
    }

    fn role(&self) -> &PrincipalId {
        &self.channel.role
    }

    /// Submits what the agent says; the labels say so whatever the draft says.
    async fn submit(&self, mut draft: Draft) -> Answer {
        draft.labels.insert(Label::Agent);
        draft.priority = priority(draft.body.kind());
        draft.idempotency = self.key.clone();
        let receipt = self.core().submit(self.role(), draft).await?;
        Ok(json!({"message": receipt.id, "record": receipt.record}))
    }
}

fn priority(kind: Kind) -> Priority {
    match kind {
        Kind::Freeze => Priority::Critical,
        Kind::GateRequest | Kind::CoSign | Kind::Escalation => Priority::High,
        Kind::StatusReport => Priority::Low,
        _ => Priority::Normal,
    }
}

/// A body as plain JSON, without the name of its kind around it.
fn plain(body: &Body) -> Value {
    match serde_json::to_value(body) {
        Ok(Value::Object(outer)) => outer.into_iter().next().map_or(Value::Null, |(_, inner)| inner),
        _ => Value::Null,
    }
}

fn arguments<T: DeserializeOwned>(tool: &str, arguments: Value) -> Result<T, Refusal> {
    serde_json::from_value(arguments).map_err(|e| Refusal::bad_call(tool, e))
}

fn schema_of<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
        // Formats such as `uint64` are no part of the standard, and some clients reject them.
        let mut formats = RestrictFormats::default();
        formats.infer_from_meta_schema = false;
        s.transforms.push(Box::new(formats));
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = std::mem::take(schema.ensure_object());
    schema.remove("title");
    schema.remove("description");
    schema.entry("properties").or_insert_with(|| json!({}));
    schema
}
