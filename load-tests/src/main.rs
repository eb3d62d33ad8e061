//! Load tests: the real registry, rate limiter, policies and ledger, without agent processes; kills at
//! random moments; and how long the whole program takes to start. Every number is printed beside its
//! limit of the same run, so that it means something on a shared machine.

mod args;
mod audit;
mod bare;
mod envelopes;
mod error;
mod kill;
mod measure;
mod senders;
mod startup;
mod world;

use args::{Cli, Envelopes, Test};
use clap::Parser;
use error::Failure;
use serde::Serialize;
use std::{fmt::Display, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("load-tests: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Some(Test::Startup(startup)) => print(startup.json, &startup::run(&startup)?),
        Some(Test::Victim { dir, senders }) => runtime()?.block_on(kill::victim(&dir, senders)),
        None => match cli.envelopes.kill {
            Some(times) => {
                let report = kill::run(usize::from(cli.envelopes.senders), usize::from(times))?;
                print(cli.envelopes.json, &report)
            }
            None => print(cli.envelopes.json, &runtime()?.block_on(envelopes::run(plan(&cli.envelopes)))?),
        },
    }
}

fn plan(args: &Envelopes) -> envelopes::Plan {
    let senders = usize::from(args.senders);
    envelopes::Plan {
        agents: usize::from(args.agents).max(senders),
        load: senders::Load { senders, time: Duration::from_secs(args.seconds), read: args.read },
        rounds: usize::from(args.rounds),
    }
}

/// One thread for all senders: they are cheap, and the machine's other threads belong to the core and
/// to the ledger.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(error::io("a runtime"))
}

fn print<T: Serialize + Display>(json: bool, report: &T) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string(report).map_err(|e| Failure::Other(e.to_string()))?;
        println!("{text}");
    } else {
        print!("{report}");
    }
    Ok(())
}
