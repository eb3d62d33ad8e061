//! What people are told about agents: costs, prompts, what is missing on this machine.

use foureyes_protocol::{Body, body::ModelUsed};
use foureyes_tests::{
    agents_bin,
    bench::{Bench, Running, SHELL, said},
    claude::{self, THREE, roles},
    model::{Asked, Model},
    plays,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Output, Stdio},
    time::Duration,
};

/// Every way in which a login may come from the environment.
const LOGINS: [&str; 4] =
    ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"];
const OWN: &str = "Say the word heliotrope in every report.";

/// The system prompt of a request, its texts one after the other.
fn system(asked: &Asked) -> String {
    let blocks = asked.body["system"].as_array().cloned().unwrap_or_default();
    blocks.iter().filter_map(|b| b["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// What a role's model was told of its role at last.
fn last(model: &Model, role: &str) -> String {
    let all = model.asked();
    all.iter().rfind(|a| a.role == role).map(system).unwrap_or_default()
}

/// The prompt of a role as a person is shown it.
fn shown(bench: &Bench, role: &str) -> String {
    let file = bench.config_file();
    let output = bench.agents(&["prompt", "show", role, "--config", &file.to_string_lossy()]);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[test]
fn costs_are_told_and_prompts_are_what_people_were_shown() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.config["run"] = json!({"until_done": false});
    bench.task("note").dev_models(&plays::dev(&plays::note("note")));
    let model = bench.serve_models();
    let mut run = bench.start();
    run.wait("the feature lands", Duration::from_secs(120), |r| r.delivered("note").then_some(()));
    let rests = |s: &Value| {
        // What its sandbox takes, not what its first process does.
        let large = |r: &Value| r["memory"].as_u64() > Some(100 << 20);
        let all = roles(s).iter().all(|r| r["state"] == "idle" && r["unread"] == 0 && large(r));
        all.then(|| s.clone())
    };
    let status = run.status("everybody rests", Duration::from_secs(30), rests);
    let table = said(&bench.agents(&["ps"]));
    bench.down();
    run.end(Duration::from_secs(30));
    costs(&bench, &status, &run.output());
    for (role, _) in THREE {
        assert!(table.contains(role) && table.contains("TURNS") && table.contains("USD"), "{table}");
        assert_eq!(shown(&bench, role).lines().next(), last_line_of(&model, role).as_deref());
        assert!(last(&model, role).contains(&shown(&bench, role)), "{role} was told something else");
    }
    bench.assert_nobody_left();
}

/// The line of a request that names the role.
fn last_line_of(model: &Model, role: &str) -> Option<String> {
    let told = last(model, role);
    told.lines().find(|l| l.contains(&format!("You are `{role}`"))).map(str::to_owned)
}

/// The tables say what the ledger says, whoever asks.
fn costs(bench: &Bench, status: &Value, closing: &str) {
    let json = bench.agents(&["costs", "--json"]);
    let costs: Value =
        serde_json::from_slice(&json.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&json)));
    let records = bench.records();
    let used: Vec<&ModelUsed> = records.bodies(|b| if let Body::ModelUsed(u) = b { Some(u) } else { None });
    let sum = |of: fn(&ModelUsed) -> u64| used.iter().map(|u| of(u)).sum::<u64>();
    let total = |what: &str| costs["total"][what].as_u64().expect("a number");
    assert_eq!(total("requests"), sum(|u| u.requests), "{costs}");
    assert_eq!(total("microusd"), sum(|u| u.microusd.unwrap_or(0)), "{costs}");
    let tokens = sum(|u| u.input_tokens + u.output_tokens + u.cache_read_tokens + u.cache_write_tokens);
    assert!(total("tokens") == tokens && tokens > 0 && total("microusd") > 0, "{costs}");
    for (key, names) in [
        ("roles", &["planner-a", "dev-a", "dev-b"][..]),
        ("features", &["note at GREEN"]),
        ("models", &["claude"]),
    ] {
        let lines = costs[key].as_array().expect("lines");
        let of = |what: &str| lines.iter().map(|l| l["spent"][what].as_u64().unwrap_or(0)).sum::<u64>();
        assert_eq!((of("tokens"), of("microusd")), (total("tokens"), total("microusd")), "{key}: {costs}");
        let named =
            |name: &&&str| lines.iter().any(|l| l["what"].as_str().is_some_and(|w| w.contains(**name)));
        let missing: Vec<_> = names.iter().filter(|n| !named(n)).collect();
        assert!(missing.is_empty(), "{missing:?} of {key}: {costs}");
    }
    let table = said(&bench.agents(&["costs"]));
    for words in ["ROLE", "FEATURE AND GATE", "MODEL", "dev-a", "all"] {
        assert!(table.contains(words), "no {words}: {table}");
    }
    let spent = status["spent"]["requests"].as_u64();
    assert!(spent > Some(0) && spent <= Some(total("requests")), "{status}");
    assert!(roles(status).iter().all(|r| r["turns"].as_u64() > Some(0)), "{status}");
    assert!(closing.contains('$') || closing.contains("USD"), "nothing at the end of the run: {closing}");
}

/// A part that a person wrote counts once it is accepted, also in a conversation that goes on.
fn own_parts_count_once_accepted(mut bench: Bench) {
    bench.config["run"] = json!({"until_done": false});
    let model = bench.serve_models();
    let mut run = bench.start();
    greeted(&mut run, &model);
    let before = bench.transcripts("dev-a");
    bench.down();
    run.end(Duration::from_secs(30));
    let part = bench.place("prompts/reports.md");
    fs::create_dir_all(part.parent().expect("a folder")).expect("the folder of parts");
    fs::write(&part, format!("{OWN}\n")).expect("a part");
    let asked = model.count();
    let file = bench.config_file();
    let mut refused = bench.run(&[&file.to_string_lossy(), "--plain"]);
    assert_eq!(refused.end(Duration::from_secs(30)).code(), Some(4), "{}", refused.output());
    assert_eq!(model.count(), asked);
    let mut run = bench.start();
    greeted(&mut run, &model);
    assert_eq!(bench.transcripts("dev-a"), before, "another conversation");
    let (told, shown) = (last(&model, "dev-a"), shown(&bench, "dev-a"));
    assert!(shown.contains(OWN), "{shown}");
    assert!(told.contains(OWN), "the model is not told what was accepted: {told}");
    assert!(told.contains(&shown), "dev-a was told something else");
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
}

/// Lets dev-a have a turn.
fn greeted(run: &mut Running<'_>, model: &Model) {
    let asked = model.count();
    run.status("the runtime answers", Duration::from_secs(60), |s| Some(s.clone()));
    assert!(run.bench().agents(&["send", "dev-a", "good morning"]).status.success());
    run.until("dev-a asks its model", |_| model.asked()[asked..].iter().any(|a| a.role == "dev-a"));
    let rests = |s: &Value| {
        let role = roles(s).iter().find(|r| r["id"] == "dev-a")?;
        (role["state"] == "idle" && role["unread"] == 0).then_some(())
    };
    run.status("it has read it", Duration::from_secs(60), rests);
}

#[test]
fn own_parts_of_prompts_count_once_they_are_accepted() {
    own_parts_count_once_accepted(Bench::claude(&THREE, SHELL));
}

#[test]
fn own_parts_of_prompts_count_in_a_terminal_too() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.config["agents"]["backend"]["mode"] = json!("terminal");
    own_parts_count_once_accepted(bench);
}

