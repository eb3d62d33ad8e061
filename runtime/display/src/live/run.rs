//! The loop of the live view: a thread of its own that sleeps until a key, a new picture or the
//! next second of the clock.

use super::draw::draw;
use super::ui::{Effect, Ui};
use super::{THREAD, UserActions};
use crate::SinkError;
use crate::tty::FullScreen;
use crossterm::event::{self, Event, KeyEventKind};
use foureyes_ports::view::View;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// What the view shows.
pub struct Feed {
    /// The picture.
    pub views: watch::Receiver<Arc<View>>,
    /// What is being shown at this moment, for demonstrations; empty for nothing.
    pub caption: Option<watch::Receiver<String>>,
    /// The newest thing to tell the user, such as why an answer was refused; empty for nothing.
    pub notice: Option<watch::Receiver<String>>,
    /// Whether the run is over: any key closes the view then.
    pub finished: Option<watch::Receiver<bool>>,
}

impl Feed {
    /// Makes what is there already count as news.
    fn mark_changed(&mut self) {
        self.views.mark_changed();
        self.caption.iter_mut().chain(&mut self.notice).for_each(watch::Receiver::mark_changed);
        self.finished.iter_mut().for_each(watch::Receiver::mark_changed);
    }
}

/// How the view looks.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether colours are used ([`crate::colour_wanted`]).
    pub colour: bool,
}

/// Why the view ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveEnd {
    /// The picture ended: the run is over.
    Over,
    /// The user closed the view; the run goes on.
    Left,
    /// The user asked the run to end ([`UserActions::quit`] was called).
    Stopped,
}

/// How long the thread waits for a key before it looks at the picture again.
const TICK: Duration = Duration::from_millis(50);
/// How long the drawing thread has to give the terminal back when the view is dropped.
const FAREWELL: Duration = Duration::from_millis(500);

/// Shows the view on the terminal of the process until the run or the user ends it. Dropping the
/// future closes the view and gives the terminal back.
///
/// # Errors
/// [`SinkError::Terminal`] when the terminal cannot be used or is gone; the run is not touched.
pub async fn run(
    mut feed: Feed,
    actions: Arc<dyn UserActions>,
    options: Options,
) -> Result<LiveEnd, SinkError> {
    feed.mark_changed();
    let stop = Arc::new(AtomicBool::new(false));
    let (gone_tx, gone) = mpsc::channel::<()>();
    let (ended_tx, ended) = oneshot::channel();
    let thread_stop = stop.clone();
    let spawned = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
        let end = show(feed, actions.as_ref(), options, &thread_stop);
        // Nobody listens any more when the view was dropped.
        let _ = ended_tx.send(end);
        drop(gone_tx);
    });
    spawned.map_err(SinkError::terminal("live view"))?;
    let _closer = Closer { stop, gone };
    ended.await.unwrap_or(Err(SinkError::Died { sink: "live view" }))
}

/// Ends the thread when the future is dropped, and waits until the terminal is given back.
struct Closer {
    stop: Arc<AtomicBool>,
    gone: mpsc::Receiver<()>,
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.gone.recv_timeout(FAREWELL);
    }
}

fn show(
    mut feed: Feed,
    actions: &dyn UserActions,
    options: Options,
    stop: &AtomicBool,
) -> Result<LiveEnd, SinkError> {
    let trouble = SinkError::terminal("live view");
    let _screen = FullScreen::enter().map_err(&trouble)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(std::io::stdout())).map_err(&trouble)?;
    let mut ui = Ui::new(options.colour);
    let mut clock = Clock::new();
    let mut redraw = true;
    while !stop.load(Ordering::SeqCst) {
        if update(&mut feed, &mut ui, &mut clock) | clock.advance(&mut ui) | redraw {
            terminal.draw(|frame| draw(frame, &ui)).map_err(&trouble)?;
        }
        redraw = false;
        if feed.views.has_changed().is_err() {
            return Ok(LiveEnd::Over);
        }
        if event::poll(TICK).map_err(&trouble)? {
            redraw = true;
            let event = event::read().map_err(&trouble)?;
            if let Some(end) = react(&event, &mut ui, actions) {
                return Ok(end);
            }
        }
    }
    Ok(LiveEnd::Left)
}

/// Takes over what is new and tells whether there was anything.
fn update(feed: &mut Feed, ui: &mut Ui, clock: &mut Clock) -> bool {
    let mut new = feed.views.has_changed().unwrap_or(false);
    if new {
        ui.show(feed.views.borrow_and_update().clone());
        clock.restart();
    }
    new |= taken(&mut feed.caption, |text| ui.caption = crate::text::clean(text));
    new |= taken(&mut feed.notice, |text| ui.notice = crate::text::clean(text));
    new | taken(&mut feed.finished, |finished| ui.finished = *finished)
}

/// Looks at a value if it changed, and tells whether it did.
fn taken<T>(source: &mut Option<watch::Receiver<T>>, take: impl FnOnce(&T)) -> bool {
    let changed = source.as_mut().filter(|s| s.has_changed().unwrap_or(false));
    changed.map(|source| take(&source.borrow_and_update())).is_some()
}

fn react(event: &Event, ui: &mut Ui, actions: &dyn UserActions) -> Option<LiveEnd> {
    let effect = match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => ui.key(*key),
        Event::Paste(text) => {
            ui.paste(text);
            None
        }
        _ => None,
    };
    match effect? {
        Effect::Answer { number, text } => actions.answer(number, text),
        Effect::Decide { number, approve, digest, code } => actions.decide(number, approve, digest, code),
        Effect::Leave => return Some(LiveEnd::Left),
        Effect::Stop => {
            actions.quit();
            return Some(LiveEnd::Stopped);
        }
    }
    None
}

/// The run's clock between two pictures: it goes on although nothing happens.
struct Clock {
    shown: Option<Instant>,
}

impl Clock {
    fn new() -> Self {
        Self { shown: None }
    }

    fn restart(&mut self) {
        self.shown = Some(Instant::now());
    }

    /// Sets the time that is shown; whether that is another second or another step of the spinner.
    fn advance(&mut self, ui: &mut Ui) -> bool {
        let since = self.shown.map_or(0, |at| u64::try_from(at.elapsed().as_millis()).unwrap_or(0));
        ui.set_elapsed(since)
    }
}
