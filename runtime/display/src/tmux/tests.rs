use super::*;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

const ROLES: [(&str, Family); 12] = [
    ("orchestrator", Family::Orchestrator),
    ("librarian", Family::Librarian),
    ("planner-a", Family::Planner),
    ("planner-b", Family::Planner),
    ("architect-a", Family::Architect),
    ("architect-b", Family::Architect),
    ("architect-c", Family::Architect),
    ("dev-a", Family::Dev),
    ("dev-b", Family::Dev),
    ("qa-a", Family::Qa),
    ("qa-b", Family::Qa),
    ("docs", Family::Docs),
];

/// A grid of its own for each test; its server ends with the test.
struct Grid {
    spec: TmuxSpec,
    _dir: TempDir,
}

impl Grid {
    fn new(roles: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let pane = |(name, family): &(&str, Family)| PaneSpec {
            title: (*name).to_owned(),
            family: *family,
            argv: ["sh", "-c", "echo \"viewer of $0\"; exec cat", name].map(str::to_owned).to_vec(),
        };
        let spec = TmuxSpec {
            socket: "grid".to_owned(),
            socket_dir: Some(dir.path().to_owned()),
            title: "tal#{ly}".to_owned(),
            panes: ROLES[..roles].iter().map(pane).collect(),
            status: ["printf", "%s", "GREEN it's $HOME ##(x)"].map(str::to_owned).to_vec(),
            read_only: true,
        };
        Self { spec, _dir: dir }
    }

    fn ask(&self, args: &[&str]) -> String {
        Tmux::new(&self.spec).run(args).expect("tmux answers")
    }

    fn panes(&self, format: &str) -> Vec<String> {
        self.ask(&["list-panes", "-s", "-t", SESSION, "-F", format]).lines().map(str::to_owned).collect()
    }

    fn wait_for(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < deadline, "{what} within ten seconds");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Attaches a real client, whose terminal is a pane of another private server; the returned
    /// function tells what that terminal shows.
    fn client(&self) -> impl Fn() -> String {
        let outer = TmuxSpec { socket: "outer".to_owned(), ..self.spec.clone() };
        let inner =
            ["env", "-u", "TMUX", "tmux", "-L", &self.spec.socket, "attach-session", "-f", "read-only"];
        let mut args = vec!["new-session", "-d", "-x", "120", "-y", "40", "--"];
        args.extend(inner);
        Tmux::new(&outer).run(&args).expect("a terminal for the client");
        move || Tmux::new(&outer).run(&["capture-pane", "-p"]).expect("the terminal is there")
    }

    fn shows(&self, pane: &str, text: &str) {
        self.wait_for(text, || self.ask(&["capture-pane", "-p", "-t", pane]).contains(text));
    }
}

impl Drop for Grid {
    fn drop(&mut self) {
        let outer = TmuxSpec { socket: "outer".to_owned(), ..self.spec.clone() };
        let _ = (close(&outer), close(&self.spec));
    }
}

#[test]
fn twelve_roles_stand_in_four_rows_of_three_and_a_killed_server_opens_again() {
    let grid = Grid::new(12);
    assert!(!is_open(&grid.spec).expect("tmux is installed"));
    for _ in 0..2 {
        ensure(&grid.spec).expect("the grid opens");
        let shown = grid.panes("#{pane_id} #{@role} #{pane_top} #{pane_left} #{pane_input_off}");
        let fields: Vec<Vec<&str>> = shown.iter().map(|line| line.split(' ').collect()).collect();
        assert_eq!(fields.iter().map(|f| f[1]).collect::<Vec<_>>(), ROLES.map(|r| r.0));
        for row in fields.chunks(3) {
            assert!(row.iter().all(|f| f[2] == row[0][2]), "{shown:?}");
        }
        let left: Vec<_> = fields.iter().map(|f| f[3]).collect();
        assert!(left.chunks(3).all(|row| row == &left[..3]), "{shown:?}");
        assert!(fields.iter().all(|f| f[4] == "1"), "no pane takes input: {shown:?}");
        fields.iter().for_each(|f| grid.shows(f[0], &format!("viewer of {}", f[1])));
        close(&grid.spec).expect("the server ends");
        assert!(!is_open(&grid.spec).expect("tmux is installed"));
    }
}

#[test]
fn opening_again_keeps_what_is_there_and_mends_what_is_not() {
    let grid = Grid::new(3);
    ensure(&grid.spec).expect("the grid opens");
    let before = grid.panes("#{pane_id} #{pane_pid}");
    ensure(&grid.spec).expect("it is open");
    assert_eq!(grid.panes("#{pane_id} #{pane_pid}"), before, "nothing was started anew");

    let ids = grid.panes("#{pane_id}");
    grid.ask(&["respawn-pane", "-k", "-t", &ids[1], "true", "x"]);
    grid.wait_for("a dead pane", || grid.panes("#{pane_dead}").contains(&"1".to_owned()));
    ensure(&grid.spec).expect("the dead pane is started again");
    assert_eq!(grid.panes("#{pane_id}"), ids);

    grid.ask(&["kill-pane", "-t", &ids[0]]);
    ensure(&grid.spec).expect("the grid is built anew");
    assert_eq!(grid.panes("#{@role}"), ["orchestrator", "librarian", "planner-a"]);
}

#[test]
fn colours_titles_and_status_line_are_set() {
    let grid = Grid::new(4);
    ensure(&grid.spec).expect("the grid opens");
    assert_eq!(grid.panes("#{@colour}"), ["red", "red", "brightblue", "brightblue"]);
    let ids = grid.panes("#{pane_id}");
    let expand = |what: &str| grid.ask(&["display-message", "-p", "-t", &ids[2], what]);
    assert_eq!(expand("#{E:pane-border-style}"), "fg=brightblue");
    let border = expand("#{E:pane-border-format}");
    assert!(border.contains(" planner-a"), "{border}");
    let screen = grid.client();
    grid.wait_for("the status line", || screen().contains("GREEN it's $HOME #(x)"));
    let seen = screen();
    assert!(seen.contains(" FOUREYES  tal#{ly}"), "{seen}");
    for role in &ROLES[..4] {
        assert!(seen.contains(&format!(" {} ", role.0)), "{seen}");
    }
    assert_eq!(grid.ask(&["show-options", "-gv", "mouse"]), "on");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a real shell judges")]
fn words_pass_a_shell_unchanged() {
    let words = ["a b", "it's", "$(x)", "", "a)b#"].map(str::to_owned);
    let script = format!("printf '%s|' {}", setup::shell_words(&words));
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|it's|$(x)||a)b#|");
}

#[test]
fn a_grid_without_panes_is_told() {
    let grid = Grid::new(0);
    assert!(matches!(ensure(&grid.spec), Err(TmuxError::NoPanes)));
}
