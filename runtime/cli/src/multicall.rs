//! One binary, many names: what runs inside a sandbox is this program under another name.

use std::{env, ffi::OsString, path::Path, process::ExitCode};

/// Runs the mode that the program's name or first argument selects; `None` for the command line
/// itself. Called first thing in `main`, before any thread exists.
pub fn dispatch() -> Option<ExitCode> {
    let mut args = env::args_os();
    let program = args.next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|n| n.to_str()).unwrap_or("agents").to_owned();
    let args: Vec<OsString> = args.collect();
    if let Some(code) = foureyes_session::sandbox::multicall::dispatch(&name, &args) {
        return Some(code);
    }
    match name.as_str() {
        "agents-gpg" => Some(foureyes_vcs::openpgp::gpg_shim::main(&args)),
        "git-remote-agents" => Some(exit(foureyes_vcs::git::remote_helper::main(args))),
        "agents-mcp" => Some(foureyes_gateway::bridge::main(texts(args))),
        "agents-hook" => Some(hook(args)),
        "agents-play" => Some(foureyes_gateway::player::main(env::args_os())),
        _ => None,
    }
}

/// Two programs call a hook by this name: git, and an agent's program. What neither knows is refused.
fn hook(args: Vec<OsString>) -> ExitCode {
    let name = args.first().and_then(|name| name.to_str());
    match name.is_some_and(|name| foureyes_hooks::HOOKS.contains(&name)) {
        true => foureyes_hooks::main(args),
        false => foureyes_gateway::hook::main(args),
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn texts(args: Vec<OsString>) -> impl Iterator<Item = String> {
    args.into_iter().map(|a| a.to_string_lossy().into_owned())
}
