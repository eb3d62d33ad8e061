//! From records to results, over several processes and rounds.

use super::sealed::Record;
use crate::text;
use foureyes_protocol::testrun::{TestResult, TestStatus};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of each test so far.
#[derive(Default)]
pub(crate) struct Verdicts {
    /// Collected in this round, in order, with their files.
    order: Vec<(String, Option<String>)>,
    running: BTreeSet<String>,
    done: BTreeMap<String, TestResult>,
    closed: Vec<TestResult>,
    broken: Vec<(Option<String>, String)>,
}

impl Verdicts {
    /// Takes in what one process said.
    pub(crate) fn take(&mut self, records: Vec<Record>, wanted: &dyn Fn(&str) -> bool) {
        for record in records {
            match record {
                Record::Collected { tests } => self.collected(tests, wanted),
                Record::Broken { file, message } => self.broken.push((file, message)),
                Record::Start { id } => drop(self.running.insert(id)),
                Record::Result { id, status, millis, message } => self.ended(id, status, millis, message),
                Record::Begin {} | Record::End {} | Record::Env { .. } => {}
            }
        }
    }

    fn collected(&mut self, tests: Vec<(String, Option<String>)>, wanted: &dyn Fn(&str) -> bool) {
        for (id, file) in tests {
            if wanted(&id) && !self.order.iter().any(|(known, _)| *known == id) {
                self.order.push((id, file));
            }
        }
    }

    fn ended(&mut self, id: String, status: TestStatus, millis: u64, message: Option<String>) {
        self.running.remove(&id);
        // A test that reports twice keeps its worse result.
        if self.done.get(&id).is_some_and(|known| known.status == TestStatus::Failed) {
            return;
        }
        let file = self.file(&id);
        let message = message.as_deref().and_then(text::message);
        self.done.insert(id.clone(), TestResult { id, file, status, millis, message });
    }

    fn file(&self, id: &str) -> Option<String> {
        self.order.iter().find(|(known, _)| known == id).and_then(|(_, file)| file.clone())
    }

    /// The process ended: whatever was running failed, and so did the first test that had not
    /// begun when none was (the process ended between two tests, which only tested code does).
    pub(crate) fn blame_running(&mut self, why: &str) {
        let mut guilty = std::mem::take(&mut self.running);
        if guilty.is_empty() {
            guilty.extend(self.not_started().into_iter().next());
        }
        guilty.into_iter().for_each(|id| self.ended(id, TestStatus::Failed, 0, Some(why.to_owned())));
    }

    /// Collected tests without a result, in order.
    pub(crate) fn not_started(&self) -> Vec<String> {
        let open = self.order.iter().filter(|(id, _)| !self.done.contains_key(id));
        open.map(|(id, _)| id.clone()).collect()
    }

    /// Every test without a result failed.
    pub(crate) fn fail_rest(&mut self, why: &str) {
        for id in self.not_started() {
            self.ended(id, TestStatus::Failed, 0, Some(why.to_owned()));
        }
    }

    /// Ends a round: a collected test that never reported failed.
    pub(crate) fn close_round(&mut self) {
        self.running.clear();
        self.fail_rest("collected but not run, though the suite went to its end");
        self.closed.extend(std::mem::take(&mut self.done).into_values());
        self.order.clear();
    }

    /// Results of all rounds, sorted by id.
    pub(crate) fn results(&self) -> Vec<TestResult> {
        let mut all: Vec<TestResult> = self.closed.iter().chain(self.done.values()).cloned().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Files that do not import, with the first error.
    pub(crate) fn broken_files(&self) -> Option<(Vec<String>, String)> {
        let (_, first) = self.broken.first()?;
        Some((self.broken.iter().filter_map(|(file, _)| file.clone()).collect(), first.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(ids: &[&str]) -> Record {
        Record::Collected { tests: ids.iter().map(|&id| (id.to_owned(), Some("t.py".to_owned()))).collect() }
    }

    fn start(id: &str) -> Record {
        Record::Start { id: id.to_owned() }
    }

    fn passed(id: &str) -> Record {
        Record::Result { id: id.to_owned(), status: TestStatus::Passed, millis: 1, message: None }
    }

    #[test]
    fn a_process_that_ends_early_fails_only_the_running_test() {
        let mut verdicts = Verdicts::default();
        verdicts.take(vec![collected(&["a", "b", "c"]), start("a"), passed("a"), start("b")], &|_| true);
        verdicts.blame_running("exit 0");
        assert_eq!(verdicts.not_started(), ["c"]);
        verdicts.take(vec![collected(&["c"]), start("c"), passed("c"), Record::End {}], &|_| true);
        verdicts.close_round();
        let statuses: Vec<TestStatus> = verdicts.results().iter().map(|t| t.status).collect();
        assert_eq!(statuses, [TestStatus::Passed, TestStatus::Failed, TestStatus::Passed]);
        assert_eq!(verdicts.results()[0].file.as_deref(), Some("t.py"));
    }

    #[test]
    fn silence_is_no_pass() {
        let mut verdicts = Verdicts::default();
        verdicts.take(vec![collected(&["a"]), Record::End {}], &|_| true);
        verdicts.close_round();
        assert_eq!(verdicts.results()[0].status, TestStatus::Failed);
    }
}