/// A command without any login in its environment.
fn without_login(bench: &Bench, args: &[&str]) -> Command {
    let mut command = bench.command(args);
    for name in LOGINS {
        command.env_remove(name);
    }
    command
}

/// One of the findings of `agents doctor`.
fn finding(output: &Output, name: &str) -> Value {
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(output)));
    let all = report["findings"].as_array().expect("findings");
    all.iter().find(|f| f["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}")).clone()
}

#[test]
fn what_is_missing_is_told_by_the_doctor_and_refuses_a_run() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.config["model"] = json!({"base_url": "http://127.0.0.1:9"});
    let accepted = bench.trust();
    let text = fs::read_to_string(&accepted).expect("the configuration");
    bench.repo.write(".agents/config.yaml", &text);

    let doctor = |command: &mut Command| command.output().expect("agents starts");
    let none = doctor(&mut without_login(&bench, &["doctor", "--json"]));
    assert_eq!(none.status.code(), Some(7), "{}", said(&none));
    let (program, login) = (finding(&none, "claude"), finding(&none, "login"));
    let inside = claude::program().display().to_string();
    assert!(program["met"] == true && program["detail"].to_string().contains(&inside), "{program}");
    assert!(program["detail"].as_str().is_some_and(|d| d.starts_with("2.")), "{program}");
    assert!(login["met"] == false && login["detail"].to_string().contains("ANTHROPIC_API_KEY"), "{login}");
    for (name, secret) in
        [("ANTHROPIC_API_KEY", "sk-ant-api03-x1"), ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-x1")]
    {
        let found = doctor(without_login(&bench, &["doctor", "--json"]).env(name, secret));
        let login = finding(&found, "login");
        assert!(login["met"] == true && login["detail"].to_string().contains(name), "{login}");
        assert!(!said(&found).contains(secret), "{}", said(&found));
        assert!(found.status.success(), "{}", said(&found));
    }

    let file = accepted.to_string_lossy().into_owned();
    let refused = doctor(&mut without_login(&bench, &["run", &file, "--plain"]));
    assert_eq!(refused.status.code(), Some(7), "{}", said(&refused));
    for words in ["there is no login", "ANTHROPIC_API_KEY", "agents run claude-offline"] {
        assert!(said(&refused).contains(words), "no {words}: {}", said(&refused));
    }
    let nowhere = bench.place("nowhere");
    bench.config["agents"]["claude_program"] = json!(nowhere);
    let file = bench.trust().to_string_lossy().into_owned();
    let refused = doctor(without_login(&bench, &["run", &file, "--plain"]).env(LOGINS[0], "sk-ant-api03-x1"));
    assert_eq!(refused.status.code(), Some(7), "{}", said(&refused));
    for words in
        ["claude is missing", &nowhere.display().to_string(), "npm install -g @anthropic-ai/claude-code"]
    {
        assert!(said(&refused).contains(words), "no {words}: {}", said(&refused));
    }
    assert!(bench.ledger().is_none(), "it was started");
    bench.assert_nobody_left();
}

