//! Taking a push: git's receive-pack, in our own hands.
//!
//! git's own `receive-pack` moves refs when its hook is missing or cannot be executed, and moves
//! them one by one. Here nothing can be skipped: objects are unpacked into a quarantine, checked,
//! shown to the judge, and only then moved into the store; all refs move in one transaction.

use super::{
    GitRepository,
    command::{failed, failed_with, io_error, malformed, read_text},
    pktline::{FLUSH, Wire, band, packet},
    refs::check_name,
    temp::TempDir,
    watchdog::Watchdog,
};
use foureyes_ports::vcs::{
    Judge, ObjectFormat, PushLimits, PushOutcome, PushRequest, RefUpdate, Refusal, Result, VcsError,
};
use foureyes_protocol::{CommitId, PrincipalId};
use std::{
    ffi::OsString,
    fs, io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::Stdio,
};

/// What the client sent before the pack.
struct Commands {
    updates: Vec<RefUpdate>,
    side_band: bool,
}

/// Why a push did not go through: told to the client, or also to us.
enum Stop {
    Refused(Vec<String>),
    Broken(VcsError),
}

impl From<VcsError> for Stop {
    fn from(error: VcsError) -> Self {
        Stop::Broken(error)
    }
}

/// One line of refusal.
fn refused(line: &str) -> Stop {
    Stop::Refused(vec![line.to_owned()])
}

/// Serves one push.
pub(super) fn serve(
    repository: &GitRepository,
    role: &PrincipalId,
    connection: &UnixStream,
    limits: &PushLimits,
    judge: Judge<'_>,
) -> Result<PushOutcome> {
    let mut wire = Wire::new(connection, limits.time)?;
    wire.send(&advertisement(repository)?)?;
    let mut commands = Commands { updates: Vec::new(), side_band: false };
    let verdict = match read_commands(&mut wire, repository, limits, &mut commands) {
        Ok(()) if commands.updates.is_empty() => return Ok(PushOutcome::Nothing),
        Ok(()) => take(repository, role, &mut wire, &commands.updates, limits, judge),
        Err(stop) => Err(stop),
    };
    let report = report(&commands, &verdict);
    // The verdict stands, whether or not the client stays to hear it.
    let _ = wire.send(&report);
    wire.finish();
    match verdict {
        Ok(()) => Ok(PushOutcome::Accepted(commands.updates)),
        Err(Stop::Refused(lines)) => Ok(PushOutcome::Refused { updates: commands.updates, lines }),
        Err(Stop::Broken(error)) => Err(error),
    }
}

/// The branches with our capabilities.
fn advertisement(repository: &GitRepository) -> Result<Vec<u8>> {
    let format = match repository.format {
        ObjectFormat::Sha1 => "sha1",
        ObjectFormat::Sha256 => "sha256",
    };
    let can = format!(
        "report-status delete-refs side-band-64k quiet atomic ofs-delta object-format={format} agent=foureyes"
    );
    let mut lines: Vec<String> =
        repository.refs_below("refs/heads/")?.into_iter().map(|(name, id)| format!("{id} {name}")).collect();
    if lines.is_empty() {
        lines.push(format!("{} capabilities^{{}}", repository.zero()));
    }
    lines[0] += &format!("\0{can}");
    let packets = lines.iter().flat_map(|line| packet(format!("{line}\n").as_bytes()));
    Ok(packets.chain(FLUSH.iter().copied()).collect())
}

/// Reads the wanted updates up to the flush.
fn read_commands(
    wire: &mut Wire<'_>,
    repository: &GitRepository,
    limits: &PushLimits,
    commands: &mut Commands,
) -> Result<(), Stop> {
    loop {
        let line = match wire.read() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            // A client that saw the refs and had nothing to say just goes.
            Err(VcsError::Io { source, .. }) if commands.updates.is_empty() && is_gone(&source) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if line.starts_with(b"shallow ") {
            return Err(refused("a shallow clone cannot push; run `git fetch --unshallow` first"));
        }
        let mut halves = line.splitn(2, |b| *b == 0);
        let command = halves.next().unwrap_or_default();
        if let Some(wanted) = halves.next() {
            commands.side_band |= wanted.split(|b| b.is_ascii_whitespace()).any(|w| w == b"side-band-64k");
        }
        if commands.updates.len() == limits.refs {
            return Err(refused(&format!(
                "more than {} refs at once; push one branch at a time",
                limits.refs
            )));
        }
        commands.updates.push(parse_command(repository, command)?);
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset)
}

