//! Building the grid: options, panes, colours, status line, keys.

use super::command::Tmux;
use super::{PaneSpec, SESSION, TmuxError, TmuxSpec};
use crate::ink;
use crate::text::clean;

/// The grid before a client says how large it is. Large enough for 60 panes.
const SIZE: [&str; 4] = ["-x", "240", "-y", "72"];

/// Options of the server and of every session and window.
const OPTIONS: &[(&str, &str)] = &[
    ("mouse", "on"),
    ("status-interval", "1"),
    ("status-left-length", "40"),
    ("status-right-length", "240"),
    ("status-style", "bg=default,fg=default"),
    ("status-justify", "left"),
    ("window-status-format", ""),
    ("window-status-current-format", ""),
    ("window-size", "latest"),
    ("history-limit", "0"),
    ("allow-rename", "off"),
    ("automatic-rename", "off"),
    ("set-titles", "off"),
    ("set-clipboard", "off"),
    ("visual-bell", "off"),
    ("bell-action", "none"),
    ("pane-border-status", "top"),
    ("pane-border-lines", "single"),
    ("pane-border-style", "fg=#{?@colour,#{@colour},default}"),
    ("pane-active-border-style", "fg=#{?@colour,#{@colour},default}"),
    (
        "pane-border-format",
        "#[fg=#{@colour},bold] #{@role} #{?pane_dead,#[default](viewer ended: agents attach) ,}",
    ),
];

/// Keys that work without a prefix: panes take no input, so no key is lost.
const KEYS: &[&[&str]] = &[
    &["q", "detach-client"],
    &["z", "resize-pane", "-Z"],
    &["Up", "select-pane", "-U"],
    &["Down", "select-pane", "-D"],
    &["Left", "select-pane", "-L"],
    &["Right", "select-pane", "-R"],
];

/// Starts the server with the whole grid.
pub(super) fn create(tmux: &Tmux<'_>, spec: &TmuxSpec) -> Result<(), TmuxError> {
    let Some((first, others)) = spec.panes.split_first() else { return Err(TmuxError::NoPanes) };
    // In one go: a viewer that ends at once must not take the server with it.
    let mut args = vec!["start-server", ";", "set-option", "-g", "remain-on-exit", "on", ";"];
    args.extend(["new-session", "-d", "-s", SESSION, "-n", "grid", "-P", "-F", "#{pane_id}"]);
    args.extend(SIZE);
    let id = with_argv(tmux, args, first)?;
    configure(tmux, spec)?;
    dress(tmux, &id, first)?;
    let mut last = id.clone();
    for pane in others {
        last = with_argv(tmux, vec!["split-window", "-d", "-t", &last, "-P", "-F", "#{pane_id}"], pane)?;
        dress(tmux, &last, pane)?;
        // Evenly again, so that there is room for the next one.
        tmux.run(&["select-layout", "-t", SESSION, "tiled"])?;
    }
    tmux.run(&["select-pane", "-t", &id]).map(drop)
}

/// Runs a command of tmux that starts a pane's viewer, and returns the pane's id.
fn with_argv<'a>(tmux: &Tmux<'_>, mut args: Vec<&'a str>, pane: &'a PaneSpec) -> Result<String, TmuxError> {
    args.push("--");
    // One word alone would be read by a shell; `env` makes it two.
    args.push("env");
    args.extend(pane.argv.iter().map(String::as_str));
    tmux.run(&args)
}

fn configure(tmux: &Tmux<'_>, spec: &TmuxSpec) -> Result<(), TmuxError> {
    for (name, value) in OPTIONS {
        tmux.run(&["set-option", "-g", name, value])?;
    }
    let title = clean(&spec.title).replace('#', "##");
    let left = format!("#[fg=black,bg=cyan,bold] FOUREYES #[default] {title}  ");
    tmux.run(&["set-option", "-g", "status-left", &left])?;
    // In the environment and not in the format: a path may hold what a format would obey.
    tmux.run(&["set-environment", "-g", "FOUREYES_STATUS", &shell_words(&spec.status)])?;
    tmux.run(&["set-option", "-g", "status-right", "#(eval \"$FOUREYES_STATUS\")"])?;
    for key in KEYS {
        let args: Vec<&str> = ["bind-key", "-n"].into_iter().chain(key.iter().copied()).collect();
        tmux.run(&args)?;
    }
    // Keeps the grid even on every terminal, unless the user looks at one pane.
    let even = "if-shell -F '#{window_zoomed_flag}' '' 'select-layout tiled'";
    tmux.run(&["set-hook", "-g", "window-resized", even]).map(drop)
}

/// Gives a pane its title and colour and takes its keyboard away.
fn dress(tmux: &Tmux<'_>, id: &str, pane: &PaneSpec) -> Result<(), TmuxError> {
    tmux.run(&["set-option", "-p", "-t", id, "@role", &pane.title])?;
    tmux.run(&["set-option", "-p", "-t", id, "@colour", ink::family(pane.family).tmux()])?;
    tmux.run(&["select-pane", "-d", "-t", id]).map(drop)
}

/// Starts the viewer again in every pane where it ended.
pub(super) fn revive(tmux: &Tmux<'_>) -> Result<(), TmuxError> {
    let panes = tmux.run(&["list-panes", "-s", "-t", SESSION, "-F", "#{pane_dead} #{pane_id}"])?;
    for id in panes.lines().filter_map(|line| line.strip_prefix("1 ")) {
        tmux.run(&["respawn-pane", "-k", "-t", id])?;
    }
    Ok(())
}

/// The words as a shell reads them back, whatever they hold.
pub(super) fn shell_words(words: &[String]) -> String {
    let quoted = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''")));
    quoted.collect::<Vec<_>>().join(" ")
}
