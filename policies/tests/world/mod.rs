//! A small world for the plan: it appends what the plan says, answers requests as obedient principals
//! would, and ends jobs as scripted. Whatever it appends for a principal has passed the admission
//! rules, and whatever it pushes the push rules, so the plan is checked against them too.
#![allow(dead_code, reason = "each test file uses its own part of the world")]

mod answers;
mod jobs;

#[allow(unused_imports, reason = "each test file uses its own part of the world")]
pub use jobs::verdict_of;

use foureyes_config::{Config, PathRules};
use foureyes_policies::{
    admission::{self, Admission},
    facts,
    features::{Feature, Features, Status},
    kinds,
    plan::{self, Job, Numbers, Rules, Say, Step},
    push,
    record::Record,
    signers::Team,
    veto::Veto,
};
use foureyes_protocol::{
    Address, Body, ChangeKind, ChangeSummary, CommitId, Digest, Envelope, Family, FeatureId, FileChange,
    Gate, MessageId, Outcome, PrincipalId, Priority, Risk, Roster, RunId,
    body::{FeatureRequested, Pushed, Subject, Task},
    change::FileStatus,
    envelope::VERSION,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a feature's author will write.
#[derive(Clone, Debug)]
pub struct Work {
    pub kind: ChangeKind,
    pub risk: Risk,
    pub tests: Vec<&'static str>,
    pub code: Vec<(&'static str, u64)>,
}

impl Work {
    pub fn small() -> Self {
        Self {
            kind: ChangeKind::Feature,
            risk: Risk::Low,
            tests: vec!["tests/greet.rs"],
            code: vec![("src/greet.rs", 10)],
        }
    }
    pub fn large() -> Self {
        Self { code: vec![("src/greet.rs", 120)], ..Self::small() }
    }
    pub fn of(kind: ChangeKind, files: &[(&'static str, u64)]) -> Self {
        Self { kind, risk: Risk::Low, tests: Vec::new(), code: files.to_vec() }
    }
}

/// Something that will happen.
#[derive(Clone, Debug)]
pub enum Pending {
    /// The receiver of this record reacts.
    React(Record),
    /// The job ends.
    Job(Job),
}

pub struct World {
    pub roster: Roster,
    pub records: Vec<Record>,
    pub features: Features,
    pub admission: Admission,
    pub veto: Veto,
    pub unavailable: BTreeSet<PrincipalId>,
    pub pending: Vec<Pending>,
    pub under_way: BTreeSet<Job>,
    pub work: BTreeMap<String, Work>,
    pub versions: BTreeMap<String, u64>,
    pub test_versions: BTreeMap<String, u64>,
    pub refusals: BTreeMap<(String, Subject), u32>,
    pub failures: BTreeMap<(String, Gate), u32>,
    pub broken: BTreeMap<(String, Gate), u32>,
    pub conflicts: BTreeMap<String, u32>,
    pub cosign_refusals: u32,
    pub decision_refusals: u32,
    pub retries: u32,
    pub user_commit: Option<Vec<String>>,
    pub said: Vec<Say>,
    pub numbers: Numbers,
    pub has_suite: bool,
    pub advisory: bool,
    pub silent: BTreeSet<PrincipalId>,
    commits: u64,
    now: u64,
    seed: u64,
    config: Config,
    paths: PathRules,
}

pub fn id(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

pub fn commit(n: u64) -> CommitId {
    CommitId::new(&format!("{n:040x}")).unwrap()
}

pub fn solo() -> Roster {
    Roster::new(vec![(id("dev-a"), Family::Dev)])
}

impl World {
    pub fn new(roster: Roster, seed: u64) -> Self {
        let config = Config::default();
        let paths = PathRules::compile(&config).unwrap();
        Self {
            roster,
            records: Vec::new(),
            features: Features::default(),
            admission: Admission::default(),
            veto: Veto::default(),
            unavailable: BTreeSet::new(),
            pending: Vec::new(),
            under_way: BTreeSet::new(),
            work: BTreeMap::new(),
            versions: BTreeMap::new(),
            test_versions: BTreeMap::new(),
            refusals: BTreeMap::new(),
            failures: BTreeMap::new(),
            broken: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            cosign_refusals: 0,
            decision_refusals: 0,
            retries: 0,
            user_commit: None,
            said: Vec::new(),
            numbers: Numbers::of(&config.gates, 0),
            has_suite: true,
            advisory: false,
            silent: BTreeSet::new(),
            commits: 1,
            now: 1_000,
            seed: seed.wrapping_mul(2).wrapping_add(1),
            config,
            paths,
        }
    }

    pub fn twelve(seed: u64) -> Self {
        Self::new(Config::default().roster(), seed)
    }

    /// A number that nobody needs to guess.
    pub fn random(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % below.max(1) as u64) as usize
    }

    pub fn fresh_commit(&mut self) -> CommitId {
        self.commits += 1;
        commit(self.commits)
    }

    pub fn request(&mut self, name: &str, work: Work) {
        self.work.insert(name.to_owned(), work);
        let body = FeatureRequested { title: name.to_owned(), text: format!("do {name}") };
        self.append(&id("user"), Address::system(), Some(name), body.into());
    }

    /// Appends what somebody says, if the rules admit it.
    pub fn append(&mut self, from: &PrincipalId, to: Address, feature: Option<&str>, body: Body) {
        if let Err(reason) = self.try_append(from, to, feature, body) {
            panic!("refused: {reason}\n{}", self.story());
        }
    }

    pub fn try_append(
        &mut self,
        from: &PrincipalId,
        to: Address,
        feature: Option<&str>,
        body: Body,
    ) -> Result<(), foureyes_protocol::Reason> {
        self.now += 1;
        let index = self.records.len() as u64 + 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&index.to_be_bytes());
        let envelope = Envelope {
            v: VERSION,
            run: RunId(uuid_of(1)),
            epoch: 0,
            id: MessageId::from_parts(self.now, random),
            from: from.clone(),
            to,
            kind: body.kind(),
            feature: feature.map(|f| FeatureId::new(f).unwrap()),
            thread: None,
            in_reply_to: None,
            seq: self.admission.next_seq(from),
            sent_at: self.now,
            expires_at: None,
            priority: Priority::Normal,
            labels: BTreeSet::new(),
            body,
        };
        admission::permit(&envelope, &self.roster, &self.admission, &self.features, &self.veto)?;
        let record = Record { index, at_ms: self.now, envelope: Arc::new(envelope) };
        self.admission.apply(&record, Digest::of(&index.to_be_bytes()));
        self.features.apply(&record);
        self.veto.apply(&record);
        self.records.push(record.clone());
        self.pending.push(Pending::React(record));
        Ok(())
    }

    pub fn feature(&self, name: &str) -> &Feature {
        &self.features.by_id[&FeatureId::new(name).unwrap()]
    }

    pub fn plan(&self) -> Vec<Step> {
        self.plan_of(&self.features)
    }

    pub fn plan_of(&self, features: &Features) -> Vec<Step> {
        let draw = |context: &[u8]| u64::from_be_bytes(Digest::of(context).0[..8].try_into().unwrap());
        let is_manifest = |path: &str| {
            let class = self.paths.classify(path);
            class.manifest || class.lockfile
        };
        let mut unavailable = self.unavailable.clone();
        unavailable.extend(self.veto.quarantined.keys().cloned());
        let rules = Rules {
            team: Team { roster: &self.roster, unavailable: &unavailable, draw: &draw },
            is_manifest: &is_manifest,
            policy: Digest::of(b"policy"),
            has_suite: self.has_suite,
            advisory: self.advisory,
            returns_orchestrator: 3,
            returns_user: 5,
            frozen: self.veto.frozen.is_some(),
        };
        plan::plan_with(features, &rules, &self.numbers)
    }

    /// Does what the plan asks for until it asks for nothing new; `false` when it had nothing to say.
    pub fn settle(&mut self) -> bool {
        let mut said_any = false;
        for _ in 0..32 {
            let steps = self.plan();
            let mut said = false;
            for step in steps {
                match step {
                    Step::Job(job) => self.start(job),
                    Step::Say(say) => {
                        said = true;
                        self.say(say);
                    }
                }
            }
            if !said {
                return said_any;
            }
            said_any = true;
        }
        panic!("the plan does not settle\n{}", self.story());
    }

    fn say(&mut self, say: Say) {
        let repeated = self.said.contains(&say);
        assert!(!repeated || self.retries > 0, "said twice: {say:?}\n{}", self.story());
        self.said.push(say.clone());
        let feature = say.feature.as_ref().map(|f| f.as_str().to_owned());
        self.append(&id("system"), say.to, feature.as_deref(), say.body);
    }

    fn start(&mut self, job: Job) {
        if self.under_way.contains(&job) {
            return;
        }
        let landing = matches!(job, Job::Land(..) | Job::Deliver(..));
        let same = |o: &Job| {
            o.feature() == job.feature() && std::mem::discriminant(o) == std::mem::discriminant(&job)
        };
        self.under_way.retain(|o| landing || !same(o));
        self.under_way.insert(job.clone());
        self.pending.push(Pending::Job(job));
    }

    /// One thing that is pending happens, drawn; `false` when nothing is.
    pub fn step(&mut self) -> bool {
        self.settle();
        if self.pending.is_empty() {
            return false;
        }
        let at = self.random(self.pending.len());
        match self.pending.swap_remove(at) {
            Pending::React(record) => self.react(&record),
            Pending::Job(job) if self.under_way.remove(&job) => self.end(&job),
            Pending::Job(_) => {}
        }
        true
    }

    /// Runs until nothing happens any more.
    pub fn run(&mut self) {
        for _ in 0..2_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it never ends\n{}", self.story());
    }

    pub fn run_until(&mut self, done: impl Fn(&World) -> bool) {
        for _ in 0..2_000 {
            if done(self) {
                return;
            }
            assert!(self.step(), "nothing more happens\n{}", self.story());
        }
        panic!("it never happens\n{}", self.story());
    }

    /// Pushes what the author has so far: tests first where the kind asks for them.
    pub fn push(&mut self, name: &str, by: &PrincipalId) {
        let work = self.work[name].clone();
        let feature = self.feature(name).clone();
        let version = self.versions.entry(name.to_owned()).or_default();
        *version += 1;
        let version = *version;
        let red_applies = kinds::demands(work.kind).red_not_applicable.is_none() && self.has_suite;
        let tests = self.test_versions.get(name).copied().unwrap_or(0);
        let mut files: Vec<FileChange> = work.tests.iter().map(|p| file(name, p, 4, tests)).collect();
        if !red_applies || feature.gate > Gate::Red {
            files.extend(work.code.iter().map(|(p, lines)| file(name, p, *lines, version)));
        }
        let base = self.features.main.clone().unwrap();
        let head = self.fresh_commit();
        self.push_files(name, by, files, base, head);
    }

    pub fn push_files(
        &mut self,
        name: &str,
        by: &PrincipalId,
        mut files: Vec<FileChange>,
        base: CommitId,
        head: CommitId,
    ) {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let change = ChangeSummary {
            base_tree: base.clone(),
            base,
            head_tree: head.clone(),
            head: head.clone(),
            files,
            contributors: vec![by.to_string()],
        };
        let facts = facts::facts(&self.config, &self.paths, &change, Vec::new());
        let feature = self.feature(name).clone();
        let updates = [push::RefUpdate { name: feature.id.branch(), old: None, new: Some(head) }];
        let found = |f: &str| self.features.by_id.get(&FeatureId::new(f).unwrap());
        if let Err(reason) = push::target(by, &updates, "refs/heads/main", &found) {
            // The feature went on while the author was at work: an obedient author waits.
            assert_eq!(reason.code, foureyes_protocol::Code::PushState, "{reason}\n{}", self.story());
            return;
        }
        let before: Vec<FileChange> = feature.push.iter().flat_map(|p| p.change.files.clone()).collect();
        let touched: Vec<String> =
            change.files.iter().filter(|f| !before.contains(f)).map(|f| f.path.clone()).collect();
        let kind = feature.spec.as_ref().unwrap().spec.kind;
        let judged = push::content(&push::Content {
            feature: &feature,
            role: by,
            change: &change,
            facts: &facts,
            touched: &touched,
            fast_forward: true,
            red_applies: kinds::demands(kind).red_not_applicable.is_none() && self.has_suite,
        });
        assert_eq!(judged, Ok(()), "{}", self.story());
        let old = feature.push.map(|p| p.change.head);
        let body = Pushed { by: by.clone(), old, token: 1, commits: 1, change, facts };
        self.append(&id("system"), Address::system(), Some(name), body.into());
    }

    /// Gates in the order in which a feature passed them (or had them set aside).
    pub fn passed(&self, name: &str) -> Vec<Gate> {
        let mine = |r: &&Record| r.envelope.feature.as_ref().is_some_and(|f| f.as_str() == name);
        let gate = |r: &Record| match &r.envelope.body {
            Body::GateVerdict(v) if matches!(v.outcome, Outcome::Passed | Outcome::NotApplicable) => {
                Some(v.gate)
            }
            _ => None,
        };
        self.records.iter().filter(mine).filter_map(gate).collect()
    }

    /// Who was asked for signatures of a subject, in order.
    pub fn asked(&self, name: &str, subject: Subject) -> Vec<String> {
        self.feature(name)
            .requests
            .iter()
            .filter(|r| r.subject == subject)
            .map(|r| r.to.to_string())
            .collect()
    }

    /// Who was given a task, in order.
    pub fn given(&self, name: &str, task: Task) -> Vec<String> {
        let mine = |r: &&Record| r.envelope.feature.as_ref().is_some_and(|f| f.as_str() == name);
        let to = |r: &Record| match &r.envelope.body {
            Body::TaskAssignment(t) if t.task == task => Some(r.envelope.to.to_string()),
            _ => None,
        };
        self.records.iter().filter(mine).filter_map(to).collect()
    }

    pub fn is_done(&self, name: &str) -> bool {
        matches!(self.feature(name).status, Status::Done(_))
    }

    pub fn all_done(&self) -> bool {
        self.features.by_id.values().all(|f| matches!(f.status, Status::Done(_)))
    }

    /// Everything that was said, for a failing test.
    pub fn story(&self) -> String {
        let line = |r: &Record| {
            let e = &r.envelope;
            let what = match &e.body {
                Body::GateVerdict(v) => format!("{} {:?} {}", v.gate, v.outcome, v.summary),
                Body::TaskAssignment(t) => format!("{:?}", t.task),
                Body::SignOffRequest(s) => format!("{} {}", s.subject, s.content.short()),
                Body::SignOffApproval(s) => format!("{} {}", s.subject, s.content.short()),
                Body::SignOffRejection(s) => format!("{} {}", s.subject, s.content.short()),
                Body::Pushed(p) => format!("{} {}", p.by, p.change.content().short()),
                _ => String::new(),
            };
            let feature = e.feature.as_ref().map_or("-", |f| f.as_str());
            format!("{} {feature}: {} -> {} {} {what}", r.index, e.from, e.to, e.kind)
        };
        let status: Vec<String> =
            self.features.by_id.values().map(|f| format!("{} {} {:?}", f.id, f.gate, f.status)).collect();
        format!("{}\n{}", self.records.iter().map(line).collect::<Vec<_>>().join("\n"), status.join("\n"))
    }
}

pub fn uuid_of(n: u64) -> uuid::Uuid {
    uuid::Uuid::from_u64_pair(0, n)
}

pub fn file(feature: &str, path: &str, lines: u64, version: u64) -> FileChange {
    FileChange {
        path: path.to_owned(),
        old_path: None,
        status: FileStatus::Added,
        old_mode: 0,
        new_mode: 0o100_644,
        old_blob: None,
        new_blob: Some(
            Digest::of(format!("{feature}/{path}/{version}").as_bytes()).to_string()[..40].to_owned(),
        ),
        added: lines,
        deleted: 0,
        binary: false,
        widest_line: 80,
    }
}