/// `<old> <new> <name>`.
fn parse_command(repository: &GitRepository, line: &[u8]) -> Result<RefUpdate> {
    let bad = || malformed("push command", line);
    let text = std::str::from_utf8(line).map_err(|_| bad())?.trim_end_matches('\n');
    let [old, new, name] = text.splitn(3, ' ').collect::<Vec<_>>()[..] else { return Err(bad()) };
    let zero = repository.zero();
    let id = |text: &str| {
        let id = CommitId::new(text).map_err(|_| bad())?;
        if text.len() == zero.len() { Ok((!id.is_zero()).then_some(id)) } else { Err(bad()) }
    };
    check_name(name)?;
    Ok(RefUpdate { name: name.to_owned(), old: id(old)?, new: id(new)? })
}

/// Unpacks, checks, asks, keeps and moves.
fn take(
    repository: &GitRepository,
    role: &PrincipalId,
    wire: &mut Wire<'_>,
    updates: &[RefUpdate],
    limits: &PushLimits,
    judge: Judge<'_>,
) -> Result<(), Stop> {
    updates.iter().try_for_each(check_shape)?;
    let quarantine = repository.temp_dir()?;
    unpack(repository, wire, quarantine.path(), limits)?;
    let incoming = repository.with_quarantine(quarantine.path());
    check_objects(&incoming, updates)?;
    let request = PushRequest { role: role.clone(), updates: updates.to_vec() };
    let no = |Refusal { lines }: Refusal| Stop::Refused(lines);
    let permit = judge(&request, &incoming).map_err(no)?;
    keep(repository, &quarantine)?;
    permit(&mut || repository.move_refs(updates)).map_err(no)?.map_err(|error| match error {
        VcsError::RefMoved { .. } => refused(&error.to_string()),
        other => Stop::Broken(other),
    })
}

/// What no judge need be asked about.
fn check_shape(update: &RefUpdate) -> Result<(), Stop> {
    if update.new.is_none() {
        return Err(refused(&format!(
            "{} is not deleted by a push; ask for the feature to be cancelled",
            update.name
        )));
    }
    if !update.name.starts_with("refs/heads/") {
        return Err(refused(&format!(
            "{} is no branch; only branches are pushed, no tags or other refs",
            update.name
        )));
    }
    Ok(())
}

/// Reads the pack from the connection into a quarantine, in bounded time, size and memory.
fn unpack(
    repository: &GitRepository,
    wire: &mut Wire<'_>,
    objects: &Path,
    limits: &PushLimits,
) -> Result<(), Stop> {
    fs::create_dir(objects.join("pack")).map_err(|e| io_error("making the quarantine", e))?;
    let settings = ["core.packedGitWindowSize=16m".to_owned(), "core.packedGitLimit=128m".to_owned()];
    let index = repository.git.command_limited("index-pack", &settings, limits.memory_bytes);
    let index = repository.with_quarantine(objects).bind(index).limit(wire.time_left());
    let index = index.args(["--stdin", "--fix-thin", "--strict", "--threads=1"]);
    let (what, mut command, limit) =
        index.arg(format!("--max-input-size={}", limits.pack_bytes)).into_parts();
    let input: OwnedFd =
        wire.stream().try_clone().map_err(|e| io_error("handing the connection on", e))?.into();
    // The child must not inherit a read timeout, which would look like a broken pack.
    wire.stream().set_read_timeout(None).map_err(|e| io_error("preparing the connection", e))?;
    command.stdin(Stdio::from(input)).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| io_error("starting git index-pack", e))?;
    drop(command);
    let watchdog = Watchdog::guard(&child, limit);
    let text = read_text(child.stderr.take());
    let (status, late) = watchdog.wait(&mut child).map_err(|e| io_error("waiting for git index-pack", e))?;
    if late {
        return Err(refused("the push took too long; push less at once"));
    }
    if status.success() {
        return Ok(());
    }
    let error = failed_with(&what, status, &text);
    Err(refused(&format!("the objects were not taken: {error}; mend or split the commits")))
}

