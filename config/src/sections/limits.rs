//! `limits`: how often a role may do what.

use super::section;
use crate::units::Bytes;
use foureyes_protocol::PrincipalId;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateKind {
    /// Requests for a sign-off.
    SignOffRequests,
    /// Requests for the write lock.
    LockRequests,
    /// Requests for a review.
    ReviewRequests,
    /// Requests for a critical decision.
    CriticalDecisionRequests,
    /// Commits, counted when they are pushed.
    Commits,
    /// Signatures by the role's key.
    Signatures,
    /// Proposals of DEPLOY.
    DeployProposals,
    /// Messages that an agent initiates; answers to a request are free.
    Messages,
    /// Votes.
    Votes,
}

impl RateKind {
    /// Every kind, in the order of the configuration.
    pub const ALL: [RateKind; 9] = [
        RateKind::SignOffRequests,
        RateKind::LockRequests,
        RateKind::ReviewRequests,
        RateKind::CriticalDecisionRequests,
        RateKind::Commits,
        RateKind::Signatures,
        RateKind::DeployProposals,
        RateKind::Messages,
        RateKind::Votes,
    ];

    /// The key under `limits`.
    pub fn key(self) -> &'static str {
        match self {
            Self::SignOffRequests => "sign_off_requests",
            Self::LockRequests => "lock_requests",
            Self::ReviewRequests => "review_requests",
            Self::CriticalDecisionRequests => "critical_decision_requests",
            Self::Commits => "commits",
            Self::Signatures => "signatures",
            Self::DeployProposals => "deploy_proposals",
            Self::Messages => "messages",
            Self::Votes => "votes",
        }
    }
}

/// Which numbers hold where none is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Room for a busy team.
    #[default]
    Standard,
    /// About half of it.
    Strict,
}

/// So many in each window. An absent window is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// At once, before the minute is measured. Only where `minute` is given.
    #[garde(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// In a minute.
    #[garde(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minute: Option<u32>,
    /// In an hour.
    #[garde(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hour: Option<u32>,
    /// In 24 hours.
    #[garde(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<u32>,
}

impl Rate {
    const fn hourly(hour: u32, day: u32) -> Self {
        Self { burst: None, minute: None, hour: Some(hour), day: Some(day) }
    }

    /// These windows, and those of `base` where they are absent here.
    pub fn over(self, base: Self) -> Self {
        Self {
            burst: self.burst.or(base.burst),
            minute: self.minute.or(base.minute),
            hour: self.hour.or(base.hour),
            day: self.day.or(base.day),
        }
    }
}

section! {
    /// Limits of every role. CRITICAL messages of the librarian and the user are never limited.
    pub struct Limits {
        /// Which numbers hold where none is given.
        pub profile: Profile = Profile::Standard,
        /// Requests for a sign-off.
        #[garde(dive)]
        pub sign_off_requests: Rate = Rate::hourly(20, 100),
        /// Requests for the write lock.
        #[garde(dive)]
        pub lock_requests: Rate = Rate::hourly(10, 50),
        /// Requests for a review.
        #[garde(dive)]
        pub review_requests: Rate = Rate::hourly(15, 75),
        /// Requests for a critical decision.
        #[garde(dive)]
        pub critical_decision_requests: Rate = Rate::hourly(2, 10),
        /// Commits, counted when they are pushed.
        #[garde(dive)]
        pub commits: Rate = Rate::hourly(20, 100),
        /// Signatures by the role's key.
        #[garde(dive)]
        pub signatures: Rate = Rate { hour: Some(300), ..Rate::default() },
        /// Proposals of DEPLOY.
        #[garde(dive)]
        pub deploy_proposals: Rate = Rate::hourly(10, 50),
        /// Messages that an agent initiates; answers to a request are free.
        #[garde(dive)]
        pub messages: Rate =
            Rate { burst: Some(20), minute: Some(60), hour: Some(600), day: Some(5000) },
        /// Votes.
        #[garde(dive)]
        pub votes: Rate = Rate { day: Some(10), ..Rate::default() },
        /// What one agent's channel may carry in a second, pushes included.
        #[garde(custom(crate::units::positive))]
        pub channel_bytes_per_second: Bytes = Bytes::mib(16),
        /// Other numbers for single roles, by their id.
        #[garde(dive)]
        pub overrides: BTreeMap<String, Overrides> = BTreeMap::new(),
    }
}