#[test]
fn the_stand_in_answers_a_claude_of_ones_own() {
    let home = tempfile::tempdir().expect("a home");
    let stub = Command::new(agents_bin()).arg("model-stub").stdout(Stdio::piped()).spawn();
    let mut stub = stub.expect("agents starts");
    let mut lines = BufReader::new(stub.stdout.take().expect("its output")).lines();
    let address = lines.find_map(|line| {
        let line = line.expect("a line");
        let rest = line.split_once("listens on ")?.1.to_owned();
        rest.split_whitespace().next().map(str::to_owned)
    });
    let address = address.expect("where it listens");
    let mut one_shot = Command::new(claude::program());
    one_shot.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
    one_shot.env("ANTHROPIC_BASE_URL", format!("{address}/a/dev-a")).env("ANTHROPIC_API_KEY", "stand-in");
    one_shot.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("DISABLE_AUTOUPDATER", "1");
    one_shot.env("CLAUDE_CONFIG_DIR", home.path().join("c")).current_dir(home.path());
    one_shot.args(["-p", "read your inbox"]).stdin(Stdio::null());
    let answer = one_shot.output().expect("Claude Code starts");
    stub.kill().expect("a stand-in to end");
    stub.wait().expect("its end");
    assert!(answer.status.success(), "{}", said(&answer));
    assert!(said(&answer).contains("the tool `inbox` is not offered"), "{}", said(&answer));
}
