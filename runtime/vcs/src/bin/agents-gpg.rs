//! Git's `gpg.program` as a small program of its own (the multi-call program can stand in for it).

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    foureyes_vcs::openpgp::gpg_shim::main(&args)
}
