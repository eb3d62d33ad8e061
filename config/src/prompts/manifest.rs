//! The manifest: which parts make the prompt of which family, and the lenses of its members.

use super::{PromptError, PromptErrors, parts::MANIFEST, parts::Parts};
use crate::{
    check::did_you_mean,
    error::{ConfigError, Mistake},
    yaml::{self, Entry, Node, Place, Value},
};
use foureyes_protocol::Family;
use std::collections::BTreeMap;

/// A name with the place where it stands.
pub(super) type Named = (String, Place);

/// What the manifest says.
#[derive(Default)]
pub(super) struct Manifest {
    /// The parts of each family, in order, with the place of the family.
    pub families: BTreeMap<Family, (Place, Vec<Named>)>,
    /// The lenses of each family.
    pub lenses: BTreeMap<Family, Vec<String>>,
}

impl Manifest {
    /// Reads the manifest of these parts.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(parts: &Parts) -> Result<Self, PromptErrors> {
        let text = parts.get(MANIFEST).map_or("", |part| part.text);
        let mut reader = Reader { errors: Vec::new() };
        let manifest = match yaml::parse(text) {
            Ok(Some(root)) => reader.manifest(&root),
            Ok(None) => {
                let start = Place { span: 0..0, line: 1, column: 1 };
                reader.add(start.error(Mistake::MissingKey, "the manifest is empty"), "write `families:`");
                Manifest::default()
            }
            Err(errors) => {
                reader.errors = errors;
                Manifest::default()
            }
        };
        let file = parts.file(MANIFEST);
        let told = reader.errors.into_iter().map(|e| PromptError {
            file: file.clone(),
            line: e.line,
            column: e.column,
            message: e.message,
            hint: e.hint.unwrap_or_else(|| "compare it with the built-in manifest".to_owned()),
        });
        PromptErrors::check(told.collect()).map(|()| manifest)
    }
}

struct Reader {
    errors: Vec<ConfigError>,
}

impl Reader {
    fn add(&mut self, error: ConfigError, hint: impl Into<String>) {
        self.errors.push(error.with_hint(hint));
    }

    fn manifest(&mut self, root: &Node) -> Manifest {
        let mut manifest = Manifest::default();
        for entry in self.entries(root) {
            match entry.key.as_str() {
                "version" => self.version(&entry.node),
                "families" => manifest.families = self.families(&entry.node),
                "lenses" => {
                    let lenses = self.lists(&entry.node).into_iter();
                    let text = |list: Vec<Named>| list.into_iter().map(|(text, _)| text).collect();
                    manifest.lenses = lenses.map(|(family, (_, list))| (family, text(list))).collect();
                }
                key => {
                    let known = ["version", "families", "lenses"];
                    let hint = did_you_mean(key, &known)
                        .unwrap_or_else(|| format!("known are {}", known.join(", ")));
                    self.add(
                        entry.key_place.error(Mistake::UnknownKey, format!("unknown key {key:?}")),
                        hint,
                    );
                }
            }
        }
        manifest
    }

    fn version(&mut self, node: &Node) {
        if !matches!(&node.value, Value::Scalar { text, .. } if text == "1") {
            self.add(
                node.place.error(Mistake::OutOfRange, "this version is not known"),
                "write `version: 1`",
            );
        }
    }

    fn families(&mut self, node: &Node) -> BTreeMap<Family, (Place, Vec<Named>)> {
        let families = self.lists(node);
        for family in Family::ROLES.into_iter().filter(|f| !families.contains_key(f)) {
            let error = node.place.error(Mistake::MissingKey, format!("the family `{family}` is missing"));
            self.add(error, format!("write `{family}: [{family}.md, …]`"));
        }
        families
    }

    /// Lists by family, each with the place of its key.
    fn lists(&mut self, node: &Node) -> BTreeMap<Family, (Place, Vec<Named>)> {
        let mut lists = BTreeMap::new();
        for entry in self.entries(node) {
            match entry.key.parse::<Family>() {
                Ok(family) => {
                    lists.insert(family, (entry.key_place.clone(), self.list(&entry.node)));
                }
                Err(_) => {
                    let known = Family::ROLES.map(Family::as_str);
                    let hint = did_you_mean(&entry.key, &known)
                        .unwrap_or_else(|| format!("the families are {}", known.join(", ")));
                    let message = format!("there is no family {:?}", entry.key);
                    self.add(entry.key_place.error(Mistake::Reference, message), hint);
                }
            }
        }
        lists
    }

    fn list(&mut self, node: &Node) -> Vec<Named> {
        let Value::List(items) = &node.value else {
            self.add(node.place.error(Mistake::WrongType, "expected a list"), "write `- …` lines");
            return Vec::new();
        };
        let mut list = Vec::new();
        for item in items {
            match &item.value {
                Value::Scalar { text, .. } if !item.is_null() => {
                    list.push((text.clone(), item.place.clone()))
                }
                _ => self.add(item.place.error(Mistake::WrongType, "expected a text"), "put it in quotes"),
            }
        }
        list
    }

    fn entries<'n>(&mut self, node: &'n Node) -> &'n [Entry] {
        match &node.value {
            Value::Map(entries) => entries,
            _ => {
                let error = node.place.error(Mistake::WrongType, "expected keys with values");
                self.add(error, "write `key: value` lines");
                &[]
            }
        }
    }
}
