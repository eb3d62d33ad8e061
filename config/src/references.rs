//! Whether what is named exists and what is combined can work: the checks that see more than one
//! value.

use crate::{
    Config,
    check::{Checked, did_you_mean, join},
    error::{ConfigError, Mistake},
    prompts::is_part_name,
    sections::{
        limits::{Rate, RateKind},
        model::Credentials,
        roster::Backend,
        suite::Adapter,
    },
    yaml::Place,
};
use foureyes_protocol::{Family, PrincipalId};
use std::{collections::BTreeMap, path::Path};

/// Options of Claude Code that a configuration cannot give.
const CLAUDE_OWN: [&str; 34] = [
    "--allow-dangerously-skip-permissions",
    "--allowed-tools",
    "--allowedTools",
    "--append-system-prompt",
    "--append-system-prompt-file",
    "--bare",
    "--continue",
    "--dangerously-skip-permissions",
    "--disable-slash-commands",
    "--disallowed-tools",
    "--disallowedTools",
    "--fork-session",
    "--input-format",
    "--mcp-config",
    "--model",
    "--no-session-persistence",
    "--output-format",
    "--permission-mode",
    "--permission-prompt-tool",
    "--plugin-dir",
    "--print",
    "--replay-user-messages",
    "--resume",
    "--session-id",
    "--setting-sources",
    "--settings",
    "--strict-mcp-config",
    "--system-prompt",
    "--system-prompt-file",
    "--tools",
    "-c",
    "-p",
    "-r",
    "-v",
];

impl Checked {
    /// Where the value of a path was written; where it was not, the nearest thing around it.
    pub(crate) fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(written) = self.written.get(path) {
                return written.place.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return Place { span: 0..0, line: 1, column: 1 },
            }
        }
    }
}

/// Every reference that leads nowhere and every combination that cannot work.
pub(crate) fn check(
    config: &Config,
    checked: &Checked,
    play_exists: &dyn Fn(&str) -> bool,
) -> Vec<ConfigError> {
    let mut found = Found { checked, errors: Vec::new() };
    roles(config, &mut found);
    overrides(config, &mut found);
    backends(config, play_exists, &mut found);
    prompts(config, &mut found);
    model_plays(config, play_exists, &mut found);
    credentials(config, &mut found);
    shown(config, &mut found);
    tasks(config, &mut found);
    suite(config, &mut found);
    orders(config, &mut found);
    rates(config, &mut found);
    git_names(config, &mut found);
    found.errors
}

struct Found<'c> {
    checked: &'c Checked,
    errors: Vec<ConfigError>,
}

impl Found<'_> {
    fn add(&mut self, path: &str, message: String, hint: String) {
        let error = self.checked.place(path).error(Mistake::Reference, message);
        self.errors.push(ConfigError { hint: Some(hint), ..error });
    }

    /// Reports each name that came before.
    fn duplicates<'a>(&mut self, list: &str, key: &str, names: impl Iterator<Item = (usize, &'a str)>) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, name) in names {
            let Some(first) = seen.get(name) else {
                seen.insert(name, i);
                continue;
            };
            let line = self.checked.place(&format!("{list}[{first}].{key}")).line;
            let hint = format!("the first one is in line {line}; each needs a name of its own");
            self.add(&format!("{list}[{i}].{key}"), format!("{name:?} occurs twice in `{list}`"), hint);
        }
    }
}

fn roles(config: &Config, found: &mut Found<'_>) {
    found.duplicates("roles", "id", config.roles.iter().enumerate().map(|(i, r)| (i, r.id.as_str())));
    let no_dev = config.roles.iter().all(|r| r.family != Family::Dev);
    if no_dev && !found.checked.shortened.contains("roles") {
        let hint = "add a role such as `- {id: dev-a, family: dev}`".to_owned();
        found.add("roles", "no role is of the family `dev`, so nobody could write code".to_owned(), hint);
    }
}

