//! Which host uid a role has: one block of uids a repository, one slot an owner.

use foureyes_protocol::PrincipalId;
use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    ops::Range,
    path::Path,
};

/// Uids in one block: roles, gate slots and the two of the self-test.
pub(crate) const BLOCK: u32 = 64;
/// Blocks that are looked through before giving up.
const BLOCKS: u32 = 1024;

/// The uids of one repository. Keeps the block claimed while it lives.
#[derive(Debug)]
pub(crate) struct UidBlock {
    base: u32,
    owners: Vec<PrincipalId>,
    /// Absent when another process of the same repository holds the claim.
    _claim: Option<Flock<File>>,
}

impl UidBlock {
    /// Claims a free block for the repository: the same one each time unless two repositories
    /// collide. `claims` is a directory that only root can write.
    pub(crate) fn claim(
        claims: &Path,
        base: u32,
        repository: &str,
        owners: &[PrincipalId],
    ) -> Result<Self, String> {
        if owners.len() > BLOCK as usize {
            return Err(format!("{} owners do not fit a block of {BLOCK} uids", owners.len()));
        }
        std::fs::create_dir_all(claims).map_err(|e| format!("{}: {e}", claims.display()))?;
        let taken = taken_ranges(
            &std::fs::read_to_string("/etc/passwd").unwrap_or_default(),
            &std::fs::read_to_string("/etc/subuid").unwrap_or_default(),
        );
        for block in candidates(base, repository).filter(|block| is_free(block, &taken)) {
            if let Some(claim) = try_claim(&claims.join(block.start.to_string()), repository)? {
                let _claim = claim.held();
                return Ok(Self { base: block.start, owners: owners.to_vec(), _claim });
            }
        }
        Err(format!("no block of {BLOCK} free uids from {base} on; set another uid base"))
    }

    /// The owner's uid; `None` for an owner that was not named at construction.
    pub(crate) fn uid(&self, owner: &PrincipalId) -> Option<u32> {
        let slot = self.owners.iter().position(|o| o == owner)?;
        Some(self.base + u32::try_from(slot).ok()?)
    }
}

/// Uids and subordinate uids that this machine has given away.
fn taken_ranges(passwd: &str, subuid: &str) -> Vec<Range<u32>> {
    let number = |line: &str, field: usize| line.split(':').nth(field)?.trim().parse::<u32>().ok();
    let users = passwd.lines().filter_map(|l| number(l, 2)).map(|uid| uid..uid.saturating_add(1));
    let ranges = subuid.lines().filter_map(|l| {
        let start = number(l, 1)?;
        Some(start..start.saturating_add(number(l, 2)?))
    });
    users.chain(ranges).collect()
}

fn is_free(block: &Range<u32>, taken: &[Range<u32>]) -> bool {
    taken.iter().all(|t| t.end <= block.start || block.end <= t.start)
}

/// All blocks, beginning with the one that the repository's name selects.
fn candidates(base: u32, repository: &str) -> impl Iterator<Item = Range<u32>> {
    let first = fnv1a(repository) % BLOCKS;
    (0..BLOCKS).map(move |i| {
        let start = base + (first + i) % BLOCKS * BLOCK;
        start..start + BLOCK
    })
}

/// A hash that stays the same between versions, which std's does not promise.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

enum Claim {
    Held(Flock<File>),
    Shared,
}

impl Claim {
    fn held(self) -> Option<Flock<File>> {
        match self {
            Claim::Held(lock) => Some(lock),
            Claim::Shared => None,
        }
    }
}

/// Locks the claim file, or finds that the same repository holds it; `None`: another one does.
fn try_claim(path: &Path, repository: &str) -> Result<Option<Claim>, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
    let mut holder = String::new();
    file.read_to_string(&mut holder).map_err(fail)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            lock.set_len(0).and_then(|()| lock.rewind()).map_err(fail)?;
            lock.write_all(repository.as_bytes()).map_err(fail)?;
            Ok(Some(Claim::Held(lock)))
        }
        Err(_) if holder == repository => Ok(Some(Claim::Shared)),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> PrincipalId {
        PrincipalId::new(name).unwrap()
    }

    #[test]
    fn ranges_of_passwd_and_subuid_are_avoided() {
        let taken =
            taken_ranges("root:x:0:0::/:/bin/sh\nsvc:x:300010:1::/:\nbroken\n", "ann:300100:65536\nx:y:z\n");
        assert_eq!(taken, vec![0..1, 300_010..300_011, 300_100..365_636]);
        assert!(!is_free(&(300_000..300_064), &taken));
        assert!(!is_free(&(300_064..300_128), &taken));
        assert!(is_free(&(365_636..365_700), &taken));
    }

    #[test]
    fn a_repository_keeps_its_block_and_another_gets_another() {
        let dir = tempfile::tempdir().unwrap();
        let owners = [id("dev-a"), id("qa-a")];
        let one = UidBlock::claim(dir.path(), 300_000, "one", &owners).unwrap();
        let again = UidBlock::claim(dir.path(), 300_000, "one", &owners).unwrap();
        let two = UidBlock::claim(dir.path(), 300_000, "two", &owners).unwrap();
        assert_eq!(one.base, again.base);
        assert_ne!(one.base, two.base);
        assert_eq!(one.uid(&id("qa-a")), one.uid(&id("dev-a")).map(|u| u + 1));
        assert_eq!(one.uid(&id("dev-b")), None);
    }

    #[test]
    fn a_colliding_block_in_use_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let first = candidates(300_000, "one").next().unwrap().start;
        let held = try_claim(&dir.path().join(first.to_string()), "other").unwrap();
        let one = UidBlock::claim(dir.path(), 300_000, "one", &[]).unwrap();
        assert_ne!(one.base, first);
        drop(held);
    }
}
