//! Paths through Ethereum's Merkle Patricia tries: what a trie with a known root has for a key.
//!
//! A path is the list of the nodes from the root towards the key, as in EIP-1186: each node whose
//! RLP has 32 bytes or more, and the root in any case; smaller ones lie inside their parents. It
//! ends where the key's value is, or where the trie has no way on, which proves that there is no
//! value. Every node of the list must be needed.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::nodes::TrieNode;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A node is not the one that its parent, or the root, names.
    #[error("node {node} of the path has the hash {found}, not {expected}")]
    Hash {
        /// Which, from zero.
        node: usize,
        /// Its hash.
        found: B256,
        /// What the parent names.
        expected: B256,
    },
    /// The path ends before the key is found or seen to be absent.
    #[error("the path ends after {nodes} nodes, before the key is decided")]
    Truncated {
        /// How many nodes it has.
        nodes: usize,
    },
    /// The path goes on after the key is found or seen to be absent.
    #[error("the path goes on after {used} nodes, which decide the key")]
    Surplus {
        /// How many nodes it needs.
        used: usize,
    },
    /// A node is no node of a trie.
    #[error("node {node} of the path is no node of a trie: {reason}")]
    Malformed {
        /// Which, from zero.
        node: usize,
        /// Why not.
        reason: String,
    },
}

/// What the trie with this root has for the key: the value, or `None` if the path proves that there
/// is none.
///
/// The key has at most 32 bytes.
pub(crate) fn lookup(root: B256, key: &[u8], path: &[Bytes]) -> Result<Option<Vec<u8>>, PathError> {
    if root == EMPTY_ROOT_HASH {
        return if path.is_empty() { Ok(None) } else { Err(PathError::Surplus { used: 0 }) };
    }
    let mut rest = Nibbles::unpack(key);
    let mut used = 0;
    let mut node = hashed(root, path, &mut used)?;
    let value = loop {
        let child = match node {
            TrieNode::EmptyRoot => return Err(malformed(used, "it is empty")),
            TrieNode::Leaf(leaf) => break (leaf.key == rest).then_some(leaf.value),
            TrieNode::Extension(extension) if rest.starts_with(&extension.key) => {
                rest = rest.slice(extension.key.len()..);
                extension.child
            }
            TrieNode::Extension(_) => break None,
            TrieNode::Branch(branch) => {
                let Some(nibble) = rest.first() else {
                    return Err(malformed(used, "it branches where the key ends"));
                };
                rest = rest.slice(1..);
                let branch = branch.as_ref();
                let child = branch.children().find(|(index, _)| *index == nibble);
                match child.and_then(|(_, child)| child) {
                    Some(child) => child.clone(),
                    None => break None,
                }
            }
        };
        node = match child.as_hash() {
            Some(hash) => hashed(hash, path, &mut used)?,
            None => decode(child.as_slice(), used)?,
        };
    };
    if used < path.len() {
        return Err(PathError::Surplus { used });
    }
    Ok(value)
}

/// The next node of the path, which has this hash.
fn hashed(expected: B256, path: &[Bytes], used: &mut usize) -> Result<TrieNode, PathError> {
    let bytes = path.get(*used).ok_or(PathError::Truncated { nodes: path.len() })?;
    let found = keccak256(bytes);
    if found != expected {
        return Err(PathError::Hash { node: *used, found, expected });
    }
    *used += 1;
    decode(bytes, *used)
}

fn decode(bytes: &[u8], used: usize) -> Result<TrieNode, PathError> {
    let mut rest = bytes;
    let node = TrieNode::decode(&mut rest).map_err(|error| malformed(used, &error))?;
    if !rest.is_empty() {
        return Err(malformed(used, "bytes follow it"));
    }
    Ok(node)
}

