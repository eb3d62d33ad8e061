//! How a process ended, in the words of a report.

use crate::text;
use foureyes_ports::sandbox::RunResult;
use foureyes_protocol::testrun::{RunOutcome, TestResult};
use std::time::Duration;

/// A broken environment, cleaned and bounded (4 KiB).
pub(crate) fn broken(message: impl AsRef<str>) -> RunOutcome {
    RunOutcome::BrokenEnvironment { message: bounded(message.as_ref()) }
}

/// A build that failed in these files.
pub(crate) fn build_failed(files: impl IntoIterator<Item = String>, message: &str) -> RunOutcome {
    let mut files: Vec<String> = files.into_iter().collect();
    files.sort();
    files.dedup();
    RunOutcome::BuildFailed { files, message: bounded(message) }
}

/// The run's time is over; names the slowest tests.
pub(crate) fn out_of_time(limit: Duration, tests: &[TestResult]) -> RunOutcome {
    let mut message = format!("the run took longer than its limit of {} s", limit.as_secs_f32());
    let mut slow: Vec<&TestResult> = tests.iter().collect();
    slow.sort_by_key(|test| std::cmp::Reverse(test.millis));
    let names: Vec<String> = slow.iter().take(5).map(|t| format!("{} ({} ms)", t.id, t.millis)).collect();
    if !names.is_empty() {
        message.push_str(&format!("; slowest tests: {}", names.join(", ")));
    }
    RunOutcome::LimitExceeded { message: bounded(&message) }
}

fn bounded(message: &str) -> String {
    text::head(text::clean(message.as_bytes()).trim(), 4096).to_owned()
}

/// The signal that ended a program, also where a shell or pid 1 reports it as `128 + n`.
pub(crate) fn signal_of(result: &RunResult) -> Option<i32> {
    result.signal.or(result.exit.filter(|code| (129..=192).contains(code)).map(|code| code - 128))
}

/// What an ended command says by its exit alone: the exit code, or why it says nothing about the
/// code under test.
pub(crate) fn by_exit(result: &RunResult, program: &str, limit: Duration) -> RunOutcome {
    if result.timed_out {
        return out_of_time(limit, &[]);
    }
    match (signal_of(result), result.exit) {
        (Some(9), _) => RunOutcome::LimitExceeded {
            message: bounded(&format!(
                "{program} was killed (signal 9), most likely for its memory or processes: {}",
                last_words(result)
            )),
        },
        (Some(n), _) => broken(format!("{program} was ended by signal {n}")),
        (None, Some(126)) => {
            broken(format!("{program} cannot be executed (exit 126): {}", last_words(result)))
        }
        (None, Some(127)) => broken(format!(
            "a program that {program} needs is not installed (exit 127): {}",
            last_words(result)
        )),
        (None, Some(exit)) => RunOutcome::Completed { exit },
        (None, None) => broken(format!("{program} ended without an exit code")),
    }
}

/// The end of what a program said, for a message.
pub(crate) fn last_words(result: &RunResult) -> String {
    let err = text::clean(&result.stderr);
    let said = if err.trim().is_empty() { text::clean(&result.stdout) } else { err };
    text::tail(said.trim(), 1500).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_protocol::testrun::TestStatus;

    #[test]
    fn only_an_ordinary_exit_says_something_about_the_code() {
        let ended = |exit, signal, timed_out| RunResult { exit, signal, timed_out, ..RunResult::default() };
        let of = |result| by_exit(&result, "make", Duration::from_secs(1));
        for exit in [0, 1, 2, 101, 125] {
            assert_eq!(of(ended(Some(exit), None, false)), RunOutcome::Completed { exit });
        }
        for (exit, signal) in [(Some(126), None), (Some(127), None), (Some(134), None), (None, Some(11))] {
            assert!(matches!(of(ended(exit, signal, false)), RunOutcome::BrokenEnvironment { .. }));
        }
        for (exit, timed_out) in [(Some(137), false), (Some(0), true), (None, true)] {
            assert!(matches!(of(ended(exit, None, timed_out)), RunOutcome::LimitExceeded { .. }));
        }
    }

    #[test]
    fn a_time_out_names_the_slowest_first() {
        let test = |id: &str, millis| TestResult {
            id: id.to_owned(),
            file: None,
            status: TestStatus::Passed,
            millis,
            message: None,
        };
        let outcome = out_of_time(Duration::from_secs(2), &[test("fast", 1), test("slow", 900)]);
        let RunOutcome::LimitExceeded { message } = outcome else { panic!("{outcome:?}") };
        assert!(message.ends_with("slowest tests: slow (900 ms), fast (1 ms)"), "{message}");
    }
}