fn overrides(config: &Config, found: &mut Found<'_>) {
    if found.checked.shortened.contains("roles") {
        return;
    }
    let known: Vec<&str> = config.roles.iter().map(|r| r.id.as_str()).collect();
    for role in config.limits.overrides.keys().filter(|r| !known.contains(&r.as_str())) {
        let hint =
            did_you_mean(role, &known).unwrap_or_else(|| format!("the roles are {}", join(&known, "and")));
        found.add(&format!("limits.overrides.{role}"), format!("there is no role {role:?}"), hint);
    }
}

fn backends(config: &Config, play_exists: &dyn Fn(&str) -> bool, found: &mut Found<'_>) {
    backend(&config.agents.backend, "agents.backend", play_exists, found);
    for (i, role) in config.roles.iter().enumerate() {
        if let Some(own) = &role.backend {
            backend(own, &format!("roles[{i}].backend"), play_exists, found);
        }
    }
}

fn backend(backend: &Backend, path: &str, play_exists: &dyn Fn(&str) -> bool, found: &mut Found<'_>) {
    match backend {
        // An empty name is told of already.
        Backend::Scripted { play: name } if name.is_empty() => {}
        Backend::Scripted { play: name } => play(name, &format!("{path}.play"), play_exists, found),
        Backend::Command { argv, env } | Backend::Acp { argv, env, .. } => {
            program(argv, &format!("{path}.argv"), found);
            variables(env, &format!("{path}.env"), found);
        }
        Backend::Claude { args, .. } => claude_args(args, &format!("{path}.args"), found),
    }
}

/// Options that the runtime sets itself, or that would take its rules away from the program.
fn claude_args(args: &[String], path: &str, found: &mut Found<'_>) {
    let own = |arg: &str| {
        let option = arg.split('=').next().unwrap_or_default();
        option == "--" || CLAUDE_OWN.contains(&option)
    };
    for (i, arg) in args.iter().enumerate().filter(|(_, arg)| own(arg)) {
        let hint =
            "delete it: a role's tools, rights, settings and conversation are the runtime's (docs/agents.md)"
                .to_owned();
        found.add(&format!("{path}[{i}]"), format!("{arg:?} is set by the runtime"), hint);
    }
}

fn credentials(config: &Config, found: &mut Found<'_>) {
    if config.model.credentials == Credentials::File && config.model.credentials_file.is_none() {
        let hint = "add `credentials_file: /path/of/a/file`, one line, mode 0600".to_owned();
        let message = "`credentials: file` needs a `credentials_file`".to_owned();
        found.add("model.credentials", message, hint);
    }
}

fn play(name: &str, path: &str, play_exists: &dyn Fn(&str) -> bool, found: &mut Found<'_>) {
    if Path::new(name).is_absolute() || name.split('/').any(|part| part == "..") {
        let hint = "name it relative to this file, below its directory".to_owned();
        found.add(path, format!("the play {name:?} lies outside"), hint);
    } else if !play_exists(name) {
        let hint = "name a built-in play or the path of a YAML file relative to this file".to_owned();
        found.add(path, format!("there is no play {name:?}"), hint);
    }
}

/// What the stand-in plays, and for whom.
fn model_plays(config: &Config, play_exists: &dyn Fn(&str) -> bool, found: &mut Found<'_>) {
    let known: Vec<&str> = config.roles.iter().map(|r| r.id.as_str()).collect();
    for (role, name) in &config.model.plays {
        let path = format!("model.plays.{role}");
        if !known.contains(&role.as_str()) && !found.checked.shortened.contains("roles") {
            let hint = did_you_mean(role, &known)
                .unwrap_or_else(|| format!("the roles are {}", join(&known, "and")));
            found.add(&path, format!("there is no role {role:?}"), hint);
        }
        play(name, &path, play_exists, found);
    }
}

/// What is shown inside stands where it lies here, so it must not lie where a sandbox has its own.
fn shown(config: &Config, found: &mut Found<'_>) {
    const OWN: [&str; 5] = ["/work", "/home/agent", "/rt", "/run/rt", "/opt/agents"];
    for (i, path) in config.sandbox.read_only.iter().enumerate() {
        if let Some(own) = OWN.iter().find(|own| path.starts_with(own)) {
            let hint = "move or copy it elsewhere on this machine, and name that place".to_owned();
            let what = format!("{} would stand in {own}, which is the sandbox's own", path.display());
            found.add(&format!("sandbox.read_only[{i}]"), what, hint);
        }
    }
}