/// About the node that was used last.
fn malformed(used: usize, reason: &(impl ToString + ?Sized)) -> PathError {
    PathError::Malformed { node: used.saturating_sub(1), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy_trie::HashBuilder;
    use alloy_trie::proof::ProofRetainer;
    use proptest::prelude::*;

    use super::*;

    /// The root of a trie and the path to a key, by alloy's builder.
    fn build(entries: &BTreeMap<Vec<u8>, Vec<u8>>, key: &[u8]) -> (B256, Vec<Bytes>) {
        let target = Nibbles::unpack(key);
        let mut builder =
            HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![target]));
        for (key, value) in entries {
            builder.add_leaf(Nibbles::unpack(key), value);
        }
        let root = builder.root();
        let nodes = builder.take_proof_nodes().matching_nodes_sorted(&target);
        let path = nodes
            .into_iter()
            .filter(|(at, node)| root != EMPTY_ROOT_HASH && (at.is_empty() || node.len() >= 32))
            .map(|(_, node)| node);
        (root, path.collect())
    }

    fn entries(pairs: &[(&[u8], &[u8])]) -> BTreeMap<Vec<u8>, Vec<u8>> {
        pairs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    #[test]
    fn an_empty_trie_has_nothing_by_an_empty_path() {
        assert_eq!(lookup(EMPTY_ROOT_HASH, &[1], &[]), Ok(None));
        let empty = Bytes::from_static(&[0x80]);
        assert_eq!(lookup(EMPTY_ROOT_HASH, &[1], &[empty]), Err(PathError::Surplus { used: 0 }));
        assert_eq!(lookup(B256::ZERO, &[1], &[]), Err(PathError::Truncated { nodes: 0 }));
    }

    #[test]
    fn a_path_is_neither_too_short_nor_too_long_nor_another() {
        let value = [7; 40];
        let entries = entries(&[(&[0x11, 0x11], &value), (&[0x11, 0x22], &value)]);
        let (root, path) = build(&entries, &[0x11, 0x22]);
        assert_eq!(path.len(), 3, "an extension, a branch, a leaf");
        assert_eq!(lookup(root, &[0x11, 0x22], &path), Ok(Some(value.to_vec())));
        assert_eq!(lookup(root, &[0x11, 0x22], &path[..2]), Err(PathError::Truncated { nodes: 2 }));
        let longer = [&path[..], &path[..1]].concat();
        assert_eq!(lookup(root, &[0x11, 0x22], &longer), Err(PathError::Surplus { used: 3 }));
        assert_eq!(lookup(root, &[0x12, 0x22], &path), Err(PathError::Surplus { used: 1 }));
        assert_eq!(lookup(root, &[0x12, 0x22], &path[..1]), Ok(None), "the extension leads away");
        assert_eq!(lookup(root, &[0x11, 0x33], &path[..2]), Ok(None), "the branch has no child");
        assert_eq!(lookup(root, &[0x11, 0x23], &path), Ok(None), "the leaf is another's");
        let other = [&path[..1], &path[2..]].concat();
        assert!(matches!(
            lookup(root, &[0x11, 0x22], &other),
            Err(PathError::Hash { node: 1, .. })
        ));
    }

    #[test]
    fn what_is_no_node_is_refused() {
        for bytes in [&[0x80][..], &[0xc0], &[0xc1, 0x80], &[0xc2, 0x20], b"no list at all"] {
            let path = [Bytes::copy_from_slice(bytes)];
            let found = lookup(keccak256(bytes), &[1], &path);
            if keccak256(bytes) == EMPTY_ROOT_HASH {
                assert_eq!(found, Err(PathError::Surplus { used: 0 }));
            } else {
                assert!(matches!(found, Err(PathError::Malformed { node: 0, .. })), "{found:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Short keys and values, so that nodes lie in their parents.
        #[test]
        fn what_a_trie_has_is_found_and_what_it_has_not_is_not(
            entries in prop::collection::btree_map(
                prop::collection::vec(any::<u8>(), 2..3),
                prop::collection::vec(1u8.., 1..40),
                0..40,
            ),
            key in prop::collection::vec(any::<u8>(), 2..3),
        ) {
            let keys = entries.keys().cloned().chain([key]);
            for key in keys {
                let (root, path) = build(&entries, &key);
                prop_assert_eq!(lookup(root, &key, &path), Ok(entries.get(&key).cloned()));
                for cut in 0..path.len() {
                    prop_assert!(lookup(root, &key, &path[..cut]).is_err());
                }
                let longer = [&path[..], &[Bytes::from_static(&[0x80])]].concat();
                prop_assert!(lookup(root, &key, &longer).is_err());
            }
        }

        #[test]
        fn any_nodes_are_read_or_refused(
            nodes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..4),
            key in prop::collection::vec(any::<u8>(), 0..32),
        ) {
            let path: Vec<Bytes> = nodes.into_iter().map(Bytes::from).collect();
            prop_assert!(lookup(keccak256(&path[0]), &key, &path).is_err() || path.len() == 1);
        }
    }
}
