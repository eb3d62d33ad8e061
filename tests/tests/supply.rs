//! Holds what is linked to the lists of deny.toml: licences, bans and sources.

use foureyes_tests::{licence, workspace};
use serde_json::Value;
use std::collections::BTreeSet;

/// The quoted words of one list of deny.toml.
fn listed(section: &str, key: &str) -> Vec<String> {
    let text = workspace::read("deny.toml");
    let (_, rest) = text.split_once(&format!("[{section}]")).expect("the section");
    let (_, rest) = rest.split_once(&format!("{key} = [")).expect("the list");
    let (list, _) = rest.split_once("\n]").expect("the end of the list");
    list.lines().filter_map(first_quoted).collect()
}

fn first_quoted(line: &str) -> Option<String> {
    line.split('"').nth(1).map(str::to_owned)
}

fn packages() -> Vec<Value> {
    workspace::metadata()["packages"].as_array().expect("packages").clone()
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

#[test]
fn every_licence_is_permissive() {
    let allowed = listed("licenses", "allow");
    assert!(allowed.contains(&"MIT".to_owned()));
    for package in packages() {
        let licence = text(&package, "license");
        assert!(licence::is_met(licence, &allowed), "{}: licence {licence:?}", text(&package, "name"));
    }
}

#[test]
fn nothing_banned_is_linked() {
    let banned = listed("bans", "deny");
    assert!(banned.contains(&"openssl".to_owned()));
    for package in packages() {
        let name = text(&package, "name");
        assert!(!banned.iter().any(|b| b == name), "{name} is banned by deny.toml");
    }
}

#[test]
fn all_comes_from_the_one_registry() {
    let packages = packages();
    let foreign: BTreeSet<&str> =
        packages.iter().map(|p| text(p, "source")).filter(|source| !source.is_empty()).collect();
    assert!(foreign.len() <= 1, "more than one source: {foreign:?}");
    assert!(foreign.iter().all(|source| source.starts_with("registry+")), "{foreign:?}");
}
