//! The grid of terminals with made-up agents.

use crate::scenes;
use async_trait::async_trait;
use foureyes_display::attach::{Options, ScreenFeed, ScreenUpdate, run};
use foureyes_display::tmux::{PaneSpec, TmuxError, TmuxSpec};
use foureyes_ports::screen::ScreenSnapshot;
use foureyes_ports::view::RoleView;
use std::sync::Arc;
use std::time::Duration;

/// Opens the grid on a server of its own.
pub fn open() -> Result<(), TmuxError> {
    let me = std::env::current_exe().map_err(TmuxError::Start)?.display().to_string();
    let view = scenes::flight();
    let pane = |role: &RoleView| PaneSpec {
        title: role.id.to_string(),
        family: role.family,
        argv: vec![me.clone(), "viewer".to_owned(), role.id.to_string()],
    };
    foureyes_display::tmux::open(&TmuxSpec {
        socket: "foureyes-preview".to_owned(),
        socket_dir: None,
        title: view.repository.clone(),
        panes: view.roles.iter().map(pane).collect(),
        status: vec![me.clone(), "line".to_owned()],
        read_only: false,
    })
}

/// An agent that counts.
struct Counting {
    role: RoleView,
    n: u32,
}

#[async_trait]
impl ScreenFeed for Counting {
    async fn next(&mut self) -> Option<ScreenUpdate> {
        tokio::time::sleep(Duration::from_millis(if self.n == 0 { 0 } else { 500 })).await;
        self.n += 1;
        let text = format!("$ cargo test\nrunning {} tests\ntest an_empty_list ... FAILED\n", self.n);
        Some(ScreenUpdate {
            role: self.role.id.clone(),
            family: self.role.family,
            state: self.role.state,
            work: self.role.work.clone(),
            restarts: self.role.restarts,
            taken: false,
            screen: Arc::new(ScreenSnapshot::of_text(&text, 24, 80)),
        })
    }
}

/// The viewer of one role.
pub async fn view(name: &str) -> Result<(), foureyes_display::SinkError> {
    let role = scenes::flight().roles.into_iter().find(|r| r.id.as_str() == name);
    let role = role.expect("a role of the scenes");
    let end = run(&mut Counting { role, n: 0 }, Options { colour: true, hint: false }).await?;
    println!("{end:?}");
    Ok(())
}
