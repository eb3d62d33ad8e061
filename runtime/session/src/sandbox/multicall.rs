//! The modes of the one binary that belong to the sandbox.

use super::{attack, ceiling, starter};
use crate::init;
use std::{ffi::OsString, process::ExitCode};

/// Runs the mode that the program's own name or its first argument selects, or answers `None`
/// when neither belongs to the sandbox. `name` is the last part of `argv[0]`; `args` is what
/// follows it. To be called first thing in `main`, before any thread exists.
pub fn dispatch(name: &str, args: &[OsString]) -> Option<ExitCode> {
    let (first, rest) = args.split_first().map_or((None, args), |(first, rest)| (first.to_str(), rest));
    match (name, first) {
        ("agents-init", Some("__attack")) => Some(attack::main()),
        ("agents-init", Some("__sibling")) => Some(attack::sibling()),
        ("agents-init", _) => init::main(args),
        (_, Some("__starter")) => starter::main(rest.first().map_or("".as_ref(), |json| json.as_os_str())),
        (_, Some("__ceiling")) => Some(ceiling::main(rest)),
        _ => None,
    }
}
