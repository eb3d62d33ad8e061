//! How jobs end.

use super::{World, id};
use foureyes_policies::{features::Feature, plan::Job};
use foureyes_protocol::{
    Address, Body, Code, CommitId, Digest, Gate, Outcome, Reason,
    artifact::AdmittedFile,
    body::{Delivered, GateVerdict, Imported, Landing, Merged},
};

impl World {
    pub(super) fn end(&mut self, job: &Job) {
        let name = job.feature().as_str().to_owned();
        match job {
            Job::Import(_) => self.import(&name),
            Job::Red(_, head) => self.judged(&name, Gate::Red, head, Outcome::Checked),
            Job::Green(_, head) => self.judged(&name, Gate::Green, head, Outcome::Passed),
            Job::Qa(_, head, main) => self.merge_run(&name, head, main),
            Job::Land(_, head, main) => self.land(&name, head, main),
            Job::Deliver(_, commit) => {
                let body = Delivered { commit: commit.clone(), to: "main".to_owned() };
                self.append(&id("system"), Address::user(), Some(&name), body.into());
            }
        }
    }

    fn import(&mut self, name: &str) {
        let old = self.features.main.clone();
        let (new, paths) = match (self.user_commit.take(), &old) {
            (Some(paths), _) => (self.fresh_commit(), paths),
            (None, Some(old)) => (old.clone(), Vec::new()),
            (None, None) => (self.fresh_commit(), Vec::new()),
        };
        let body = Imported { source: "main".to_owned(), old, new, paths, all_paths: false };
        self.append(&id("system"), Address::system(), Some(name), body.into());
    }

    fn current(&self, name: &str, head: &CommitId) -> bool {
        self.feature(name).push.as_ref().is_some_and(|p| p.change.head == *head)
    }

    fn judged(&mut self, name: &str, gate: Gate, head: &CommitId, otherwise: Outcome) {
        if !self.current(name, head) {
            return;
        }
        let key = (name.to_owned(), gate);
        let mut verdict = verdict_of(self.feature(name), gate, otherwise);
        if let Some(n) = self.broken.get_mut(&key).filter(|n| **n > 0) {
            *n -= 1;
            verdict.outcome = Outcome::Broken;
        } else if let Some(n) = self.failures.get_mut(&key).filter(|n| **n > 0) {
            *n -= 1;
            verdict.outcome = Outcome::Returned;
            verdict.reasons = vec![Reason::new(Code::GreenFails, "it fails")];
        }
        verdict.summary = format!("{gate} {:?} of {}", verdict.outcome, head.short());
        verdict.main = self.features.main.clone();
        self.verdict(name, verdict);
    }

    pub fn verdict(&mut self, name: &str, verdict: GateVerdict) {
        let author = self.feature(name).author().cloned().map_or_else(Address::system, Address::One);
        let to = if verdict.outcome == Outcome::Broken { Address::user() } else { author };
        self.append(&id("system"), to, Some(name), verdict.into());
    }

    fn merge_run(&mut self, name: &str, head: &CommitId, main: &CommitId) {
        if !self.current(name, head) || self.features.main.as_ref() != Some(main) {
            return;
        }
        if let Some(n) = self.conflicts.get_mut(name).filter(|n| **n > 0) {
            *n -= 1;
            let verdict =
                GateVerdict { counts: false, ..verdict_of(self.feature(name), Gate::Qa, Outcome::Returned) };
            return self.verdict(name, GateVerdict { summary: "conflict".to_owned(), ..verdict });
        }
        self.judged(name, Gate::Qa, head, Outcome::Checked);
    }

    fn land(&mut self, name: &str, head: &CommitId, main: &CommitId) {
        let feature = self.feature(name).clone();
        if feature.merged.is_some() {
            return;
        }
        if feature.landing.is_none() {
            if !self.current(name, head) || self.features.main.as_ref() != Some(main) {
                return;
            }
            if self.user_commit.is_some() {
                return self.import(name);
            }
            let commit = self.fresh_commit();
            let content = feature.push.as_ref().unwrap().content;
            let body = Landing { main: main.clone(), tree: commit.clone(), commit, content };
            return self.append(&id("system"), Address::system(), Some(name), body.into());
        }
        let (commit, before, content) = feature.landing.unwrap();
        assert_eq!(self.features.main.as_ref(), Some(&before), "it lands under another\n{}", self.story());
        let paths = feature.push.unwrap().change.files.iter().map(|f| f.path.clone()).collect();
        let body: Body = Merged { main: before, commit, content, paths, signers: Vec::new() }.into();
        self.append(&id("system"), Address::All, Some(name), body);
    }
}

pub fn verdict_of(feature: &Feature, gate: Gate, outcome: Outcome) -> GateVerdict {
    let push = feature.push.as_ref();
    let blob = |path: &String| {
        let file = push.and_then(|p| p.change.files.iter().find(|f| f.path == *path));
        file.and_then(|f| f.new_blob.clone()).unwrap_or_default()
    };
    let admitted = |path: &String| AdmittedFile { path: path.clone(), blob: blob(path), inline: false };
    GateVerdict {
        gate,
        outcome,
        content: push.map_or_else(Digest::default, |p| p.content),
        head: push.map(|p| p.change.head.clone()),
        main: None,
        tree: None,
        summary: String::new(),
        reasons: Vec::new(),
        evidence: Vec::new(),
        admitted: push.iter().flat_map(|p| p.facts.test_files.iter().map(admitted)).collect(),
        failing: Vec::new(),
        known_failures: Vec::new(),
        signers: Vec::new(),
        policy: Digest::default(),
        counts: true,
        millis: 0,
    }
}
