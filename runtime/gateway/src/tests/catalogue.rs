//! The list of tools that each family is shown, with schemas, as a snapshot.

use crate::tools;
use foureyes_protocol::Family;
use std::fmt::Write;

#[test]
fn the_tools_of_each_family() {
    let mut table = String::new();
    for family in Family::ROLES {
        let names: Vec<_> = tools::shown_to(family).map(|t| t.name).collect();
        writeln!(table, "{family}: {}", names.join(" ")).unwrap();
    }
    insta::assert_snapshot!("families", table);
}

#[test]
fn the_schemas_of_the_tools() {
    let mut text = String::new();
    for tool in tools::all() {
        let schema = serde_json::to_string_pretty(&tool.schema()).unwrap();
        writeln!(text, "# {}\n{}\n{schema}\n", tool.name, tool.description).unwrap();
    }
    insta::assert_snapshot!("schemas", text);
}

#[test]
fn names_are_unique_and_schemas_closed() {
    let mut names: Vec<_> = tools::all().map(|t| t.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for tool in tools::all() {
        let schema = tool.schema();
        assert_eq!(schema["type"], "object", "{}", tool.name);
        assert_eq!(schema["additionalProperties"], false, "{}", tool.name);
        assert!(!tool.families.is_empty(), "{}", tool.name);
        for (name, property) in schema.get("properties").and_then(|p| p.as_object()).into_iter().flatten() {
            assert!(property["description"].is_string(), "{}.{name} says nothing", tool.name);
        }
    }
}
