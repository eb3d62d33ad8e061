//! The files beside this crate hold what they promise: the reference is the default, names every
//! key, the schema is the types' own, and every shipped configuration loads.

use foureyes_config::{Config, DEFAULT_YAML, load, load_with_plays, schema_json, trust};
use serde_json::Value;
use std::{fs, path::PathBuf};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn load_file(name: &str) -> Config {
    load(&read(name), name).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_reference_is_the_default() {
    let written = load(DEFAULT_YAML, "default.yaml").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(written, Config::default());
    assert_eq!(load("", "empty.yaml").unwrap(), Config::default());
}

/// Every key of the schema that has a place of its own in the file.
fn keys(schema: &Value, node: &Value, prefix: &str, out: &mut Vec<String>) {
    let node = match node["$ref"].as_str() {
        Some(target) => schema.pointer(target.trim_start_matches('#')).unwrap(),
        None => node,
    };
    for (key, child) in node["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        out.push(path.clone());
        if !path.ends_with("overrides") {
            keys(schema, child, &path, out);
        }
    }
}

#[test]
fn the_reference_names_every_key() {
    let schema: Value = serde_json::from_str(&schema_json()).unwrap();
    let mut wanted = Vec::new();
    keys(&schema, &schema, "", &mut wanted);
    let tree: Value = serde_saphyr::from_str(DEFAULT_YAML).unwrap();
    // Windows of a rate that are not limited are not written.
    let is_window = |key: &str| key.starts_with("limits.") && key.matches('.').count() == 2;
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|key| !is_window(key))
        .filter(|key| tree.pointer(&format!("/{}", key.replace('.', "/"))).is_none())
        .collect();
    assert!(missing.is_empty(), "default.yaml does not name {missing:?}");
}

#[test]
fn the_schema_file_is_the_schema_of_the_types() {
    let drift = "config/schema.json is out of date: run `UPDATE_SCHEMA=1 cargo test -p foureyes-config`";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(path("schema.json"), schema_json()).unwrap();
    }
    assert!(read("schema.json") == schema_json(), "{drift}");
}

#[test]
fn every_shipped_configuration_loads() {
    let mut names = ["default.yaml", "demo.yaml", "claude-offline.yaml"].map(str::to_owned).to_vec();
    for entry in fs::read_dir(path("examples")).unwrap() {
        names.push(format!("examples/{}", entry.unwrap().file_name().into_string().unwrap()));
    }
    assert!(names.len() >= 5, "{names:?}");
    names.iter().for_each(|name| drop(load_file(name)));
}

#[test]
fn the_demo_loosens_no_rule() {
    let demo = load_file("demo.yaml");
    assert!(demo.run.until_done);
    assert_eq!(demo.roster(), Config::default().roster());
    let changed: Vec<String> = trust::describe(None, &demo).into_iter().map(|c| c.key).collect();
    let expected = |key: &&String| !key.starts_with("roles.") || !key.ends_with(".backend");
    let rest: Vec<&String> = changed.iter().filter(expected).collect();
    assert_eq!(rest, ["repository.builtin", "run.stay_open", "run.until_done", "tasks"]);
    for role in &demo.roles {
        assert_eq!(demo.backend(role).play(), Some(format!("demo/{}", role.id).as_str()));
    }
}

#[test]
fn the_demo_without_an_account_loosens_no_rule() {
    let offline = load_file("claude-offline.yaml");
    assert_eq!(
        (offline.roster(), &offline.tasks),
        (Config::default().roster(), &load_file("demo.yaml").tasks)
    );
    assert!(offline.roles.iter().all(|role| offline.backend(role).kind() == "claude"));
    let changes = trust::describe(None, &offline);
    assert!(changes.iter().all(|c| !c.loosens), "{changes:?}");
    let keys: Vec<&str> =
        changes.iter().map(|c| c.key.as_str()).filter(|k| !k.starts_with("model.plays.")).collect();
    assert_eq!(keys, ["model.provider", "repository.builtin", "run.stay_open", "run.until_done", "tasks"]);
}

#[test]
fn plays_are_asked_for() {
    let asked = std::cell::RefCell::new(Vec::new());
    let exists = |play: &str| {
        asked.borrow_mut().push(play.to_owned());
        play != "demo/docs"
    };
    let errors = load_with_plays(&read("demo.yaml"), "demo.yaml", &exists).unwrap_err();
    assert_eq!(asked.borrow().len(), 12);
    assert_eq!(errors.errors().len(), 1);
    assert_eq!(errors.errors()[0].message, "there is no play \"demo/docs\"");
}

#[test]
fn the_digest_is_of_the_meaning() {
    let plain = load("four_eyes: {lines: 40}", "a.yaml").unwrap();
    let spread = load("# why\nfour_eyes:\n  lines: 40\nlock: {lease: 300 s}\n", "b.yaml").unwrap();
    assert_eq!(plain.digest(), spread.digest());
    assert_ne!(plain.digest(), Config::default().digest());
}
