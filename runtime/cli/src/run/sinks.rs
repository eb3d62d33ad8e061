//! What `agents run` shows: the live view on a terminal, lines elsewhere. A sink that dies is told and
//! replaced by nothing: the run goes on.

use super::{
    End,
    demo::Stage,
    desk::{Desk, Typed},
};
use crate::{args::RunArgs, terminal};
use foureyes_display::{
    is_interactive,
    live::{self, Feed, LiveEnd, Options, UserActions},
    log,
};
use foureyes_ports::view::View;
use std::{io::Write, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

/// When a run ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// When every feature is done or cancelled.
    pub until_done: bool,
    /// How long a terminal stays open then, unless a key is pressed.
    pub stay_open: Duration,
}

/// The user's acts in the live view, handed to the desk.
struct Actions {
    desk: Desk,
    runtime: Handle,
    notice: watch::Sender<String>,
    asked: Arc<Notify>,
}

impl Actions {
    fn told(&self, act: impl Future<Output = Result<String, foureyes_protocol::Reason>> + Send + 'static) {
        let notice = self.notice.clone();
        self.runtime.spawn(async move {
            let text = match act.await {
                Ok(_) => String::new(),
                Err(reason) => reason.to_string(),
            };
            notice.send_replace(text);
        });
    }
}

impl UserActions for Actions {
    fn answer(&self, number: u64, text: String) {
        let desk = self.desk.clone();
        self.told(async move { desk.answer(&number.to_string(), &text).await });
    }

    fn decide(&self, number: u64, approve: bool, digest: String, code: String) {
        let desk = self.desk.clone();
        let typed = (!code.is_empty()).then_some(Typed { digest, code });
        self.told(async move {
            match approve {
                true => desk.approve(&number.to_string(), typed).await,
                false => desk.reject(&number.to_string(), "the user refuses", typed).await,
            }
        });
    }

    fn quit(&self) {
        self.asked.notify_one();
    }
}

/// Shows the run until it is over.
pub(super) async fn show(
    args: &RunArgs,
    views: watch::Receiver<Arc<View>>,
    desk: Desk,
    ending: Ending,
    head: String,
    stage: &Stage,
    asked: Arc<Notify>,
) -> End {
    let interactive = is_interactive() && !args.plain && !args.json;
    if !args.json {
        println!("{head}");
    }
    let (finished_tx, finished) = watch::channel(false);
    let done = async {
        over(views.clone(), ending).await;
        finished_tx.send_replace(true);
        if interactive {
            tokio::time::sleep(ending.stay_open).await;
        }
        End::Done
    };
    if !interactive {
        let lines = lines(args, views.clone());
        return tokio::select! {
            end = done => { let_it_print().await; end },
            () = lines => End::Asked,
        };
    }
    let notice = watch::channel(String::new()).0;
    let feed = Feed {
        views: views.clone(),
        caption: Some(stage.caption()),
        notice: Some(notice.subscribe()),
        finished: Some(finished.clone()),
    };
    let actions = Arc::new(Actions { desk, runtime: Handle::current(), notice, asked });
    let view = live::run(feed, actions, Options { colour: terminal::colours(true) });
    tokio::select! {
        end = done => end,
        ended = view => match ended {
            Ok(LiveEnd::Stopped) => End::Asked,
            Ok(LiveEnd::Over | LiveEnd::Left) if *finished.borrow() => End::Done,
            Ok(_) => on_without_view(views, ending, "the view is closed, the run goes on: `agents attach` shows it, Ctrl-C ends it").await,
            Err(error) => on_without_view(views, ending, &format!("{error}; the run goes on: `agents attach` shows it")).await,
        },
    }
}

async fn on_without_view(views: watch::Receiver<Arc<View>>, ending: Ending, why: &str) -> End {
    eprintln!("{why}");
    over(views, ending).await;
    End::Done
}

async fn lines(args: &RunArgs, views: watch::Receiver<Arc<View>>) {
    let format = if args.json { log::Format::Json } else { log::Format::Text };
    let mut out: Box<dyn Write + Send> = Box::new(std::io::stdout());
    if let Err(error) = log::run(views, out.as_mut(), format).await {
        eprintln!("{error}; the run goes on");
        std::future::pending::<()>().await;
    }
}

/// The last picture reaches the log sink before the closing table is printed.
async fn let_it_print() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Waits until every feature has ended; for ever where the run is to stay.
async fn over(mut views: watch::Receiver<Arc<View>>, ending: Ending) {
    if !ending.until_done {
        return std::future::pending().await;
    }
    let ended = |v: &Arc<View>| {
        !v.features.is_empty() && v.features.iter().all(|f| matches!(f.status.as_str(), "done" | "cancelled"))
    };
    if views.wait_for(ended).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits for a signal that asks for a good end.
pub(super) async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}
