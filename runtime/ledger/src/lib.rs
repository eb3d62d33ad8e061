//! foureyes-ledger
