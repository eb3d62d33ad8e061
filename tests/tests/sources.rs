//! Words that no file of the project holds.

use foureyes_tests::workspace;

/// Joined from pieces, so that this file does not hold them.
fn forbidden() -> Vec<String> {
    let pieces = [
        ("TO", "DO"),
        ("FIX", "ME"),
        ("/work/", "main"),
        ("/work/", "shared"),
        ("/home/", "user/"),
        ("/root/", "."),
        ("/tmp/", "target-"),
        ("/tmp/", "team"),
        ("<<<<<", "<< "),
        (">>>>>", ">> "),
    ];
    pieces.iter().map(|(a, b)| format!("{a}{b}")).collect()
}

#[test]
fn no_file_holds_a_forbidden_word() {
    let mut hits = Vec::new();
    for (path, text) in workspace::files() {
        for word in forbidden() {
            let lines = text.lines().enumerate().filter(|(_, line)| line.contains(&word));
            hits.extend(lines.map(|(at, _)| format!("{path}:{}: {word}", at + 1)));
        }
    }
    assert!(hits.is_empty(), "{}", hits.join("\n"));
}

/// Hosts of package registries belong to a user's configuration, not to code that would reach them.
#[test]
fn no_code_names_the_host_of_a_registry() {
    let hosts =
        [("registry.", "npmjs.org"), ("pypi", ".org"), ("pythonhosted", ".org"), ("proxy.", "golang.org")];
    let hosts: Vec<String> = hosts.iter().map(|(a, b)| format!("{a}{b}")).collect();
    for (path, text) in workspace::files().iter().filter(|(path, _)| path.ends_with(".rs")) {
        let hit = hosts.iter().find(|host| text.contains(*host));
        assert!(hit.is_none() || path.starts_with("config/"), "{path} names {hit:?}");
    }
}
