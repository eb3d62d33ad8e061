//! YAML as a tree that knows its places. The only file that names the YAML library.
//!
//! A configuration needs mappings, lists and scalars. Anchors, aliases, tags and several documents
//! are refused: they buy nothing here and are the usual way to hide something from a reader.

use crate::error::{ConfigError, Mistake, is_harmless};
use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag, options};
use std::{borrow::Cow, ops::Range};

/// Larger texts are refused before they are read.
const MAX_BYTES: usize = 1 << 20;
/// Deeper nesting is refused. The configuration itself needs six levels.
const MAX_DEPTH: usize = 32;

/// A place in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Bytes.
    pub span: Range<usize>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Place {
    pub(crate) fn error(&self, mistake: Mistake, message: impl Into<String>) -> ConfigError {
        let Place { span, line, column } = self.clone();
        ConfigError { mistake, span, line, column, message: message.into(), hint: None }
    }
}

impl ConfigError {
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Text as it stands; `plain` when it was written without quotes, so that it may also mean a
    /// number, `true` or nothing.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file.
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

impl Node {
    /// Whether nothing is written, or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }
}

/// Reads a text. `Ok(None)` is an empty one.
///
/// # Errors
/// Every duplicate key, anchor, alias and tag; or the first place that is not YAML.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Vec<ConfigError>> {
    if text.len() > MAX_BYTES {
        let start = Place { span: 0..0, line: 1, column: 1 };
        let error = start.error(Mistake::Syntax, format!("the file is larger than {MAX_BYTES} bytes"));
        return Err(vec![error.with_hint("is it a configuration?")]);
    }
    if let Some(error) = harmful_character(text) {
        return Err(vec![error]);
    }
    let options =
        options! { emit_comments: false, flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    let mut builder =
        Builder { events: Parser::new_from_str_with_options(text, options), text, errors: vec![] };
    let root = builder.document();
    match (root, builder.errors) {
        (Ok(root), errors) if errors.is_empty() => Ok(root),
        (Ok(_), errors) => Err(errors),
        (Err(stop), mut errors) => {
            errors.push(*stop);
            Err(errors)
        }
    }
}

fn harmful_character(text: &str) -> Option<ConfigError> {
    let (at, c) = text.char_indices().find(|(_, c)| !is_harmless(*c) && *c != '\r' && *c != '\u{feff}')?;
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let place = Place { span: at..at + c.len_utf8(), line, column };
    let message = format!("the invisible character U+{:04X} is not allowed", u32::from(c));
    Some(
        place
            .error(Mistake::Syntax, message)
            .with_hint("delete it; in double quotes it can be written as an escape"),
    )
}

struct Builder<'t> {
    events: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    text: &'t str,
    errors: Vec<ConfigError>,
}

/// The first error after which nothing more can be read.
type Stop = Box<ConfigError>;

impl<'t> Builder<'t> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentEnd | Event::Comment(..), _) => {}
                (Event::DocumentStart(..), span) if root.is_some() => {
                    let error = self.place(span).error(Mistake::Syntax, "a second document begins here");
                    return Err(Box::new(
                        error.with_hint("a configuration is one document; delete the `---`"),
                    ));
                }
                (Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => return Ok(root),
                (event, span) => root = Some(self.node(event, span)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Box::new(scan_error(self.text, &error))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Stop> {
        let place = self.place(span);
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.as_ref());
                Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.as_ref());
                Value::List(self.list()?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.as_ref());
                Value::Map(self.map()?)
            }
            _ => {
                let error = place.error(Mistake::Syntax, "aliases (`*name`) are not used in configurations");
                self.errors.push(error.with_hint("write the value out"));
                Value::Scalar { text: String::new(), plain: true }
            }
        };
        Ok(Node { place, value })
    }

    fn list(&mut self) -> Result<Vec<Node>, Stop> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(nodes),
                (event, span) => nodes.push(self.node(event, span)?),
            }
        }
    }

    fn map(&mut self) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd | Event::StreamEnd, _) => return Ok(entries),
                (event, span) => self.node(event, span)?,
            };
            let (event, span) = self.next()?;
            let node = self.node(event, span)?;
            match key.value {
                Value::Scalar { text, .. } => self.add(&mut entries, text, key.place, node),
                _ => {
                    let error = key.place.error(Mistake::Syntax, "a key must be a word");
                    self.errors.push(error.with_hint("write `key: value`"));
                }
            }
        }
    }

    fn add(&mut self, entries: &mut Vec<Entry>, key: String, key_place: Place, node: Node) {
        match entries.iter().find(|e| e.key == key) {
            Some(first) => {
                let message = format!("the key {key:?} occurs twice");
                let hint = format!("the first one is in line {}; keep one of them", first.key_place.line);
                self.errors.push(key_place.error(Mistake::DuplicateKey, message).with_hint(hint));
            }
            None => entries.push(Entry { key, key_place, node }),
        }
    }

    fn refuse_extras(&mut self, place: &Place, anchor: usize, tag: Option<&Cow<'_, Tag>>) {
        if anchor != 0 {
            let error = place.error(Mistake::Syntax, "anchors (`&name`) are not used in configurations");
            self.errors.push(error.with_hint("delete the anchor"));
        }
        if tag.is_some() {
            let error = place.error(Mistake::Syntax, "tags (`!name`) are not used in configurations");
            self.errors.push(error.with_hint("delete the tag"));
        }
    }

    /// The place of a span. A block's span reaches to the next token; it is cut to its first line.
    fn place(&self, span: Span) -> Place {
        let range = span.byte_range().unwrap_or_default();
        let text = self.text.get(range.clone()).unwrap_or_default();
        let length = text.lines().next().unwrap_or_default().trim_end().len();
        Place {
            span: range.start..range.start + length,
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }
}

fn scan_error(text: &str, error: &ScanError) -> ConfigError {
    let marker: &Marker = error.marker();
    let at = marker.byte_offset().unwrap_or(text.len()).min(text.len());
    let place = Place { span: at..at, line: marker.line(), column: marker.col() + 1 };
    let line = text.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    let reason = error.info();
    let hint = match (line.contains('\t'), reason.contains("mapping values")) {
        (true, _) => "indent with spaces, not with tabs",
        (_, true) => "put a value that contains `: ` in quotes, or look at the indentation",
        _ => "look at the brackets, quotes and indentation here and just before",
    };
    place.error(Mistake::Syntax, format!("this is not valid YAML: {reason}")).with_hint(hint)
}
