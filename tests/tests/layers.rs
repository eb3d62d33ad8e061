//! Holds the workspace to the table of ARCHITECTURE.md.

use foureyes_tests::{
    markdown,
    workspace::{self, Member},
};
use std::collections::{BTreeMap, BTreeSet};

/// One line of the table.
struct Row {
    layer: u8,
    room: String,
    may_import: BTreeSet<String>,
}

fn table() -> BTreeMap<String, Row> {
    let page = workspace::read("ARCHITECTURE.md");
    let rows = markdown::rows(&page, |cell| cell.parse::<u8>().is_ok());
    rows.into_iter().map(|cells| (cells[1].clone(), row(&cells))).collect()
}

fn row(cells: &[String]) -> Row {
    let names = cells[4].split(", ").filter(|name| *name != "–").map(str::to_owned);
    Row {
        layer: cells[0].parse().expect("a layer is a number"),
        room: cells[2].clone(),
        may_import: names.collect(),
    }
}

fn members() -> Vec<Member> {
    workspace::members(&workspace::metadata())
}

#[test]
fn every_crate_has_its_line_and_its_room() {
    let table = table();
    let members = members();
    let named: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(members.iter().map(|m| m.name.as_str()).collect::<BTreeSet<_>>(), named);
    for member in &members {
        assert_eq!(member.room, table[&member.name].room, "the room of {}", member.name);
    }
}

#[test]
fn a_crate_imports_only_what_its_line_names() {
    let table = table();
    for member in members() {
        for import in &member.imports {
            let row = &table[&member.name];
            assert!(row.may_import.contains(import), "{} may not import {import}", member.name);
        }
    }
}

#[test]
fn imports_point_downwards() {
    let table = table();
    for (name, row) in &table {
        for import in &row.may_import {
            assert!(table[import].layer < row.layer, "{name} and {import} are on layers that do not fit");
        }
    }
}

#[test]
fn only_actors_names_actix() {
    for member in members() {
        let names = member.foreign.iter().any(|dependency| dependency.starts_with("actix"));
        assert!(!names || member.name == "actors", "{} depends on actix", member.name);
    }
}

/// What would let a pure crate reach the world.
const WORLDLY: [&str; 8] =
    ["tokio", "actix", "nix", "rusqlite", "portable-pty", "reqwest", "rand", "tempfile"];

#[test]
fn pure_crates_do_not_reach_the_world() {
    for member in members() {
        let pure = ["protocol", "config", "policies"].contains(&member.name.as_str());
        let worldly = member.foreign.iter().find(|d| pure && WORLDLY.contains(&d.as_str()));
        assert!(worldly.is_none(), "{} depends on {worldly:?}", member.name);
    }
}
