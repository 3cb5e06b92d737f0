//! Proof of a range: that leaves are all that a trie has between two keys.
//!
//! The proof holds the nodes on the ways to both ends. A subtree that lies wholly inside is made
//! anew from the leaves and must have the reference that its parent has; a subtree wholly outside is
//! not looked at; only nodes on the two ways are opened. So a leaf that is missing, added or changed
//! shows in a reference.

use std::collections::HashMap;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use alloy_trie::nodes::RlpNode;
use nybbles::Nibbles;

use super::node::{Child, Node, decode, encode_branch, encode_extension, encode_leaf};

/// A leaf by its whole key.
pub type Leaf = (Nibbles, Vec<u8>);

/// Why leaves are not what the trie has in a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The leaves have no order, or lie outside.
    #[error("the leaves are not in rising order, or not within the range")]
    Order,
    /// A node is lacking that has this hash.
    #[error("the proof lacks the node {0}")]
    Missing(B256),
    /// Bytes are no node, or lead nowhere.
    #[error("the proof holds what is no node: {0}")]
    Malformed(String),
    /// Something is missing, added or changed below a path.
    #[error("the trie has other leaves at {0:?}")]
    Differs(Nibbles),
}

/// Checks that `leaves` are all leaves of the trie with this root from `from` to `to`, both included.
pub fn check_range(
    root: B256,
    from: &B256,
    to: &B256,
    leaves: &[Leaf],
    proof: &[Bytes],
) -> Result<(), RangeError> {
    let (low, high) = (Nibbles::unpack(from), Nibbles::unpack(to));
    let rises = leaves.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let within = leaves.iter().all(|(key, _)| key.len() == 64 && *key >= low && *key <= high);
    if low > high || !rises || !within {
        return Err(RangeError::Order);
    }
    let nodes = proof.iter().map(|bytes| (keccak256(bytes), bytes)).collect();
    let check = Check { nodes, low, high };
    let path = Nibbles::new();
    let differs = Err(RangeError::Differs(path));
    if root == EMPTY_ROOT_HASH {
        return if leaves.is_empty() { Ok(()) } else { differs };
    }
    match check.place(&path) {
        Place::Inside => {
            let found = node_of(leaves, 0).map(|bytes| keccak256(&bytes));
            if found == Some(root) { Ok(()) } else { differs }
        }
        Place::Outside | Place::Across => check.node(check.hashed(root)?, &path, leaves),
    }
}

struct Check<'a> {
    nodes: HashMap<B256, &'a Bytes>,
    low: Nibbles,
    high: Nibbles,
}

/// Where a subtree lies to the range.
enum Place {
    Inside,
    Outside,
    /// It begins or ends in it.
    Across,
}

