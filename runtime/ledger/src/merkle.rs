//! The Merkle tree of RFC 6962 over the hashes of the records: roots, and proofs that one record is
//! in the tree or that one tree is the beginning of another.

use foureyes_protocol::Digest;
use sha2::{Digest as _, Sha256};

/// The hash of a leaf: the hash of a record under the leaf prefix.
pub fn leaf_hash(record: &Digest) -> Digest {
    Digest(Sha256::new_with_prefix([0]).chain_update(record.0).finalize().into())
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new_with_prefix([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The right edge of a growing tree: the roots of its complete subtrees, the largest first. Adding
/// a leaf costs one hash on average, the root at most 64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Digest>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves from its stored bytes; none unless they are one
    /// digest for each complete subtree. Whether they are the right ones, only the root tells.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && chunks.len() as u32 == size.count_ones();
        fits.then(|| Self { size, roots: chunks.iter().copied().map(Digest).collect() })
    }

    /// The bytes to store.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.iter().flat_map(|d| d.0).collect()
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a record by its hash.
    pub fn push(&mut self, record: &Digest) {
        let mut node = leaf_hash(record);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.roots.push(node);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Digest {
        let joined = self.roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(|| Digest::of(b""))
    }
}

/// The root of the tree over `records` (their hashes).
pub fn root(records: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    records.iter().for_each(|r| frontier.push(r));
    frontier.root()
}

/// The largest power of two below `n` (which is at least 2).
fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

/// The proof that record `index` is in the tree over `records`; none if there is no such record.
pub fn inclusion_proof(records: &[Digest], index: usize) -> Option<Vec<Digest>> {
    (index < records.len()).then(|| path(records, index))
}

fn path(records: &[Digest], index: usize) -> Vec<Digest> {
    if records.len() == 1 {
        return vec![];
    }
    let (left, right) = records.split_at(split(records.len()));
    let (mut proof, other) =
        if index < left.len() { (path(left, index), right) } else { (path(right, index - left.len()), left) };
    proof.push(root(other));
    proof
}

/// The proof that the tree over the first `old` of `records` is the beginning of the tree over all of
/// them; none if there are fewer than `old`.
pub fn consistency_proof(records: &[Digest], old: usize) -> Option<Vec<Digest>> {
    match old {
        0 => Some(vec![]),
        old if old > records.len() => None,
        old => Some(subproof(records, old, true)),
    }
}

fn subproof(records: &[Digest], old: usize, whole: bool) -> Vec<Digest> {
    if old == records.len() {
        return if whole { vec![] } else { vec![root(records)] };
    }
    let (left, right) = records.split_at(split(records.len()));
    let (mut proof, other) = if old <= left.len() {
        (subproof(left, old, whole), right)
    } else {
        (subproof(right, old - left.len(), false), left)
    };
    proof.push(root(other));
    proof
}

/// The way from a node to the root: its own number on its level and that of the level's last node.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Whether the next step joins with a node on the left.
    fn joins_left(&self) -> bool {
        self.node & 1 == 1 || self.node == self.last
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    /// After joining with the left: skips the levels on which this node has no sibling.
    fn skip_lonely(&mut self) {
        while self.node & 1 == 0 && self.node != 0 {
            self.up();
        }
    }
}

/// Whether `proof` shows that the record with the hash `record` is number `index` of the tree of
/// `size` records with that root.
pub fn verify_inclusion(record: &Digest, index: u64, size: u64, proof: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let mut climb = Climb { node: index, last: size - 1 };
    let mut hash = leaf_hash(record);
    for sibling in proof {
        if climb.last == 0 {
            return false;
        }
        if climb.joins_left() {
            hash = node_hash(sibling, &hash);
            climb.skip_lonely();
        } else {
            hash = node_hash(&hash, sibling);
        }
        climb.up();
    }
    climb.last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `old` = (size, root) is the beginning of that of `new`.
pub fn verify_consistency(old: (u64, Digest), new: (u64, Digest), proof: &[Digest]) -> bool {
    match old.0 {
        size if size > new.0 => false,
        size if size == new.0 => proof.is_empty() && old.1 == new.1,
        0 => proof.is_empty() && old.1 == Digest::of(b""),
        _ => climb_both(old, new, proof),
    }
}

fn climb_both(old: (u64, Digest), new: (u64, Digest), proof: &[Digest]) -> bool {
    let mut climb = Climb { node: old.0 - 1, last: new.0 - 1 };
    while climb.node & 1 == 1 {
        climb.up();
    }
    // A complete old tree is itself the first node of the way, and is left out of the proof.
    let implied = old.0.is_power_of_two().then_some(old.1);
    let mut nodes = implied.into_iter().chain(proof.iter().copied());
    let Some(first) = nodes.next() else { return false };
    let (mut in_old, mut in_new) = (first, first);
    for node in nodes {
        if climb.last == 0 {
            return false;
        }
        if climb.joins_left() {
            in_old = node_hash(&node, &in_old);
            in_new = node_hash(&node, &in_new);
            climb.skip_lonely();
        } else {
            in_new = node_hash(&in_new, &node);
        }
        climb.up();
    }
    climb.last == 0 && in_old == old.1 && in_new == new.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(n: usize) -> Vec<Digest> {
        (0..n).map(|i| Digest::of(&i.to_be_bytes())).collect()
    }

    /// The RFC's recursive definition, in its own words.
    fn oracle(records: &[Digest]) -> [u8; 32] {
        match records {
            [] => Sha256::digest([]).into(),
            [one] => Sha256::digest([&[0u8], one.0.as_slice()].concat()).into(),
            many => {
                let mut k = 1;
                while k * 2 < many.len() {
                    k *= 2;
                }
                Sha256::digest([&[1u8], &oracle(&many[..k])[..], &oracle(&many[k..])].concat()).into()
            }
        }
    }

    #[test]
    fn roots_follow_the_definition() {
        for n in 0..140 {
            assert_eq!(root(&records(n)).0, oracle(&records(n)), "{n} records");
        }
    }

    #[test]
    fn frontier_survives_storage() {
        let mut frontier = Frontier::default();
        for record in records(70) {
            frontier.push(&record);
            assert_eq!(Frontier::from_bytes(frontier.size(), &frontier.to_bytes()), Some(frontier.clone()));
        }
        assert_eq!(Frontier::from_bytes(3, &[0; 32]), None);
        assert_eq!(Frontier::from_bytes(1, &[0; 33]), None);
    }

    #[test]
    fn every_inclusion_of_small_trees() {
        for n in 1..40 {
            let (all, root) = (records(n), root(&records(n)));
            for (i, record) in all.iter().enumerate() {
                let proof = inclusion_proof(&all, i).expect("a record");
                assert!(verify_inclusion(record, i as u64, n as u64, &proof, &root), "{i} of {n}");
                let others = (0..n).filter(|o| *o != i);
                for other in others {
                    assert!(!verify_inclusion(record, other as u64, n as u64, &proof, &root));
                }
            }
            assert_eq!(inclusion_proof(&all, n), None);
        }
    }

    #[test]
    fn every_consistency_of_small_trees() {
        for n in 0..40 {
            let all = records(n);
            for m in 0..=n {
                let proof = consistency_proof(&all, m).expect("a prefix");
                let (old, new) = ((m as u64, root(&all[..m])), (n as u64, root(&all)));
                assert!(verify_consistency(old, new, &proof), "{m} of {n}");
                let forged = (m as u64, Digest::of(b"forged"));
                assert!(!verify_consistency(forged, new, &proof), "{m} of {n} forged");
            }
            assert_eq!(consistency_proof(&all, n + 1), None);
        }
    }

    proptest! {
        #[test]
        fn a_changed_proof_fails(n in 2usize..200, i in 0usize..200, at in 0usize..8, bit in 0usize..256) {
            let (all, i) = (records(n), i % n);
            let mut proof = inclusion_proof(&all, i).expect("a record");
            let at = at % proof.len();
            proof[at].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&all[i], i as u64, n as u64, &proof, &root(&all)));
            let mut cut = inclusion_proof(&all, i).expect("a record");
            cut.pop();
            prop_assert!(!verify_inclusion(&all[i], i as u64, n as u64, &cut, &root(&all)));
        }

        #[test]
        fn a_rewritten_history_has_no_consistency(n in 2usize..100, m in 1usize..100, k in 0usize..100) {
            let (all, m) = (records(n), m % n + 1);
            let mut other = all.clone();
            other[k % m] = Digest::of(b"rewritten");
            let proof = consistency_proof(&other, m).expect("a prefix");
            let old = (m as u64, root(&all[..m]));
            prop_assert!(!verify_consistency(old, (n as u64, root(&other)), &proof));
        }
    }
}