fn program(argv: &[String], path: &str, found: &mut Found<'_>) {
    if argv.first().is_some_and(|program| program.trim().is_empty()) {
        found.add(path, "the program has no name".to_owned(), "write it as the first of the list".to_owned());
    }
    if argv.iter().any(|word| word.contains('\0')) {
        let hint = "delete it: no program can be given one".to_owned();
        found.add(path, "an argument contains a NUL character".to_owned(), hint);
    }
}

fn variables(env: &BTreeMap<String, String>, path: &str, found: &mut Found<'_>) {
    let valid = |name: &str| {
        let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        word && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
    };
    for (name, value) in env {
        if !valid(name) || value.contains('\0') {
            let hint = "letters, digits and `_`, not starting with a digit; no NUL in the value".to_owned();
            found.add(&format!("{path}.{name}"), format!("{name:?} cannot be an environment variable"), hint);
        }
    }
}

/// Budgets and extra parts go by a role or a family that exists; folder and parts lie where the
/// configuration lies.
fn prompts(config: &Config, found: &mut Found<'_>) {
    let prompts = &config.prompts;
    let outside = |path: &str| Path::new(path).is_absolute() || path.split('/').any(|part| part == "..");
    if outside(&prompts.directory) {
        let hint = "name it relative to this file, below its directory".to_owned();
        found.add("prompts.directory", format!("the folder {:?} lies outside", prompts.directory), hint);
    }
    if !found.checked.shortened.contains("roles") {
        let roles = config.roles.iter().map(|r| r.id.as_str());
        let known: Vec<&str> = Family::ROLES.map(Family::as_str).into_iter().chain(roles).collect();
        let named = prompts.budgets.keys().map(|k| ("budgets", k));
        for (list, key) in named.chain(prompts.extra.keys().map(|k| ("extra", k))) {
            if !known.contains(&key.as_str()) {
                let hint = did_you_mean(key, &known).unwrap_or_else(|| "name a role or a family".to_owned());
                let message = format!("there is no role or family {key:?}");
                found.add(&format!("prompts.{list}.{key}"), message, hint);
            }
        }
    }
    for (key, parts) in &prompts.extra {
        for (i, part) in parts.iter().enumerate().filter(|(_, part)| !is_part_name(part)) {
            let hint = "a file name of a-z, 0-9 and `-` that ends in `.md`, such as `my-part.md`".to_owned();
            found.add(
                &format!("prompts.extra.{key}[{i}]"),
                format!("{part:?} is not the name of a part"),
                hint,
            );
        }
    }
}

fn tasks(config: &Config, found: &mut Found<'_>) {
    let named = config.tasks.iter().enumerate().filter_map(|(i, t)| Some((i, t.id.as_ref()?.as_str())));
    found.duplicates("tasks", "id", named);
}

fn suite(config: &Config, found: &mut Found<'_>) {
    let suite = &config.gates.suite;
    if suite.adapter == Adapter::Generic && suite.command.is_empty() {
        let hint = "add `command:`, or leave `adapter` out to have it found by the manifests".to_owned();
        found.add("gates.suite.adapter", "the generic adapter needs a `command`".to_owned(), hint);
    }
    found.duplicates(
        "gates.suite.extra",
        "name",
        suite.extra.iter().enumerate().map(|(i, e)| (i, e.name.as_str())),
    );
    for (i, extra) in suite.extra.iter().enumerate() {
        program(&extra.command, &format!("gates.suite.extra[{i}].command"), found);
    }
    let commands = [
        ("command", &suite.command),
        ("prepare.command", &suite.prepare.command),
        ("coverage", &suite.coverage),
        ("formatter", &suite.formatter),
    ];
    for (key, command) in commands {
        program(command, &format!("gates.suite.{key}"), found);
    }
    variables(&suite.toolchain.env, "gates.suite.toolchain.env", found);
    hosts(&suite.prepare.hosts, found);
}

