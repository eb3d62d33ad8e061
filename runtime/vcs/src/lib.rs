//! foureyes-vcs

pub mod openpgp;
mod private_file;
