//! For whoever makes a proof: paths through a block's tries of transactions and receipts.

use alloy_primitives::{B256, Bytes};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::root::adjust_index_for_rlp;
use alloy_trie::{HashBuilder, Nibbles};

/// The path to one of a block's transactions or receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPath {
    /// The root of the trie; the header has it.
    pub root: B256,
    /// The nodes from the root on, as a proof has them.
    pub path: Vec<Bytes>,
}

/// The path to item `index` of a block's transactions or receipts; `None` where there are not that
/// many.
///
/// `items` are all of the block's transactions, or all its receipts, in the block's order and in the
/// encoding of EIP-2718.
pub fn index_path<T: AsRef<[u8]>>(items: &[T], index: usize) -> Option<IndexPath> {
    items.get(index)?;
    let target = key(index);
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![target]));
    // The builder wants the keys in rising order, which is not that of the indices.
    for position in 0..items.len() {
        let index = adjust_index_for_rlp(position, items.len());
        builder.add_leaf(key(index), items.get(index)?.as_ref());
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().matching_nodes_sorted(&target);
    // A node of less than 32 bytes lies in its parent; only a root stands alone in any size.
    let nodes = nodes.into_iter().filter(|(at, node)| at.is_empty() || node.len() >= 32);
    Some(IndexPath { root, path: nodes.map(|(_, node)| node).collect() })
}

/// The key of an index: its RLP.
fn key(index: usize) -> Nibbles {
    Nibbles::unpack(alloy_rlp::encode(index))
}

#[cfg(test)]
mod tests {
    use alloy_trie::root::ordered_trie_root_encoded;
    use proptest::prelude::*;

    use super::*;
    use crate::path::lookup;

    fn check(items: &[Vec<u8>]) {
        for index in 0..items.len() {
            let IndexPath { root, path } = index_path(items, index).unwrap();
            assert_eq!(root, ordered_trie_root_encoded(items));
            let found = lookup(root, &alloy_rlp::encode(index), &path);
            assert_eq!(found, Ok(Some(items[index].clone())), "{index} of {}", items.len());
        }
        assert_eq!(index_path(items, items.len()), None);
    }

    #[test]
    fn each_item_of_blocks_of_any_size_has_a_path() {
        for count in [0, 1, 2, 3, 16, 17, 127, 128, 129, 130, 255, 256, 257, 300] {
            let items: Vec<Vec<u8>> =
                (0..count).map(|index| format!("{index:0>40}").into_bytes()).collect();
            check(&items);
        }
    }

    proptest! {
        #[test]
        fn short_items_lie_in_their_parents(
            items in prop::collection::vec(prop::collection::vec(1u8.., 1..40), 1..40),
        ) {
            check(&items);
        }
    }
}
