//! Reason codes: the stable names of every refusal and of every return of a gate.
//!
//! A code never changes its meaning; `docs/codes.md` says for each what it means and what mends it.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $rule:literal, $meaning:literal;)*) => {
        /// A reason code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code { $(#[doc = $meaning] #[serde(rename = $text)] $variant,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The stable text, such as `E-HASH`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The rule that speaks, such as `message registry`.
            pub fn rule(self) -> &'static str {
                match self { $(Code::$variant => $rule,)* }
            }

            /// What the code means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    // Envelopes and the registry.
    TooLarge = "M-SIZE", "message registry", "The message is larger than the configured limit.";
    Malformed = "M-FORM", "message registry", "The bytes are not one canonical envelope.";
    Version = "M-VERSION", "message registry", "The format version is not supported.";
    HashMismatch = "M-HASH", "message registry", "The hash does not match the bytes.";
    Sender = "M-SENDER", "message registry", "The sender named in the message is not the principal of the channel.";
    Receiver = "M-RECEIVER", "message registry", "The receiver does not exist or may not be addressed.";
    Kind = "M-KIND", "message registry", "This family may not send this kind of message to that receiver.";
    Sequence = "M-SEQUENCE", "message registry", "The sequence number is not the sender's next one.";
    Epoch = "M-EPOCH", "message registry", "The message belongs to another run or epoch.";
    Tampering = "M-TAMPER", "message registry", "The id is known with other bytes.";
    Expired = "M-EXPIRED", "message registry", "The message expired before it was admitted.";
    Secret = "M-SECRET", "message registry", "The body holds what looks like a secret; it was stored redacted.";
    NotAsked = "M-NOT-ASKED", "message registry", "There is no open request of that kind for this principal.";
    Rate = "L-RATE", "rate limits", "A rate limit of this principal is used up.";
    // Freeze and quarantine.
    Frozen = "V-FROZEN", "librarian veto", "The system is frozen; only the user lifts a freeze.";
    Quarantined = "V-QUARANTINE", "librarian veto", "This role is quarantined.";
    NotUser = "V-USER-ONLY", "librarian veto", "Only the user may do this, with the second factor.";
    // Pushes and the repository.
    PushMain = "P-MAIN", "repository", "Nobody pushes to the target branch; changes land through the gates.";
    PushRef = "P-REF", "repository", "This ref may not be written: no tags, no other branches, no deletions.";
    PushUnassigned = "P-UNASSIGNED", "repository", "The feature is not assigned to this role.";
    PushForce = "P-FORCE", "repository", "The push is not a fast-forward.";
    PushUnsigned = "P-UNSIGNED", "signed commits", "A commit of the push carries no signature.";
    PushSignature = "P-SIGNATURE", "signed commits", "A commit's signature does not verify.";
    PushForeignKey = "P-KEY", "signed commits", "A commit is signed by the key of another role, or by an unknown, expired or revoked key.";
    PushAuthor = "P-AUTHOR", "signed commits", "Author or committer of a commit is not the role that pushes.";
    PushDate = "P-DATE", "signed commits", "A committer date is more than five minutes from the moment of signing.";
    PushProtected = "P-PROTECTED", "repository", "The push touches a protected path, which needs the user.";
    PushClaim = "P-CLAIM", "write lock", "The push touches files outside the claim.";
    PushLarge = "P-LARGE", "repository", "The change is too large to be judged as one.";
    PushShape = "P-SHAPE", "repository", "A commit of the push has a shape that cannot be judged (octopus merge, foreign parent).";
    PushState = "P-STATE", "gates", "The feature does not take pushes in its present state.";
    LockHeld = "W-HELD", "write lock", "Another principal holds the write lock of this scope.";
    LockStale = "W-STALE", "write lock", "The fencing token is not the newest one.";
    SignRefused = "S-REFUSED", "signed commits", "The signer does not sign this for this role now.";
    // Gates.
    NotTestsFirst = "G-TESTS-FIRST", "RED", "The first push of a feature holds test files only.";
    RedPasses = "G-RED-PASSES", "RED", "A new test passes before the implementation exists.";
    RedNothing = "G-RED-NOTHING", "RED", "No new test fails.";
    RedBreaks = "G-RED-BREAKS", "RED", "A test of the baseline no longer passes on the composed tree.";
    RedBuild = "G-RED-BUILD", "RED", "The composed tree does not build, and not because of a new test file.";
    GreenFails = "G-GREEN-FAILS", "GREEN", "A test that has to pass fails.";
    GreenMissing = "G-GREEN-MISSING", "GREEN", "A test that has to run did not run.";
    AdmittedChanged = "G-ADMITTED", "GREEN", "A test file admitted at RED was changed or deleted.";
    Coverage = "G-COVERAGE", "GREEN", "Coverage fell.";
    KindMismatch = "G-KIND", "kinds of change", "The diff does not fit the kind of change that the spec names.";
    Conflict = "G-CONFLICT", "import", "The change does not merge cleanly onto the target branch.";
    Broken = "G-ENVIRONMENT", "baseline", "The environment of the gate run is broken.";
    Limit = "G-LIMIT", "gates", "A gate run hit a limit.";
    Extra = "G-EXTRA", "QA", "A configured extra command failed.";
    Rejected = "G-REJECTED", "four eyes", "A signer rejected the change.";
    SelfApproval = "E-SELF", "four eyes", "Nobody signs off a change of their own.";
    NotEligible = "E-ELIGIBLE", "four eyes", "This principal is not in the set of signers of this change.";
    StaleApproval = "E-STALE", "four eyes", "The approval names other content than the change has now.";
    ClaimContradicted = "E-CLAIM", "gates", "A claim of an agent is contradicted by the runtime's own run.";
    GateState = "G-STATE", "gates", "The gate cannot be asked for in the feature's present state.";
    // Models, tools of agent programs, and the web.
    Budget = "C-BUDGET", "costs", "A budget of model use is spent.";
    NoTurn = "C-TURN", "costs", "A model is asked only while its agent has a turn.";
    AccountPaused = "C-PAUSED", "costs", "The model's account is paused by its provider, or was refused.";
    ToolRight = "T-RIGHT", "agents' tools", "This family may not use this tool, or not on these files.";
    ToolShell = "T-SHELL", "agents' tools", "This command is not one that this family may run.";
    ToolPush = "T-PUSH", "agents' tools", "Nobody pushes but to the branch of the assigned feature, and never with force.";
    WebHost = "T-WEB", "agents' tools", "The user has not accepted this host for fetching.";
    SecondFactor = "F-CODE", "second factor", "The code is wrong, used, or belongs to another decision.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A reason: a code and one sentence that names the case and what mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The stable code.
    pub code: Code,
    /// The case, and what mends it.
    pub text: String,
}

impl Reason {
    /// A reason with its sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.code.rule(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_speak() {
        let texts: std::collections::BTreeSet<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.meaning().ends_with('.') && !code.rule().is_empty(), "{code}");
            assert_eq!(crate::canonical::from_bytes(&crate::canonical::to_bytes(code), 64), Ok(*code));
        }
        let reason = Reason::new(Code::Frozen, "wait");
        assert_eq!(reason.to_string(), "V-FROZEN (librarian veto): wait");
    }
}
