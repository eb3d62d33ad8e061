//! Records the sysroot of the compiler that builds this crate: a toolchain that surely exists on
//! the machine where the runtime was built, for the case that none is configured or on PATH.

#![allow(clippy::disallowed_methods, reason = "a build script asks the compiler")]

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let printed = Command::new(rustc).args(["--print", "sysroot"]).output();
    let sysroot = printed.ok().filter(|out| out.status.success()).map(|out| out.stdout);
    let text = String::from_utf8(sysroot.unwrap_or_default()).unwrap_or_default();
    println!("cargo::rustc-env=FOUREYES_SYSROOT={}", text.trim());
    println!("cargo::rerun-if-changed=build.rs");
}
