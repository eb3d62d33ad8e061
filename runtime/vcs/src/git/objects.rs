//! Reading objects in bulk through one `git cat-file --batch`.

use super::{
    GitRepository,
    command::{failed_with, io_error, malformed, read_text},
    watchdog::Watchdog,
};
use foureyes_ports::vcs::{Result, VcsError};
use foureyes_protocol::CommitId;
use std::{
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
    thread,
};

/// What git says of an object before its bytes.
pub(super) struct Header {
    pub id: String,
    pub kind: String,
    pub size: u64,
}

/// Takes one object: its place in the list, its header (none where it is missing) and its bytes.
pub(super) type Visit<'a> = dyn FnMut(usize, Option<&Header>, &mut dyn Read) -> Result<()> + 'a;

impl GitRepository {
    /// Visits objects by name, in order. What a visit leaves unread is skipped.
    pub(super) fn each_object(&self, names: &[String], visit: &mut Visit<'_>) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let (what, mut command, limit) =
            self.git("cat-file").args(["--batch", "--buffer", "-z"]).into_parts();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| io_error("starting git cat-file", e))?;
        let watchdog = Watchdog::guard(&child, limit);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (result, text) = thread::scope(|scope| {
            scope.spawn(move || stdin.map(|pipe| feed(pipe, names)));
            let errors = scope.spawn(move || read_text(stderr));
            let result = stdout
                .map_or(Ok(()), |pipe| read_all(BufReader::with_capacity(64 << 10, pipe), names, visit));
            if result.is_err() {
                watchdog.kill();
            }
            (result, errors.join().unwrap_or_default())
        });
        let (status, late) =
            watchdog.wait(&mut child).map_err(|e| io_error("waiting for git cat-file", e))?;
        if late {
            return Err(VcsError::TimedOut { what, seconds: limit.as_secs() });
        }
        result?;
        if status.success() { Ok(()) } else { Err(failed_with(&what, status, &text)) }
    }

    /// One object of a kind, wholly; none where it is missing or of another kind.
    pub(super) fn object(&self, name: &str, kind: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        let mut found = None;
        self.each_object(&[name.to_owned()], &mut |_, header, bytes| {
            let Some(header) = header.filter(|h| h.kind == kind) else { return Ok(()) };
            found = Some(read_capped(header, bytes, cap)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The raw commit.
    pub(super) fn raw_commit(&self, id: &CommitId) -> Result<Vec<u8>> {
        let found = self.object(id.as_str(), "commit", super::COMMIT_CAP)?;
        found.ok_or_else(|| VcsError::NoSuchObject(id.to_string()))
    }
}

/// All bytes of an object that is no larger than `cap`.
pub(super) fn read_capped(header: &Header, bytes: &mut dyn Read, cap: u64) -> Result<Vec<u8>> {
    if header.size > cap {
        return Err(VcsError::TooLarge { what: format!("{} {}", header.kind, header.id), limit: cap });
    }
    let mut all = Vec::with_capacity(usize::try_from(header.size).unwrap_or(0));
    bytes.read_to_end(&mut all).map_err(|e| io_error("reading from git cat-file", e))?;
    Ok(all)
}

/// Names all objects; a reader that has gone away ends it.
fn feed(pipe: impl Write, names: &[String]) {
    let mut pipe = std::io::BufWriter::new(pipe);
    let all = names.iter().try_for_each(|name| {
        pipe.write_all(name.as_bytes())?;
        pipe.write_all(&[0])
    });
    let _ = all.and_then(|()| pipe.flush());
}

fn read_all(mut pipe: impl BufRead, names: &[String], visit: &mut Visit<'_>) -> Result<()> {
    let broken = |e| io_error("reading from git cat-file", e);
    for (place, name) in names.iter().enumerate() {
        let mut line = Vec::new();
        pipe.read_until(b'\n', &mut line).map_err(broken)?;
        let Some(header) = parse_header(&line, name)? else {
            visit(place, None, &mut std::io::empty())?;
            continue;
        };
        let mut bytes = pipe.by_ref().take(header.size);
        visit(place, Some(&header), &mut bytes)?;
        std::io::copy(&mut bytes, &mut std::io::sink()).map_err(broken)?;
        pipe.read_exact(&mut [0]).map_err(broken)?;
    }
    Ok(())
}

/// `<id> <kind> <size>`, or `<name> missing`.
fn parse_header(line: &[u8], name: &str) -> Result<Option<Header>> {
    let bad = || malformed("answer of git cat-file", line);
    let text = line.strip_suffix(b"\n").ok_or_else(bad)?;
    if text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest == b" missing") {
        return Ok(None);
    }
    let text = std::str::from_utf8(text).map_err(|_| bad())?;
    let [id, kind, size] = text.split(' ').collect::<Vec<_>>()[..] else { return Err(bad()) };
    Ok(Some(Header { id: id.to_owned(), kind: kind.to_owned(), size: size.parse().map_err(|_| bad())? }))
}
