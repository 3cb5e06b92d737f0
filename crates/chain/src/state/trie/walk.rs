//! Following a stored trie from its root.

use alloy_primitives::{B256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use alloy_trie::nodes::RlpNode;
use nybbles::Nibbles;

use super::node::{Child, Node, decode};
use super::{Nodes, node::NodeError};

/// How many nodes a root leads to, each of them what its parent says.
pub(crate) fn walk<N: Nodes>(nodes: &N, root: B256) -> Result<u64, N::Error> {
    let path = Nibbles::new();
    let found = nodes.node(&path)?;
    let hash = found.as_ref().map_or(EMPTY_ROOT_HASH, keccak256);
    if hash != root {
        return Err(N::damaged(format!("the trie's root is {hash}, and should be {root}")));
    }
    found.map_or(Ok(0), |bytes| below(nodes, &bytes, path))
}

fn below<N: Nodes>(nodes: &N, bytes: &[u8], path: Nibbles) -> Result<u64, N::Error> {
    let damaged = |error: NodeError| N::damaged(error.to_string());
    match decode(bytes).map_err(damaged)? {
        Node::Leaf { .. } => Ok(1),
        Node::Extension { key, child } => Ok(1 + follow(nodes, &child, path.join(&key))?),
        Node::Branch(branch) => {
            let mut count = 1;
            for (index, child) in (0u8..).zip(&branch.children) {
                let mut path = path;
                if !child.is_empty() {
                    path.push(index);
                }
                count += follow(nodes, child, path)?;
            }
            Ok(count)
        }
    }
}

fn follow<N: Nodes>(nodes: &N, child: &Child, path: Nibbles) -> Result<u64, N::Error> {
    let Child::Stored(reference) = child else { return Ok(0) };
    let bytes = nodes.node(&path)?;
    let bytes = bytes.ok_or_else(|| N::damaged(format!("no trie node at {path:?}")))?;
    if RlpNode::from_rlp(&bytes) != *reference {
        return Err(N::damaged(format!("the trie node at {path:?} is another one")));
    }
    below(nodes, &bytes, path)
}