/// Everything that is to be reachable is there, and every ref only goes forward.
fn check_objects(incoming: &GitRepository, updates: &[RefUpdate]) -> Result<(), Stop> {
    let tips: String = updates.iter().filter_map(|u| u.new.as_ref()).map(|id| format!("{id}\n")).collect();
    let walk = incoming.git("rev-list").args(["--objects", "--quiet", "--stdin", "--not", "--all"]);
    let output = walk.input(tips.into_bytes()).output()?;
    if !output.status.success() {
        let error = failed("rev-list", &output);
        return Err(refused(&format!("the push lacks objects: {error}; push from a complete clone")));
    }
    for update in updates {
        let (Some(old), Some(new)) = (&update.old, &update.new) else { continue };
        let ancestor = incoming.git("merge-base").args(["--is-ancestor", old.as_str(), new.as_str()]);
        if !ancestor.test()? {
            let text = format!(
                "{} would lose commits; fetch, merge origin's branch, then push without force",
                update.name
            );
            return Err(refused(&text));
        }
    }
    tips_are_commits(incoming, updates)
}

fn tips_are_commits(incoming: &GitRepository, updates: &[RefUpdate]) -> Result<(), Stop> {
    let tips: Vec<String> = updates.iter().filter_map(|u| u.new.as_ref()).map(CommitId::to_string).collect();
    let mut wrong = None;
    incoming.each_object(&tips, &mut |place, header, _| {
        if header.is_none_or(|h| h.kind != "commit") {
            wrong = Some(tips[place].clone());
        }
        Ok(())
    })?;
    wrong.map_or(Ok(()), |tip| Err(refused(&format!("{tip} is not a commit"))))
}

/// Moves what the quarantine holds into the store, also what the judge wrote there: loose objects
/// first, then packs before their indexes, so that no reader finds a thing without what it needs.
fn keep(repository: &GitRepository, quarantine: &TempDir) -> Result<()> {
    let failed = |e| io_error("keeping the pushed objects", e);
    let store = repository.dir().join("objects");
    let mut folders: Vec<_> = names_in(quarantine.path()).map_err(failed)?;
    folders.retain(|name| name == "pack" || name.len() == 2);
    folders.sort_by_key(|name| name == "pack");
    for folder in folders {
        move_files(&quarantine.path().join(&folder), &store.join(&folder)).map_err(failed)?;
    }
    Ok(())
}

fn names_in(dir: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn move_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut files = names_in(from)?;
    files.sort_by_key(|name| Path::new(name).extension().is_some_and(|e| e == "idx"));
    files.iter().try_for_each(|name| fs::rename(from.join(name), to.join(name)))?;
    fs::File::open(to)?.sync_all()
}

/// The answer: lines for the person on band 2, the status of each ref on band 1.
fn report(commands: &Commands, verdict: &Result<(), Stop>) -> Vec<u8> {
    let lines = match verdict {
        Ok(()) => Vec::new(),
        Err(Stop::Refused(lines)) => lines.clone(),
        Err(Stop::Broken(_)) => vec!["the runtime could not take the push; try again later".to_owned()],
    };
    let mut status = packet(b"unpack ok\n");
    for update in &commands.updates {
        let line = match verdict {
            Ok(()) => format!("ok {}\n", update.name),
            Err(_) => format!("ng {} refused\n", update.name),
        };
        status.extend(packet(line.as_bytes()));
    }
    status.extend_from_slice(FLUSH);
    if !commands.side_band {
        return status;
    }
    let said: String = lines.iter().map(|line| printable(line) + "\n").collect();
    [band(2, said.as_bytes()), band(1, &status), FLUSH.to_vec()].concat()
}

/// One line without control characters.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).collect()
}
