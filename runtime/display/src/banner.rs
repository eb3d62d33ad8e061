//! The banner: what holds, shown before the first agent does anything.

use crate::ink::Ink;
use crate::page::Page;
use crate::table::{Table, cell, flexible, inked, left};
use crate::text::clip;
use crate::words;
use foureyes_ports::sandbox::WallCheck;
use foureyes_protocol::Digest;

/// What the banner tells.
#[derive(Clone, Debug, Default)]
pub struct Banner {
    /// Version of the program.
    pub version: String,
    /// The repository, by name or path.
    pub repository: String,
    /// The target branch.
    pub target: String,
    /// The runtime's epoch.
    pub epoch: u64,
    /// The tier of the sandbox in force, such as `SEPARATE-UID`.
    pub tier: String,
    /// What the self-test tried from inside a sandbox.
    pub self_test: Vec<WallCheck>,
    /// How many roles run.
    pub roles: usize,
    /// How many are started when something waits for them.
    pub asleep: usize,
    /// How long it took until all of them ran, in milliseconds.
    pub roles_up_ms: u64,
    /// Records in the ledger.
    pub records: u64,
    /// Hash of the newest record.
    pub head: Digest,
    /// Tools that the run needs, each with its version, or with what is missing.
    pub prerequisites: Vec<Prerequisite>,
    /// Walls of other kinds that are missing, in words, with what mends it.
    pub warnings: Vec<String>,
}

/// A tool or a property of the machine.
#[derive(Clone, Debug)]
pub struct Prerequisite {
    /// Its name, such as `bubblewrap`.
    pub name: String,
    /// Its version, or the command that mends its absence.
    pub detail: String,
    /// Whether it is there.
    pub met: bool,
}

/// The banner as text. Every wall that did not hold has a line of its own.
pub fn banner(banner: &Banner, page: Page) -> String {
    let mut out = title(banner, page);
    out.push_str(&facts(banner, page));
    out.push_str(&broken_walls(banner, page));
    for warning in &banner.warnings {
        let line = format!("  ! {}", clip(warning, page.columns() - 4));
        out.push_str(&(page.ink(Ink::Yellow, &line) + "\n"));
    }
    out
}

fn title(banner: &Banner, page: Page) -> String {
    let badge = (Ink::Badge, " FOUREYES ".to_owned());
    let name = (Ink::Bold, format!(" {}", clip(&banner.repository, page.columns() / 2)));
    let right = (Ink::Dim, format!("{} · epoch {}", banner.version, banner.epoch));
    page.sides(&[badge, name], &[right]) + "\n"
}

fn facts(banner: &Banner, page: Page) -> String {
    let mut table = Table::new(&[left(""), flexible("")]).indented(2);
    let mut fact = |name: &str, ink, text: String| table.row(vec![inked(Ink::Dim, name), inked(ink, text)]);
    let (walls, colour) = walls(banner);
    fact("sandbox", colour, format!("{} · {walls}", banner.tier));
    fact("roles", Ink::Plain, roles(banner));
    let records = words::count(banner.records, "record");
    fact("ledger", Ink::Plain, format!("{records} · head {}", banner.head.short()));
    fact("lands on", Ink::Plain, banner.target.clone());
    for tool in &banner.prerequisites {
        let (mark, colour) = if tool.met { ("✓", Ink::Plain) } else { ("✗ missing:", Ink::Red) };
        fact(&tool.name, colour, format!("{mark} {}", tool.detail));
    }
    table.render(page)
}

fn roles(banner: &Banner) -> String {
    let up = format!("{} up in {}", banner.roles, words::duration(banner.roles_up_ms));
    match (banner.roles, banner.asleep) {
        (_, 0) => up,
        (0, asleep) => format!("{asleep}, each started when something waits for it"),
        (_, asleep) => format!("{up}, {asleep} more start when something waits for them"),
    }
}

fn walls(banner: &Banner) -> (String, Ink) {
    let (held, all) = (banner.self_test.iter().filter(|w| w.held).count(), banner.self_test.len());
    match (held, all) {
        (_, 0) => ("self-test not run".to_owned(), Ink::Yellow),
        (held, all) if held == all => (format!("self-test: {held} of {all} attacks stopped"), Ink::Green),
        (held, all) => (format!("self-test: only {held} of {all} attacks stopped"), Ink::Red),
    }
}

fn broken_walls(banner: &Banner, page: Page) -> String {
    let mut table = Table::new(&[left(""), left(""), flexible("")]).indented(2);
    for wall in banner.self_test.iter().filter(|w| !w.held) {
        table.row(vec![inked(Ink::Red, "✗"), inked(Ink::Red, &wall.attack), cell(&wall.detail)]);
    }
    table.render(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(held: bool) -> Banner {
        let wall = |attack: &str, held| WallCheck {
            attack: attack.to_owned(),
            held,
            detail: "read 12 bytes of\x1b[2J /etc/shadow".to_owned(),
        };
        Banner {
            version: "0.1.0".to_owned(),
            repository: "tally".to_owned(),
            target: "main".to_owned(),
            epoch: 1,
            tier: "SEPARATE-UID".to_owned(),
            self_test: vec![wall("read-shadow", held), wall("reach-network", true)],
            roles: 12,
            asleep: 0,
            roles_up_ms: 840,
            records: 61,
            head: Digest::of(b"head"),
            prerequisites: vec![
                Prerequisite { name: "git".to_owned(), detail: "2.39.5".to_owned(), met: true },
                Prerequisite { name: "bubblewrap".to_owned(), detail: "0.8.0".to_owned(), met: true },
            ],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn banner_when_all_walls_hold() {
        insta::assert_snapshot!(banner(&sample(true), Page::plain(80)));
    }

    #[test]
    fn banner_when_a_wall_is_open() {
        insta::assert_snapshot!(banner(&sample(false), Page::plain(80)));
    }
}
