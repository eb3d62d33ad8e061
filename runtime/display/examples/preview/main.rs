//! Plays the scenes through the sinks, to look at them.
//!
//! * `preview [SCENE] [--no-colour]`: the live view; without a scene they follow one another.
//! * `preview grid`: the grid in tmux; its panes run `preview viewer ROLE`, its status line
//!   `preview line`.
//! * `preview tables`: what the commands print.

mod grid;
mod scenes;
mod tables;

use foureyes_display::live::{Feed, Options, UserActions, run};
use foureyes_ports::view::View;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Shows at the bottom of the view what the user did.
struct Shown(Mutex<watch::Sender<String>>);

impl Shown {
    fn tell(&self, text: String) {
        self.0.lock().expect("nothing panics while it is held").send_replace(text);
    }
}

impl UserActions for Shown {
    fn answer(&self, number: u64, text: String) {
        assert_ne!(text, "panic", "to see whether the terminal is given back");
        self.tell(format!("answered {number}: {text}"));
    }
    fn decide(&self, number: u64, approve: bool, digest: String, code: String) {
        self.tell(format!("decided {number}: {approve}, {digest}, {code}"));
    }
    fn quit(&self) {}
}

type Scene = (&'static str, fn() -> View, &'static str);

const SCENES: [Scene; 5] = [
    ("start", scenes::start, ""),
    ("flight", scenes::flight, "a lying developer: each refusal with its code and rule"),
    ("question", scenes::question, "the demo's user answers a question"),
    ("frozen", scenes::frozen, ""),
    ("done", scenes::done, ""),
];

async fn play(only: Option<String>, views: watch::Sender<Arc<View>>, captions: watch::Sender<String>) {
    for (name, scene, caption) in SCENES.iter().cycle() {
        if only.as_ref().is_none_or(|wanted| wanted == name) {
            views.send_replace(Arc::new(scene()));
            captions.send_replace((*caption).to_owned());
            tokio::time::sleep(Duration::from_secs(if only.is_some() { 3_600 } else { 4 })).await;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("grid") => grid::open()?,
        Some("viewer") => grid::view(&args[1]).await?,
        Some("line") => println!("{}", foureyes_display::status::tmux_status_line(&scenes::frozen())),
        Some("tables") => tables::print(),
        _ => live(&args).await?,
    }
    Ok(())
}

async fn live(args: &[String]) -> Result<(), foureyes_display::SinkError> {
    let only = args.iter().find(|a| SCENES.iter().any(|s| s.0 == a.as_str())).cloned();
    let (views_tx, views) = watch::channel(Arc::new(scenes::start()));
    let (captions_tx, caption) = watch::channel(String::new());
    let (notice_tx, notice) = watch::channel(String::new());
    tokio::spawn(play(only, views_tx, captions_tx));
    let feed = Feed { views, caption: Some(caption), notice: Some(notice), finished: None };
    let colour = !args.iter().any(|a| a == "--no-colour");
    let end = run(feed, Arc::new(Shown(Mutex::new(notice_tx))), Options { colour }).await?;
    println!("{end:?}");
    Ok(())
}
