//! Exit codes: what a script may rely on.

use std::process::ExitCode;

/// How a command ended. A number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// The answer is no: a check found something, a name does not exist, an act failed.
    No = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration has mistakes.
    Config = 3,
    /// The configuration is not accepted yet: `agents trust`.
    NotTrusted = 4,
    /// No runtime runs for this repository: `agents run`.
    NotRunning = 5,
    /// Another runtime works on this repository already.
    AlreadyRunning = 6,
    /// A tool or a right of this machine is missing: `agents doctor`.
    Prerequisite = 7,
    /// A rule refuses it.
    Refused = 8,
    /// The ledger or a signature does not verify.
    Audit = 9,
    /// A terminal is needed and there is none.
    NoTerminal = 10,
    /// A fault of the machine (disk, permission, socket) or of this program.
    Internal = 70,
    /// A part that must not die did not come back after its restarts.
    Supervision = 71,
}

impl Exit {
    /// Every code, for the documentation.
    pub const ALL: [Self; 13] = [
        Self::Ok,
        Self::No,
        Self::Usage,
        Self::Config,
        Self::NotTrusted,
        Self::NotRunning,
        Self::AlreadyRunning,
        Self::Prerequisite,
        Self::Refused,
        Self::Audit,
        Self::NoTerminal,
        Self::Internal,
        Self::Supervision,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::No => "the answer is no, or the act failed",
            Self::Usage => "the command line is wrong",
            Self::Config => "the configuration has mistakes",
            Self::NotTrusted => "the configuration is not accepted (agents trust)",
            Self::NotRunning => "no runtime runs for this repository (agents run)",
            Self::AlreadyRunning => "another runtime works on this repository",
            Self::Prerequisite => "something is missing on this machine (agents doctor)",
            Self::Refused => "a rule refuses it",
            Self::Audit => "the ledger or a signature does not verify",
            Self::NoTerminal => "a terminal is needed and there is none",
            Self::Internal => "a fault of the machine or of this program",
            Self::Supervision => "a part did not come back after its restarts",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
