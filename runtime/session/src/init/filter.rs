//! A system-call filter against typing into one's own terminal. On a PTY the agent's tools share
//! its controlling terminal, and where the kernel still allows TIOCSTI they could forge what the
//! person or the runtime typed.

use nix::{errno::Errno, libc};

/// `linux/audit.h`: the number of this machine's own calling convention.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCH: u32 = 0xc000_00f3;
/// Numbers from here on are x86's second convention (x32), which no program here uses.
const X32: u32 = 0x4000_0000;
/// Byte offsets in `struct seccomp_data`; the request is the low half of the second argument.
const NUMBER: u32 = 0;
const CONVENTION: u32 = 4;
const REQUEST: u32 = 24;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// Jumps count the instructions that are passed over: `yes` when the comparison holds.
const fn step(code: u16, k: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt: yes, jf: no, k }
}

const PROGRAM: [libc::sock_filter; 10] = [
    step(LOAD, CONVENTION, 0, 0),
    step(EQUAL, ARCH, 0, 6), // other conventions are refused
    step(LOAD, NUMBER, 0, 0),
    step(AT_LEAST, X32, 4, 0),
    step(EQUAL, libc::SYS_ioctl as u32, 0, 4), // everything else is allowed
    step(LOAD, REQUEST, 0, 0),
    step(EQUAL, libc::TIOCSTI as u32, 1, 0),
    step(EQUAL, libc::TIOCLINUX as u32, 0, 1),
    step(RETURN, REFUSE, 0, 0),
    step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
];

/// Refuses TIOCSTI and TIOCLINUX from here on, for this process and all that it starts. Needs
/// `no_new_privs`, which the starter has set.
pub(super) fn install() -> nix::Result<()> {
    let mut program = PROGRAM;
    let len = program.len() as libc::c_ushort;
    let filter = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program during the call, while both values live.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::from_ref(&filter)) };
    Errno::result(done).map(drop)
}
