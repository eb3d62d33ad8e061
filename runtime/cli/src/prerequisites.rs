//! What this machine must have, what it should have, and installing it.

use crate::{error::CliError, exit::Exit, programs};
use foureyes_display::banner::Prerequisite;
use foureyes_vcs::git::{MINIMUM_GIT, check_git, find_git};
use nix::{sys::statvfs::statvfs, unistd::Uid};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Free space below which the disk is reported (1 GiB).
const LEAST_FREE: u64 = 1 << 30;

/// Package managers: program, and the words before the packages.
const MANAGERS: [(&str, &[&str]); 5] = [
    ("apt-get", &["install", "-y", "--no-install-recommends"]),
    ("dnf", &["install", "-y"]),
    ("pacman", &["-S", "--noconfirm", "--needed"]),
    ("apk", &["add"]),
    ("zypper", &["--non-interactive", "install"]),
];

/// One thing that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name.
    pub name: &'static str,
    /// Whether it is there and works.
    pub met: bool,
    /// Whether nothing can be run without it.
    pub required: bool,
    /// Its version, or what is wrong.
    pub detail: String,
    /// What it is for.
    pub purpose: &'static str,
    /// The package that brings it; the same name in every distribution that is known.
    pub package: Option<&'static str>,
    /// The command that mends it, where one is known.
    pub mend: Option<String>,
}

/// Everything that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    /// What is required and not there.
    pub fn missing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.required && !f.met)
    }

    /// The lines of the banner.
    pub fn for_banner(&self) -> Vec<Prerequisite> {
        let line = |f: &Finding| Prerequisite {
            name: f.name.to_owned(),
            detail: f.mend.as_ref().filter(|_| !f.met).unwrap_or(&f.detail).clone(),
            met: f.met,
        };
        self.findings.iter().filter(|f| f.required || !f.met).map(line).collect()
    }

    /// The report for people, one line a finding.
    pub fn text(&self) -> String {
        let mark = |f: &Finding| match (f.met, f.required) {
            (true, _) => "ok     ",
            (false, true) => "MISSING",
            (false, false) => "absent ",
        };
        let line = |f: &Finding| {
            let mend =
                f.mend.as_ref().filter(|_| !f.met).map(|m| format!("\n        {m}")).unwrap_or_default();
            format!("{} {:<16} {} ({}){mend}\n", mark(f), f.name, f.detail, f.purpose)
        };
        self.findings.iter().map(line).collect()
    }
}

/// Looks for everything. `state` is where the state will lie; without a wall (`advisory`) none is
/// required. Takes some tens of milliseconds.
pub fn look(state: &Path, advisory: bool) -> Report {
    let mut findings = vec![git(), bubblewrap(!advisory)];
    if findings[1].met {
        findings.push(namespaces(!advisory));
    }
    findings.push(disk(state));
    findings.extend(TOOLS.iter().map(tool));
    Report { findings }
}

/// Looks for everything; what is required and missing is installed when `fix` says so.
///
/// # Errors
/// [`Exit::Prerequisite`] with the command that installs what is missing.
pub fn ensure(state: &Path, fix: bool, advisory: bool) -> Result<Report, CliError> {
    let report = look(state, advisory);
    let report = if fix && report.missing().next().is_some() {
        install(report.missing().filter_map(|f| f.package).collect())?;
        look(state, advisory)
    } else {
        report
    };
    let absent = report.missing().next().map(absent);
    absent.map_or(Ok(report), Err)
}

/// The refusal for what is missing, with what mends it.
pub fn absent(finding: &Finding) -> CliError {
    let error =
        CliError::new(Exit::Prerequisite, format!("{} is missing", finding.name)).why(finding.detail.clone());
    let wall = !matches!(finding.name, "git" | "claude");
    let rest = if wall { "; or run without a wall: --tier advisory" } else { "" };
    match &finding.mend {
        Some(mend) => error.hint(format!("{mend} (or: --fix){rest}")),
        None => error.hint(format!("agents doctor{rest}")),
    }
}

/// Installs packages with this system's package manager, and says so.
///
/// # Errors
/// [`Exit::Prerequisite`] without a known manager or when it fails.
pub fn install(packages: Vec<&'static str>) -> Result<(), CliError> {
    if packages.is_empty() {
        return Ok(());
    }
    let command = install_command(&packages, manager(), Uid::effective().is_root()).ok_or_else(|| {
        CliError::new(Exit::Prerequisite, "no known package manager")
            .hint(format!("install {}", packages.join(", ")))
    })?;
    if command.iter().any(|word| word == "apt-get") {
        // A fresh image has no package lists.
        let update = command
            .iter()
            .take_while(|w| *w != "install")
            .cloned()
            .chain(["update".to_owned(), "-q".to_owned()]);
        say_and_run(&update.collect::<Vec<_>>())?;
    }
    say_and_run(&command)
}

fn say_and_run(command: &[String]) -> Result<(), CliError> {
    eprintln!("agents: running {}", command.join(" "));
    programs::run(command)
}

/// The command that installs packages.
fn install_command(packages: &[&str], manager: Option<usize>, root: bool) -> Option<Vec<String>> {
    let (program, words) = MANAGERS[manager?];
    let sudo = if root { None } else { Some("sudo") };
    let words =
        sudo.into_iter().chain([program]).chain(words.iter().copied()).chain(packages.iter().copied());
    Some(words.map(str::to_owned).collect())
}

fn manager() -> Option<usize> {
    MANAGERS.iter().position(|(program, _)| programs::find(program).is_some())
}