fn hosts(hosts: &[String], found: &mut Found<'_>) {
    let valid = |host: &str| {
        let label = |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        host.len() <= 253 && host.split('.').all(label)
    };
    for (i, host) in hosts.iter().enumerate().filter(|(_, h)| !valid(h)) {
        let hint =
            "write the name alone, such as `static.crates.io`: no scheme, port, path or `*`".to_owned();
        found.add(
            &format!("gates.suite.prepare.hosts[{i}]"),
            format!("{host:?} is not the name of a host"),
            hint,
        );
    }
}

/// Pairs of amounts of which the first must not be above the second.
fn orders(config: &Config, found: &mut Found<'_>) {
    let (gates, keys, backoff) = (&config.gates, &config.signing, &config.supervision.backoff);
    let (messages, limits, collusion) = (&config.messages, &config.limits, &config.collusion);
    let rules = [
        (
            gates.returns.orchestrator <= gates.returns.user,
            "gates.returns.orchestrator",
            "gates.returns.user",
        ),
        (keys.renew_after <= keys.key_lifetime, "signing.renew_after", "signing.key_lifetime"),
        (backoff.first <= backoff.longest, "supervision.backoff.first", "supervision.backoff.longest"),
        (
            messages.max_size <= limits.channel_bytes_per_second,
            "messages.max_size",
            "limits.channel_bytes_per_second",
        ),
        (
            collusion.defect_rate_low <= collusion.defect_rate_high,
            "collusion.defect_rate_low",
            "collusion.defect_rate_high",
        ),
    ];
    for (_, less, more) in rules.into_iter().filter(|(holds, ..)| !holds) {
        let (written, other) =
            if found.checked.written.contains_key(less) { (less, more) } else { (more, less) };
        let hint = format!("change it or `{other}`");
        found.add(written, format!("`{less}` must not be more than `{more}`"), hint);
    }
}

fn rates(config: &Config, found: &mut Found<'_>) {
    for kind in RateKind::ALL {
        let rate = config.limits.rate(&PrincipalId::user(), kind);
        windows(rate, &format!("limits.{}", kind.key()), found);
        for role in config.limits.overrides.keys() {
            let Ok(id) = PrincipalId::new(role) else { continue };
            let own = config.limits.rate(&id, kind);
            if own != rate {
                windows(own, &format!("limits.overrides.{role}.{}", kind.key()), found);
            }
        }
    }
}

/// A burst refills by the minute, and a longer window allows no less than a shorter one.
fn windows(rate: Rate, path: &str, found: &mut Found<'_>) {
    if rate.burst.is_some() && rate.minute.is_none() {
        let hint = "add `minute`, by which the burst refills".to_owned();
        found.add(&format!("{path}.burst"), format!("`{path}` has a burst and no `minute`"), hint);
    }
    let named = [("minute", rate.minute), ("hour", rate.hour), ("day", rate.day)];
    let given: Vec<(&str, u32)> = named.into_iter().filter_map(|(name, n)| Some((name, n?))).collect();
    for pair in given.windows(2).filter(|pair| pair[0].1 > pair[1].1) {
        let ((short, many), (long, few)) = (pair[0], pair[1]);
        let hint = format!("give `{long}` at least {many}, or `{short}` at most {few}");
        let message = format!("`{path}` allows {many} by the {short} and only {few} by the {long}");
        found.add(&format!("{path}.{short}"), message, hint);
    }
}

/// Names that are handed to git must not be able to mean an option, a URL or a command.
fn git_names(config: &Config, found: &mut Found<'_>) {
    let word = |name: &str| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            && !name.starts_with(['-', '.'])
    };
    let repository = &config.repository;
    if !repository.remote.is_empty() && !word(&repository.remote) {
        let hint = "name a remote of the repository, such as `origin`; not a URL".to_owned();
        found.add("repository.remote", format!("{:?} is not the name of a remote", repository.remote), hint);
    }
    let branch_part =
        |part: &str| word(part) && !part.contains("..") && !part.ends_with(".lock") && !part.ends_with('.');
    if let Some(branch) = repository.target_branch.as_deref().filter(|b| !b.is_empty())
        && !branch.split('/').all(|part| !part.is_empty() && branch_part(part))
    {
        let hint = "name a branch, such as `main`, without `refs/heads/`".to_owned();
        found.add("repository.target_branch", format!("{branch:?} is not the name of a branch"), hint);
    }
}
