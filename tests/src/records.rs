//! The ledger as tests ask it: what was decided, about which feature, and what was refused.

use foureyes_protocol::{
    Body, Code, Envelope, Gate, Outcome, Sealed,
    body::{GateVerdict, Health, Merged, Pushed, Refused},
};
use std::{cell::RefCell, io, path::Path};

/// The records of a ledger, in order.
#[derive(Clone, Debug, Default)]
pub struct Records(pub Vec<Envelope>);

impl Records {
    /// Reads the database, also of a running runtime. A ledger that is not there yet has no records.
    ///
    /// # Panics
    /// When a record is no envelope.
    pub fn read(database: &Path) -> Self {
        let found = RefCell::new(Vec::new());
        let decode = |bytes: &[u8]| {
            let sealed = Sealed::of_bytes(bytes.to_vec().into());
            found.borrow_mut().push(sealed.open(1 << 24).expect("a record is an envelope"));
            serde_json::Value::Null
        };
        // A ledger that is just being made cannot be read yet: that is no record, not a failure.
        let _ = foureyes_ledger::export(database, &mut io::sink(), &decode);
        Self(found.into_inner())
    }

    /// Envelopes of one feature.
    pub fn of(&self, feature: &str) -> Vec<&Envelope> {
        self.0.iter().filter(|e| e.feature.as_ref().is_some_and(|f| f.as_str() == feature)).collect()
    }

    /// What `pick` makes of the bodies that concern one feature.
    fn pick<'a, T>(&'a self, feature: &str, pick: impl Fn(&'a Body) -> Option<T>) -> Vec<T> {
        self.of(feature).into_iter().filter_map(|e| pick(&e.body)).collect()
    }

    /// The verdicts on a feature, in order.
    pub fn verdicts(&self, feature: &str) -> Vec<&GateVerdict> {
        self.pick(feature, |b| if let Body::GateVerdict(v) = b { Some(v) } else { None })
    }

    /// Whether a gate of a feature ever ended so.
    pub fn verdict(&self, feature: &str, gate: Gate, outcome: Outcome) -> bool {
        self.verdicts(feature).iter().any(|v| v.gate == gate && v.outcome == outcome)
    }

    /// Whether a gate sent the feature back for this reason.
    pub fn returned(&self, feature: &str, gate: Gate, code: Code) -> bool {
        let why = |v: &&&GateVerdict| v.reasons.iter().any(|r| r.code == code);
        let verdicts = self.verdicts(feature);
        verdicts.iter().filter(why).any(|v| v.gate == gate && v.outcome == Outcome::Returned)
    }

    /// Everything that was refused.
    pub fn refusals(&self) -> Vec<&Refused> {
        self.bodies(|b| if let Body::Refused(r) = b { Some(r) } else { None })
    }

    /// Whether something was refused to `who` for this reason.
    pub fn refused(&self, who: &str, code: Code) -> bool {
        self.refusals().iter().any(|r| r.who.as_str() == who && r.reason.code == code)
    }

    /// Every landing.
    pub fn merged(&self, feature: &str) -> Vec<&Merged> {
        self.pick(feature, |b| if let Body::Merged(m) = b { Some(m) } else { None })
    }

    /// Every push that landed on the feature's branch.
    pub fn pushes(&self, feature: &str) -> Vec<&Pushed> {
        self.pick(feature, |b| if let Body::Pushed(p) = b { Some(p) } else { None })
    }

    /// Whether the feature was delivered.
    pub fn delivered(&self, feature: &str) -> bool {
        self.of(feature).iter().any(|e| matches!(e.body, Body::Delivered(_)))
    }

    /// Changes of health, of roles and services.
    pub fn health(&self, who: &str) -> Vec<&Health> {
        let all = self.bodies(|b| if let Body::Health(h) = b { Some(h) } else { None });
        all.into_iter().filter(|h| h.who == who).collect()
    }

    /// What `pick` makes of the bodies.
    pub fn bodies<'a, T>(&'a self, pick: impl Fn(&'a Body) -> Option<T>) -> Vec<T> {
        self.0.iter().filter_map(|e| pick(&e.body)).collect()
    }

    /// One line a record, for the message of a test that failed.
    pub fn lines(&self) -> String {
        let line = |(i, e): (usize, &Envelope)| {
            let feature = e.feature.as_ref().map_or("", |f| f.as_str());
            let body: String = format!("{:?}", e.body).chars().take(400).collect();
            format!("{i:>4} {} -> {} {feature} {body}\n", e.from, e.to)
        };
        let quiet =
            |e: &Envelope| matches!(e.body, Body::LockGrant(_) | Body::LockRelease(_) | Body::Signed(_));
        self.0.iter().enumerate().filter(|(_, e)| !quiet(e)).map(line).collect()
    }
}
