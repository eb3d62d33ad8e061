//! The verifier's own Merkle tree (RFC 6962): a stack of complete subtrees with their heights.

use sha2::{Digest as _, Sha256};

type Hash = [u8; 32];

/// A growing tree.
#[derive(Default)]
pub struct Tree {
    size: u64,
    subtrees: Vec<(u32, Hash)>,
}

fn joined(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    Sha256::digest(input).into()
}

impl Tree {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn add(&mut self, record: &Hash) {
        let mut input = [0; 33];
        input[1..].copy_from_slice(record);
        self.subtrees.push((0, Sha256::digest(input).into()));
        self.size += 1;
        while let [.., (a, left), (b, right)] = self.subtrees[..] {
            if a != b {
                break;
            }
            self.subtrees.truncate(self.subtrees.len() - 2);
            self.subtrees.push((a + 1, joined(&left, &right)));
        }
    }

    pub fn root(&self) -> Hash {
        let Some(((_, last), rest)) = self.subtrees.split_last() else { return Sha256::digest([]).into() };
        rest.iter().rev().fold(*last, |right, (_, left)| joined(left, &right))
    }

    /// The roots of the complete subtrees, the largest first.
    pub fn edge(&self) -> Vec<u8> {
        self.subtrees.iter().flat_map(|(_, hash)| *hash).collect()
    }
}
