//! foureyes-vcs

pub mod git;
pub mod openpgp;
mod private_file;
pub mod second_factor;