impl Check<'_> {
    fn place(&self, path: &Nibbles) -> Place {
        let (low, high) = (self.low.slice(..path.len()), self.high.slice(..path.len()));
        if *path < low || *path > high {
            return Place::Outside;
        }
        let all = |rest: Nibbles, nibble: u8| rest.iter().all(|one| one == nibble);
        let from_below = *path > low || all(self.low.slice(path.len()..), 0);
        let to_above = *path < high || all(self.high.slice(path.len()..), 0xf);
        if from_below && to_above { Place::Inside } else { Place::Across }
    }

    fn hashed(&self, hash: B256) -> Result<&[u8], RangeError> {
        self.nodes.get(&hash).map(|bytes| &bytes[..]).ok_or(RangeError::Missing(hash))
    }

    /// Checks the leaves below a node on the way to an end.
    fn node(&self, bytes: &[u8], path: &Nibbles, leaves: &[Leaf]) -> Result<(), RangeError> {
        let node = decode(bytes).map_err(|error| RangeError::Malformed(error.to_string()))?;
        match node {
            Node::Leaf { key, value } => {
                let key = joined(path, &key)?;
                let inside = key.len() == 64 && key >= self.low && key <= self.high;
                let expected: &[Leaf] = if inside { &[(key, value)] } else { &[] };
                if leaves == expected { Ok(()) } else { Err(RangeError::Differs(*path)) }
            }
            Node::Extension { key, .. } if key.is_empty() => {
                Err(RangeError::Malformed("an extension that leads nowhere".to_owned()))
            }
            Node::Extension { key, child } => {
                let below = joined(path, &key)?;
                let covered = covered(leaves, &below);
                if covered.len() != leaves.len() {
                    return Err(RangeError::Differs(*path));
                }
                self.child(&child, &below, covered)
            }
            Node::Branch(branch) => {
                for (index, child) in (0u8..).zip(&branch.children) {
                    let below = joined(path, &Nibbles::from_nibbles([index]))?;
                    self.child(child, &below, covered(leaves, &below))?;
                }
                Ok(())
            }
        }
    }

    fn child(&self, child: &Child, path: &Nibbles, leaves: &[Leaf]) -> Result<(), RangeError> {
        let reference = match child {
            Child::Stored(reference) => reference,
            Child::Empty | Child::Loaded(_) if leaves.is_empty() => return Ok(()),
            Child::Empty | Child::Loaded(_) => return Err(RangeError::Differs(*path)),
        };
        match self.place(path) {
            Place::Outside => Ok(()),
            Place::Inside => {
                let found = node_of(leaves, path.len()).map(|bytes| RlpNode::from_rlp(&bytes));
                let same = found.as_ref() == Some(reference);
                if same { Ok(()) } else { Err(RangeError::Differs(*path)) }
            }
            Place::Across => match reference.as_hash() {
                Some(hash) => self.node(self.hashed(hash)?, path, leaves),
                None => self.node(reference.as_slice(), path, leaves),
            },
        }
    }
}

/// A path and what follows; no key has more than 64 nibbles.
fn joined(path: &Nibbles, rest: &Nibbles) -> Result<Nibbles, RangeError> {
    if path.len() + rest.len() > 64 {
        return Err(RangeError::Malformed("its path is too long".to_owned()));
    }
    Ok(path.join(rest))
}

/// Those of the leaves that lie below a path.
fn covered<'a>(leaves: &'a [Leaf], path: &Nibbles) -> &'a [Leaf] {
    let first = leaves.partition_point(|(key, _)| key.slice(..path.len()) < *path);
    let end = leaves.partition_point(|(key, _)| key.slice(..path.len()) <= *path);
    &leaves[first..end]
}