/// Numbers for one role; what is absent holds as for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// Requests for a sign-off.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub sign_off_requests: Rate,
    /// Requests for the write lock.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub lock_requests: Rate,
    /// Requests for a review.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub review_requests: Rate,
    /// Requests for a critical decision.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub critical_decision_requests: Rate,
    /// Commits, counted when they are pushed.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub commits: Rate,
    /// Signatures by the role's key.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub signatures: Rate,
    /// Proposals of DEPLOY.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub deploy_proposals: Rate,
    /// Messages that an agent initiates.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub messages: Rate,
    /// Votes.
    #[garde(dive)]
    #[serde(skip_serializing_if = "is_empty")]
    pub votes: Rate,
}

fn is_empty(rate: &Rate) -> bool {
    *rate == Rate::default()
}

impl Limits {
    /// The numbers of the profile `strict`.
    pub fn strict() -> Self {
        Self {
            profile: Profile::Strict,
            sign_off_requests: Rate::hourly(10, 50),
            lock_requests: Rate::hourly(5, 25),
            review_requests: Rate::hourly(8, 40),
            critical_decision_requests: Rate::hourly(1, 5),
            commits: Rate::hourly(10, 50),
            signatures: Rate { hour: Some(150), ..Rate::default() },
            deploy_proposals: Rate::hourly(5, 25),
            messages: Rate { burst: Some(10), minute: Some(30), hour: Some(300), day: Some(2000) },
            votes: Rate { day: Some(5), ..Rate::default() },
            ..Self::default()
        }
    }

    /// What holds for `role`: its own numbers, and those of all where it has none.
    pub fn rate(&self, role: &PrincipalId, kind: RateKind) -> Rate {
        let all = match kind {
            RateKind::SignOffRequests => self.sign_off_requests,
            RateKind::LockRequests => self.lock_requests,
            RateKind::ReviewRequests => self.review_requests,
            RateKind::CriticalDecisionRequests => self.critical_decision_requests,
            RateKind::Commits => self.commits,
            RateKind::Signatures => self.signatures,
            RateKind::DeployProposals => self.deploy_proposals,
            RateKind::Messages => self.messages,
            RateKind::Votes => self.votes,
        };
        self.overrides.get(role.as_str()).map_or(all, |own| own.rate(kind).over(all))
    }
}

impl Overrides {
    fn rate(&self, kind: RateKind) -> Rate {
        match kind {
            RateKind::SignOffRequests => self.sign_off_requests,
            RateKind::LockRequests => self.lock_requests,
            RateKind::ReviewRequests => self.review_requests,
            RateKind::CriticalDecisionRequests => self.critical_decision_requests,
            RateKind::Commits => self.commits,
            RateKind::Signatures => self.signatures,
            RateKind::DeployProposals => self.deploy_proposals,
            RateKind::Messages => self.messages,
            RateKind::Votes => self.votes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_replaces_only_the_windows_that_it_names() {
        let mut limits = Limits::default();
        let dev: PrincipalId = "dev-a".parse().unwrap();
        let own = Overrides { commits: Rate { hour: Some(5), ..Rate::default() }, ..Overrides::default() };
        limits.overrides.insert(dev.to_string(), own);
        assert_eq!(limits.rate(&dev, RateKind::Commits), Rate::hourly(5, 100));
        assert_eq!(limits.rate(&dev, RateKind::LockRequests), Rate::hourly(10, 50));
        assert_eq!(limits.rate(&PrincipalId::user(), RateKind::Commits), Rate::hourly(20, 100));
    }

    #[test]
    fn strict_is_nowhere_wider_than_standard() {
        let (standard, strict) = (Limits::default(), Limits::strict());
        let anyone = PrincipalId::user();
        for kind in RateKind::ALL {
            let (wide, tight) = (standard.rate(&anyone, kind), strict.rate(&anyone, kind));
            for (w, t) in [
                (wide.burst, tight.burst),
                (wide.minute, tight.minute),
                (wide.hour, tight.hour),
                (wide.day, tight.day),
            ] {
                assert_eq!(w.is_some(), t.is_some(), "{kind:?}");
                assert!(t <= w, "{kind:?}");
            }
        }
    }
}
