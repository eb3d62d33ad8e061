//! The user's key reaches the provider and nobody else; what one role was given, no other finds.

use foureyes_tests::{
    bench::{Bench, SHELL, said},
    claude::THREE,
    plays::{self, assigned, dev, verdict},
    tap::Tap,
    tree,
};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const KEY: &str = "sk-ant-api03-CANARY-of-the-user-93f1";
const OF_ROLE: &str = "CANARY-of-one-role-5b2e";
/// Built so that the search itself does not hold what it looks for.
const LOOK: &str = "a=CANARY; b=of; { env; cat /proc/*/environ /proc/*/cmdline; \
    grep -rsa \"$a-$b\" /home /work /tmp /run /opt/agents/role /play /etc /dev/shm 2>/dev/null; \
    curl -s -m 3 -H 'x-api-key: x' \"$ANTHROPIC_BASE_URL/v1/models\"; } > ~/found 2>&1; true";

/// Whoever has a shell looks everywhere.
fn curious() -> Value {
    let look = || json!({"run": ["/bin/sh", "-c", LOOK]});
    let mut first = plays::push("test: note", &[("tests/note.sh", "grep -q done note.txt\n")]);
    first.insert(0, look());
    let second = plays::push("feat: note", &[("note.txt", "done\n")]);
    dev(&[assigned("note", first), verdict("note", "RED", "passed", second)])
}

#[test]
fn the_users_key_reaches_the_provider_and_nobody_else() {
    let mut bench = Bench::claude(&THREE, SHELL);
    // One more role, of another program, with something of its own.
    let sleeper = json!({"kind": "command", "argv": ["/bin/sh", "-c", "echo $OWN > ~/own; sleep 600"], "env": {"OWN": OF_ROLE}});
    bench.cast(json!({"id": "docs", "family": "docs", "backend": sleeper}));
    bench.task("note").dev_models(&curious());
    let model = bench.serve_models();
    let tap = Tap::to(model.address());
    bench.config["model"] = json!({"provider": "anthropic", "base_url": tap.url(), "credentials": "api-key"});
    bench.env.push(("ANTHROPIC_API_KEY".to_owned(), KEY.to_owned()));
    bench.config["run"] = json!({"until_done": false});
    let mut run = bench.start();
    run.wait("the feature lands", Duration::from_secs(120), |r| r.delivered("note").then_some(()));
    let shown = inside(&bench);
    assert!(shown > 4, "{shown} processes in sandboxes");
    let status = said(&bench.agents(&["status", "--json"]));
    let logs = said(&bench.agents(&["logs"]));
    bench.down();
    run.end(Duration::from_secs(30));
    let output = run.output();
    bench.assert_nobody_left();

    let upstream = tap.said();
    assert!(tree::contains(&upstream, &format!("x-api-key: {KEY}")), "the key did not arrive");
    for (what, text) in [("status", &status), ("logs", &logs), ("output", &output)] {
        assert!(!text.contains(KEY) && !text.contains(OF_ROLE), "{what} tells it");
    }
    let kept = tree::holding(&bench.state(), KEY);
    assert!(kept.is_empty(), "{kept:?}");
    // The role's own home, and the configuration that its user wrote, accepted and kept.
    let own = bench.home_of("docs").join("own");
    let of_role = tree::holding(&bench.state(), OF_ROLE);
    let elsewhere: Vec<_> =
        of_role.iter().filter(|p| **p != own && !p.to_string_lossy().contains("/accepted/")).collect();
    assert!(own.is_file() && elsewhere.is_empty(), "{elsewhere:?}");
    looked(&bench);
    for request in model.asked() {
        let text = request.body.to_string();
        assert!(!text.contains(KEY) && !text.contains(OF_ROLE), "{}'s model was told", request.role);
    }
    bench.assert_ledger_verifies();
}

/// No process of a sandbox has it; says how many there are.
fn inside(bench: &Bench) -> usize {
    let state = bench.state();
    let all = bench.processes();
    let sandboxed: Vec<_> = THREE
        .iter()
        .flat_map(|(role, _)| all.iter().filter(|p| p.shows(&state, role)).collect::<Vec<_>>())
        .collect();
    for process in &sandboxed {
        for what in ["environ", "cmdline"] {
            let bytes = fs::read(format!("/proc/{}/{what}", process.pid)).unwrap_or_default();
            assert!(
                !tree::contains(&bytes, KEY) && !tree::contains(&bytes, OF_ROLE),
                "{what} of {process:?}"
            );
        }
    }
    sandboxed.len()
}

/// The looks were real: they found what they may find, and nothing else.
fn looked(bench: &Bench) {
    let homes = ["dev-a", "dev-b"].map(|role| bench.home_of(role).join("found"));
    let found: Vec<Vec<u8>> = homes.iter().filter_map(|f| fs::read(f).ok()).collect();
    assert!(!found.is_empty(), "nobody looked");
    for text in found {
        assert!(tree::contains(&text, "ANTHROPIC_BASE_URL=http://127.0.0.1:"), "it saw no environment");
        assert!(
            !tree::contains(&text, KEY) && !tree::contains(&text, OF_ROLE),
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
}
