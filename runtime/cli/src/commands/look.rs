//! `status`, `ps`, `inbox`, `gate`, `feature list|show`, `logs`: the picture, laid out.

use super::{Place, print};
use crate::{
    args::{GateArgs, LogsArgs, StatusArgs},
    control::protocol::{Request, Response},
    error::CliError,
    exit::Exit,
    terminal,
};
use foureyes_display::{
    log::{Entry, Format, changes},
    status,
};
use foureyes_ports::view::View;
use foureyes_protocol::{FeatureId, Kind};
use std::{
    collections::HashMap,
    io::{self, Write as _},
    process::ExitCode,
};

pub(super) fn status(place: &Place, args: StatusArgs) -> Result<ExitCode, CliError> {
    let view = match place.client()?.view() {
        // A status bar goes on asking: it is shown that nothing runs.
        Err(error) if args.tmux && error.exit == Exit::NotRunning => return print("the runtime has ended\n"),
        view => view?,
    };
    match (args.json, args.line, args.tmux) {
        (true, _, _) => print(&status::json(&view)),
        (_, _, true) => print(&(status::tmux_status_line(&view) + "\n")),
        (_, true, _) => print(&(status::status_line(&view) + "\n")),
        _ => print(&status::summary(&view, terminal::page())),
    }
}

pub(super) fn ps(place: &Place, json: bool) -> Result<ExitCode, CliError> {
    let view = place.client()?.view()?;
    print(&if json { status::json(&view.roles) } else { status::ps(&view, terminal::page()) })
}

pub(super) fn inbox(place: &Place, json: bool) -> Result<ExitCode, CliError> {
    let view = place.client()?.view()?;
    print(&if json { status::json(&view.questions) } else { status::inbox(&view, terminal::page()) })
}

pub(super) fn gate(place: &Place, args: &GateArgs) -> Result<ExitCode, CliError> {
    let view = place.client()?.view()?;
    let shown = match (args.json, &args.feature) {
        (true, Some(id)) => view.features.iter().find(|f| f.id == *id).map(status::json),
        (true, None) => Some(status::json(&view.features)),
        (false, only) => status::gate(&view, only.as_ref(), terminal::page()),
    };
    print(&shown.ok_or_else(|| unknown(args.feature.as_ref()))?)
}

pub(super) fn feature_list(place: &Place, json: bool) -> Result<ExitCode, CliError> {
    let view = place.client()?.view()?;
    print(&if json { status::json(&view.features) } else { status::feature_list(&view, terminal::page()) })
}

pub(super) fn feature_show(place: &Place, id: &FeatureId, json: bool) -> Result<ExitCode, CliError> {
    let view = place.client()?.view()?;
    let shown = match json {
        true => view.features.iter().find(|f| f.id == *id).map(status::json),
        false => status::feature_show(&view, id, terminal::page()),
    };
    print(&shown.ok_or_else(|| unknown(Some(id)))?)
}

fn unknown(id: Option<&FeatureId>) -> CliError {
    let error = CliError::new(Exit::No, "there is no such feature").hint("agents feature list");
    match id {
        Some(id) => error.at(id),
        None => error,
    }
}

pub(super) fn logs(place: &Place, args: &LogsArgs) -> Result<ExitCode, CliError> {
    let wanted = Wanted::of(args)?;
    let client = place.client()?;
    if !args.follow {
        let view = client.view()?;
        return print(&newest(wanted.lines(&View::default(), &view), args.max).concat());
    }
    let mut shown = View::default();
    let mut written: io::Result<()> = Ok(());
    client.stream(Request::Watch, &mut |response| {
        let Response::View(view) = response else { return true };
        let lines = wanted.lines(&shown, &view);
        let lines = if shown.version == 0 { newest(lines, args.max) } else { lines };
        let mut out = io::stdout().lock();
        written = out.write_all(lines.concat().as_bytes()).and_then(|()| out.flush());
        shown = *view;
        written.is_ok()
    })?;
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Exit::Internal, "cannot write the log").because(&e))
        }
        _ => Ok(Exit::Ok.into()),
    }
}

fn newest(mut lines: Vec<String>, max: u64) -> Vec<String> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let first = lines.len().saturating_sub(max);
    lines.split_off(first)
}

/// Which lines are wanted, and how.
struct Wanted<'a> {
    kind: Option<Kind>,
    feature: Option<&'a FeatureId>,
    format: Format,
}

impl<'a> Wanted<'a> {
    fn of(args: &'a LogsArgs) -> Result<Self, CliError> {
        let kind = args.kind.as_deref().map(parse_kind).transpose()?;
        let format = if args.json { Format::Json } else { Format::Text };
        Ok(Self { kind, feature: args.feature.as_ref(), format })
    }

    fn lines(&self, before: &View, after: &View) -> Vec<String> {
        let kinds: HashMap<u64, &str> = after.messages.iter().map(|m| (m.record, m.kind.as_str())).collect();
        let wanted = |entry: &&Entry| {
            let kind = entry.record.and_then(|record| kinds.get(&record).copied());
            self.kind.is_none_or(|wanted| kind == Some(wanted.as_str()))
                && self.feature.is_none_or(|wanted| entry.feature.as_ref() == Some(wanted))
        };
        let entries = changes(before, after);
        entries.iter().filter(wanted).map(|entry| entry.line(self.format) + "\n").collect()
    }
}

fn parse_kind(text: &str) -> Result<Kind, CliError> {
    let found = Kind::ALL.iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        CliError::new(Exit::Usage, "there is no such kind of message")
            .at(text)
            .hint(format!("one of {}", names.join(", ")))
    })
}