fn mend(package: &'static str) -> Option<String> {
    install_command(&[package], manager(), Uid::effective().is_root()).map(|words| words.join(" "))
}

fn git() -> Finding {
    let version = find_git().and_then(|program| check_git(&program));
    Finding {
        name: "git",
        met: version.is_ok(),
        required: true,
        detail: version.unwrap_or_else(|e| e.to_string()),
        purpose: "the authoritative repository",
        package: Some("git"),
        mend: mend("git").map(|m| format!("{m}   # at least {MINIMUM_GIT}")),
    }
}

fn bwrap() -> Option<PathBuf> {
    let places = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap", "/run/current-system/sw/bin/bwrap"];
    places.iter().map(PathBuf::from).find(|file| file.is_file())
}

fn bubblewrap(required: bool) -> Finding {
    let version = bwrap().and_then(|program| programs::version(&program, "--version"));
    Finding {
        name: "bubblewrap",
        met: version.is_some(),
        required,
        detail: version.unwrap_or_else(|| "bubblewrap (bwrap) is not installed".to_owned()),
        purpose: "the wall around agents and gate runs",
        package: Some("bubblewrap"),
        mend: mend("bubblewrap"),
    }
}

/// Whether a sandbox can be made at all.
fn namespaces(required: bool) -> Finding {
    let args = ["--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "--", "true"];
    let said = bwrap().and_then(|program| programs::ask(&program, &args));
    let met = said.as_ref().is_some_and(|said| said.ok);
    let why = said.map_or_else(|| "bubblewrap cannot be started".to_owned(), |said| said.err);
    Finding {
        name: "namespaces",
        met,
        required,
        detail: if met { "a sandbox can be made".to_owned() } else { why },
        purpose: "the wall around agents and gate runs",
        package: None,
        mend: if met { None } else { Some(unlock()) },
    }
}

/// What allows namespaces, by what forbids them.
fn unlock() -> String {
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let is = |path: &str, value: &str| setting(path).as_deref() == Some(value);
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0   # or an AppArmor profile for bwrap".to_owned();
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned();
    }
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return "sudo sysctl -w user.max_user_namespaces=10000".to_owned();
    }
    "in a container: start it with --security-opt seccomp=unconfined --cap-add SYS_ADMIN".to_owned()
}

fn disk(state: &Path) -> Finding {
    let there = state.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
    let free = statvfs(there).map(|s| s.blocks_available() * s.fragment_size()).unwrap_or(0);
    let met = free >= LEAST_FREE;
    Finding {
        name: "disk",
        met,
        required: false,
        detail: format!("{} MiB free below {}", free >> 20, there.display()),
        purpose: "ledger, clones, gate runs",
        package: None,
        mend: (!met).then(|| format!("free some space: df -h {}", there.display())),
    }
}

/// A tool that is good to have: name, flag for its version, purpose, package.
type Tool = (&'static str, &'static str, &'static str, Option<&'static str>);

const TOOLS: [Tool; 5] = [
    ("tmux", "-V", "agents attach shows all roles", Some("tmux")),
    ("gpg", "--version", "checking signatures yourself", Some("gnupg")),
    ("cargo", "--version", "repositories in Rust", None),
    ("cc", "--version", "repositories in Rust and C", Some("gcc")),
    ("python3", "--version", "repositories in Python", Some("python3")),
];

fn tool(&(name, flag, purpose, package): &Tool) -> Finding {
    let version = programs::find(name).and_then(|program| programs::version(&program, flag));
    let by_hand = (name == "cargo").then(|| "see https://rustup.rs".to_owned());
    Finding {
        name,
        met: version.is_some(),
        required: false,
        detail: version.unwrap_or_else(|| "not on PATH".to_owned()),
        purpose,
        package,
        mend: package.and_then(mend).or(by_hand),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manager_has_its_words() {
        let commands: Vec<String> = (0..MANAGERS.len())
            .filter_map(|n| install_command(&["git", "tmux"], Some(n), true))
            .map(|words| words.join(" "))
            .collect();
        insta::assert_snapshot!(commands.join("\n"), @r"
        apt-get install -y --no-install-recommends git tmux
        dnf install -y git tmux
        pacman -S --noconfirm --needed git tmux
        apk add git tmux
        zypper --non-interactive install git tmux
        ");
        assert_eq!(install_command(&["git"], Some(3), false).unwrap().join(" "), "sudo apk add git");
        assert_eq!(install_command(&["git"], None, true), None);
    }

    #[test]
    fn what_is_missing_is_told_with_the_command_that_installs_it() {
        let finding = Finding {
            name: "bubblewrap",
            met: false,
            required: true,
            detail: "bubblewrap (bwrap) is not installed".to_owned(),
            purpose: "the wall",
            package: Some("bubblewrap"),
            mend: Some("apk add bubblewrap".to_owned()),
        };
        insta::assert_snapshot!(absent(&finding), @r"
        error: bubblewrap is missing
          because: bubblewrap (bwrap) is not installed
          hint: apk add bubblewrap (or: --fix); or run without a wall: --tier advisory
        ");
        let report = Report { findings: vec![finding] };
        assert!(report.text().starts_with("MISSING bubblewrap"));
        assert_eq!(report.for_banner()[0].detail, "apk add bubblewrap");
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let report = look(Path::new("/nonexistent/below/nothing"), false);
        let git = report.findings.iter().find(|f| f.name == "git").unwrap();
        assert!(git.met, "{git:?}");
    }
}
