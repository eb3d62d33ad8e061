//! The file in which the program keeps what it does.

use super::dir::Dir;
use serde::Deserialize;
use std::{io, path::Path};

/// The largest record that is read, in bytes.
const MAX: usize = 64 << 10;
/// Names that are looked at in the directory of records.
const MAX_NAMES: usize = 256;

/// What the program does, by its own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It has not said yet.
    Starting,
    /// Waits for a prompt.
    Idle,
    /// Works.
    Busy,
    /// A dialog is open.
    Waiting,
}

/// One reading of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) status: Status,
    /// When the status was last written, by the program's clock. Another stamp means that something
    /// came between, also when the status is the same.
    pub(super) stamp: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Wire {
    session_id: String,
    status: Option<String>,
    status_updated_at: u64,
}

impl Wire {
    fn record(&self) -> Record {
        let status = match self.status.as_deref() {
            None => Status::Starting,
            // A shell that runs in the background does not keep it from taking a prompt.
            Some("idle" | "shell") => Status::Idle,
            Some("waiting") => Status::Waiting,
            // What is not known is no state in which to type.
            Some(_) => Status::Busy,
        };
        Record { status, stamp: self.status_updated_at }
    }
}

/// Reads the record of one session. The file is named after a process id that only the inside knows;
/// once found it is followed, also when a person makes the program begin another session in it.
#[derive(Debug)]
pub(super) struct Records {
    session: String,
    name: Option<String>,
}

impl Records {
    pub(super) fn of(session: uuid::Uuid) -> Self {
        Self { session: session.to_string(), name: None }
    }

    /// The newest reading; `None` while there is none (before the program has begun, while it
    /// rewrites the file, after its end).
    pub(super) fn read(&mut self, config: &Path) -> Option<Record> {
        let dir = Dir::open(config).and_then(|dir| dir.sub("sessions")).ok()?;
        if let Some(name) = &self.name {
            return read(&dir, name).ok().map(|wire| wire.record());
        }
        let names = dir.names(MAX_NAMES).ok()?;
        let ours = |name: &String| read(&dir, name).ok().filter(|wire| wire.session_id == self.session);
        let (name, wire) =
            names.into_iter().filter(|n| is_record(n)).find_map(|n| ours(&n).map(|wire| (n, wire)))?;
        self.name = Some(name);
        Some(wire.record())
    }
}

/// Removes what earlier lives have left, so that none of it is taken for the present one.
pub(super) fn forget(config: &Dir) -> io::Result<()> {
    let dir = match config.sub("sessions") {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for name in dir.names(MAX_NAMES)?.iter().filter(|name| is_record(name)) {
        dir.remove(name)?;
    }
    Ok(())
}

fn is_record(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()))
}

fn read(dir: &Dir, name: &str) -> io::Result<Wire> {
    serde_json::from_slice(&dir.read(name, MAX)?).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn text(session: Uuid, status: &str) -> String {
        format!(r#"{{"pid":2,"sessionId":"{session}","status":"{status}","statusUpdatedAt":7,"x":[]}}"#)
    }

    #[test]
    fn the_record_of_the_session_is_found_and_followed() {
        let root = tempfile::tempdir().unwrap();
        let sessions = root.path().join("sessions");
        let (ours, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut records = Records::of(ours);
        assert_eq!(records.read(root.path()), None);
        std::fs::create_dir(&sessions).unwrap();
        std::fs::write(sessions.join("3.json"), text(other, "busy")).unwrap();
        std::fs::write(sessions.join("2.key"), text(ours, "busy")).unwrap();
        std::os::unix::fs::symlink("3.json", sessions.join("4.json")).unwrap();
        assert_eq!(records.read(root.path()), None);
        std::fs::write(sessions.join("2.json"), r#"{"sessionId":"#).unwrap();
        assert_eq!(records.read(root.path()), None, "half written");
        let begun = text(ours, "x").replace(r#""status":"x","#, "");
        std::fs::write(sessions.join("2.json"), begun).unwrap();
        assert_eq!(records.read(root.path()), Some(Record { status: Status::Starting, stamp: 7 }));
        let statuses = [
            ("idle", Status::Idle),
            ("shell", Status::Idle),
            ("busy", Status::Busy),
            ("waiting", Status::Waiting),
            ("dancing", Status::Busy),
        ];
        for (word, status) in statuses {
            std::fs::write(sessions.join("2.json"), text(other, word)).unwrap();
            assert_eq!(records.read(root.path()), Some(Record { status, stamp: 7 }), "{word}");
        }
        std::fs::write(sessions.join("2.json"), vec![b' '; MAX + 1]).unwrap();
        assert_eq!(records.read(root.path()), None, "too long");
        forget(&Dir::open(root.path()).unwrap()).unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(&sessions).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["2.key"]);
    }
}