/// The node over these leaves, whose keys are alike in their first nibbles; `None` where there are none.
fn node_of(leaves: &[Leaf], depth: usize) -> Option<Vec<u8>> {
    let ((first, value), (last, _)) = (leaves.first()?, leaves.last()?);
    if leaves.len() == 1 {
        return Some(encode_leaf(&first.slice(depth..), value));
    }
    let common = depth + first.slice(depth..).common_prefix_length(&last.slice(depth..));
    let mut children: [Option<RlpNode>; 16] = Default::default();
    let mut rest = leaves;
    while let Some((key, _)) = rest.first() {
        let nibble = key.get_unchecked(common);
        let end = rest.partition_point(|(key, _)| key.get_unchecked(common) <= nibble);
        let (group, others) = rest.split_at(end);
        let node = node_of(group, common + 1);
        children[usize::from(nibble)] = node.map(|bytes| RlpNode::from_rlp(&bytes));
        rest = others;
    }
    let branch = encode_branch(&children, &[]);
    if common == depth {
        return Some(branch);
    }
    Some(encode_extension(&first.slice(depth..common), &RlpNode::from_rlp(&branch)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::super::{Nodes, prove, update};
    use super::*;

    #[derive(Default)]
    struct Records(BTreeMap<Nibbles, Vec<u8>>);

    impl Nodes for Records {
        type Error = Infallible;

        fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, Infallible> {
            Ok(self.0.get(path).cloned())
        }

        fn damaged(what: String) -> Infallible {
            unreachable!("{what}")
        }
    }

    /// A trie whose keys are dense at their beginning, so that all kinds of nodes come.
    fn trie(seeds: &[(u8, u8)]) -> (B256, Records, Vec<Leaf>) {
        let key = |(one, other): &(u8, u8)| {
            let mut key = [*one & 0x33; 32];
            key[1] = *other & 0x11;
            key[31] = *other;
            Nibbles::unpack(key)
        };
        let leaves: BTreeMap<Nibbles, Vec<u8>> = seeds
            .iter()
            .map(|seed| (key(seed), vec![seed.1 | 1; usize::from(seed.0 % 40) + 1]))
            .collect();
        let changes = leaves.iter().map(|(key, value)| (*key, Some(value.clone())));
        let updated = update(&Records::default(), changes).unwrap();
        let records =
            updated.records.into_iter().filter_map(|(path, record)| Some((path, record?)));
        (updated.root, Records(records.collect()), leaves.into_iter().collect())
    }

    fn ends(nodes: &Records, from: &B256, to: &B256) -> Vec<Bytes> {
        let mut proof = prove(nodes, &Nibbles::unpack(from)).unwrap().0;
        proof.extend(prove(nodes, &Nibbles::unpack(to)).unwrap().0);
        proof
    }

    fn within(leaves: &[Leaf], from: &B256, to: &B256) -> Vec<Leaf> {
        let (low, high) = (Nibbles::unpack(from), Nibbles::unpack(to));
        leaves.iter().filter(|(key, _)| *key >= low && *key <= high).cloned().collect()
    }

    proptest! {
        #[test]
        fn exactly_what_is_there_is_proven(
            seeds in prop::collection::vec(any::<(u8, u8)>(), 0..60),
            one in any::<[u8; 32]>(),
            other in any::<[u8; 32]>(),
            at_leaves in any::<bool>(),
            victim in any::<prop::sample::Index>(),
        ) {
            let (root, nodes, leaves) = trie(&seeds);
            let (mut from, mut to) = (B256::from(one.min(other)), B256::from(one.max(other)));
            if at_leaves && !leaves.is_empty() {
                let (one, other) = (victim.index(leaves.len()), usize::from(other[0]) % leaves.len());
                from = B256::from_slice(&leaves[one.min(other)].0.pack());
                to = B256::from_slice(&leaves[one.max(other)].0.pack());
            }
            let proof = ends(&nodes, &from, &to);
            let inside = within(&leaves, &from, &to);
            check_range(root, &from, &to, &inside, &proof).unwrap();
            let everything = (B256::ZERO, B256::repeat_byte(0xff));
            check_range(root, &everything.0, &everything.1, &leaves, &[]).unwrap();
            if inside.is_empty() {
                let extra = [(Nibbles::unpack(from), vec![1])];
                prop_assert!(check_range(root, &from, &to, &extra, &proof).is_err());
                return Ok(());
            }
            let place = victim.index(inside.len());
            let mut less = inside.clone();
            less.remove(place);
            prop_assert!(check_range(root, &from, &to, &less, &proof).is_err());
            let mut changed = inside.clone();
            changed[place].1.push(7);
            prop_assert!(check_range(root, &from, &to, &changed, &proof).is_err());
            prop_assert!(check_range(B256::repeat_byte(9), &from, &to, &inside, &proof).is_err());
        }

        #[test]
        fn nonsense_is_refused(
            root in any::<[u8; 32]>(),
            proof in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4),
            keys in prop::collection::btree_set(any::<[u8; 32]>(), 0..4),
        ) {
            let leaves: Vec<Leaf> = keys.iter().map(|key| (Nibbles::unpack(key), vec![1])).collect();
            let mut proof: Vec<Bytes> = proof.into_iter().map(Bytes::from).collect();
            // One of them is found under the root that is asked for.
            let root = proof.first().map_or(B256::from(root), keccak256);
            proof.reverse();
            let (from, to) = (B256::repeat_byte(0x11), B256::repeat_byte(0xee));
            let checked = check_range(root, &from, &to, &leaves, &proof);
            prop_assert!(checked.is_err() || leaves.is_empty());
        }
    }
}
