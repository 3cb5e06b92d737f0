//! The Merkle Patricia trie, kept by path.
//!
//! Every node is a record of its own under its path from the root, the ones that Ethereum embeds in
//! their parents too, so that a child is always found without a hash. A change loads the nodes on
//! its way, edits them in memory, and the new root comes from encoding each edited node once.
//!
//! Whatever disappears was loaded first: a node is removed or moves only when a change passes
//! through it or when its parent collapses, and a collapse loads the sibling. So the records to
//! delete are exactly those that were loaded and are not in the edited trie.

mod node;
mod range;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use alloy_trie::nodes::RlpNode;
use nybbles::Nibbles;

use self::node::{Branch, Child, Node, decode, encode_branch, encode_extension, encode_leaf};
pub use self::range::{Leaf, RangeError, check_range};
pub(crate) use self::walk::walk;

/// Where the records of one trie are.
pub(crate) trait Nodes {
    /// Why a record could not be read.
    type Error;

    /// The record at a path.
    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The error for a record that should be there, or is not a node.
    fn damaged(what: String) -> Self::Error;
}

/// What a batch of changes made of a trie.
#[derive(Debug)]
pub(crate) struct Updated {
    pub(crate) root: B256,
    /// The records to write, and with `None` to delete.
    pub(crate) records: BTreeMap<Nibbles, Option<Vec<u8>>>,
}

/// Applies changes (a value, or `None` to remove the key) and computes the new root.
pub(crate) fn update<N: Nodes>(
    nodes: &N,
    changes: impl IntoIterator<Item = (Nibbles, Option<Vec<u8>>)>,
) -> Result<Updated, N::Error> {
    let mut editor = Editor { nodes, loaded: BTreeSet::new() };
    let mut root = editor.load(&Nibbles::new())?;
    for (key, value) in changes {
        let path = Nibbles::new();
        root = match value {
            Some(value) => Some(editor.insert(root, path, key, value)?),
            None => match root {
                Some(node) => editor.remove(node, path, key)?,
                None => None,
            },
        };
    }
    let mut records = BTreeMap::new();
    let root = match root {
        Some(node) => {
            seal(&node, Nibbles::new(), &mut records);
            let bytes = records.get(&Nibbles::new()).and_then(Option::as_ref);
            keccak256(bytes.expect("sealing wrote the root"))
        }
        None => EMPTY_ROOT_HASH,
    };
    for path in editor.loaded {
        records.entry(path).or_insert(None);
    }
    Ok(Updated { root, records })
}

/// The nodes on the way to a key, and the value there.
pub(crate) type Proven = (Vec<Bytes>, Option<Vec<u8>>);

/// The nodes from the root towards a key, as EIP-1186 lists them, and the value found.
pub(crate) fn prove<N: Nodes>(nodes: &N, key: &Nibbles) -> Result<Proven, N::Error> {
    let mut proof = Vec::new();
    let mut path = Nibbles::new();
    loop {
        let Some(bytes) = nodes.node(&path)? else {
            if path.is_empty() {
                return Ok((proof, None));
            }
            return Err(N::damaged(format!("no trie node at {path:?}")));
        };
        let node = decode(&bytes).map_err(|error| N::damaged(error.to_string()))?;
        if bytes.len() >= 32 || path.is_empty() {
            proof.push(bytes.into());
        }
        let rest = key.slice(path.len()..);
        match node {
            Node::Leaf { key, value } => return Ok((proof, (key == rest).then_some(value))),
            Node::Extension { key, .. } if rest.starts_with(&key) => path = path.join(&key),
            Node::Extension { .. } => return Ok((proof, None)),
            Node::Branch(branch) => {
                let Some(index) = rest.first() else {
                    let value = Some(branch.value).filter(|value| !value.is_empty());
                    return Ok((proof, value));
                };
                if branch.children[usize::from(index)].is_empty() {
                    return Ok((proof, None));
                }
                path.push(index);
            }
        }
    }
}

struct Editor<'a, N> {
    nodes: &'a N,
    loaded: BTreeSet<Nibbles>,
}

impl<N: Nodes> Editor<'_, N> {
    fn load(&mut self, path: &Nibbles) -> Result<Option<Node>, N::Error> {
        let Some(bytes) = self.nodes.node(path)? else { return Ok(None) };
        self.loaded.insert(*path);
        decode(&bytes).map(Some).map_err(|error| N::damaged(error.to_string()))
    }

    fn resolve(&mut self, child: Child, path: &Nibbles) -> Result<Option<Node>, N::Error> {
        match child {
            Child::Empty => Ok(None),
            Child::Loaded(node) => Ok(Some(*node)),
            Child::Stored(_) => match self.load(path)? {
                Some(node) => Ok(Some(node)),
                None => Err(N::damaged(format!("no trie node at {path:?}"))),
            },
        }
    }

    fn insert(
        &mut self,
        node: Option<Node>,
        path: Nibbles,
        rest: Nibbles,
        value: Vec<u8>,
    ) -> Result<Node, N::Error> {
        match node {
            None => Ok(Node::Leaf { key: rest, value }),
            Some(Node::Leaf { key, .. }) if key == rest => Ok(Node::Leaf { key, value }),
            Some(Node::Leaf { key, value: old }) => {
                let common = key.common_prefix_length(&rest);
                let mut branch = Branch::default();
                hang_leaf(&mut branch, &key.slice(common..), old);
                hang_leaf(&mut branch, &rest.slice(common..), value);
                Ok(extended(&rest.slice(..common), Node::Branch(Box::new(branch))))
            }
            Some(Node::Extension { key, child }) if rest.starts_with(&key) => {
                let below = path.join(&key);
                let child = self.resolve(child, &below)?;
                let child = self.insert(child, below, rest.slice(key.len()..), value)?;
                Ok(Node::Extension { key, child: Child::Loaded(Box::new(child)) })
            }
            Some(Node::Extension { key, child }) => {
                let common = key.common_prefix_length(&rest);
                let mut branch = Branch::default();
                let index = usize::from(key.get_unchecked(common));
                let tail = key.slice(common + 1..);
                branch.children[index] = if tail.is_empty() {
                    child
                } else {
                    Child::Loaded(Box::new(Node::Extension { key: tail, child }))
                };
                hang_leaf(&mut branch, &rest.slice(common..), value);
                Ok(extended(&rest.slice(..common), Node::Branch(Box::new(branch))))
            }
            Some(Node::Branch(mut branch)) => {
                let Some(index) = rest.first() else {
                    branch.value = value;
                    return Ok(Node::Branch(branch));
                };
                let slot = usize::from(index);
                let mut below = path;
                below.push(index);
                let child = std::mem::take(&mut branch.children[slot]);
                let child = self.resolve(child, &below)?;
                let child = self.insert(child, below, rest.slice(1..), value)?;
                branch.children[slot] = Child::Loaded(Box::new(child));
                Ok(Node::Branch(branch))
            }
        }
    }

    fn remove(
        &mut self,
        node: Node,
        path: Nibbles,
        rest: Nibbles,
    ) -> Result<Option<Node>, N::Error> {
        match node {
            Node::Leaf { key, .. } if key == rest => Ok(None),
            Node::Extension { key, child } if rest.starts_with(&key) => {
                let below = path.join(&key);
                let Some(child) = self.resolve(child, &below)? else {
                    return Err(N::damaged(format!("no trie node at {below:?}")));
                };
                let child = self.remove(child, below, rest.slice(key.len()..))?;
                Ok(child.map(|child| extended(&key, child)))
            }
            Node::Leaf { .. } | Node::Extension { .. } => Ok(Some(node)),
            Node::Branch(mut branch) => {
                if let Some(index) = rest.first() {
                    let slot = usize::from(index);
                    let mut below = path;
                    below.push(index);
                    let child = std::mem::take(&mut branch.children[slot]);
                    if let Some(child) = self.resolve(child, &below)? {
                        let child = self.remove(child, below, rest.slice(1..))?;
                        branch.children[slot] =
                            child.map_or(Child::Empty, |child| Child::Loaded(Box::new(child)));
                    }
                } else {
                    branch.value.clear();
                }
                self.collapse(branch, path)
            }
        }
    }

    /// A branch that lost something: with one thing left it is no branch any more.
    fn collapse(
        &mut self,
        mut branch: Box<Branch>,
        path: Nibbles,
    ) -> Result<Option<Node>, N::Error> {
        if branch.has_no_child() {
            let value = std::mem::take(&mut branch.value);
            return Ok((!value.is_empty()).then(|| Node::Leaf { key: Nibbles::new(), value }));
        }
        let Some(index) = branch.only_child() else { return Ok(Some(Node::Branch(branch))) };
        let mut below = path;
        below.push(index);
        let child = std::mem::take(&mut branch.children[usize::from(index)]);
        let child = self.resolve(child, &below)?;
        Ok(child.map(|child| extended(&Nibbles::from_nibbles([index]), child)))
    }
}

/// Hangs a leaf below a branch; with nothing left of its key its value is the branch's.
fn hang_leaf(branch: &mut Branch, key: &Nibbles, value: Vec<u8>) {
    match key.first() {
        Some(index) => {
            let leaf = Node::Leaf { key: key.slice(1..), value };
            branch.children[usize::from(index)] = Child::Loaded(Box::new(leaf));
        }
        None => branch.value = value,
    }
}

/// A node with a longer way to it.
fn extended(prefix: &Nibbles, node: Node) -> Node {
    if prefix.is_empty() {
        return node;
    }
    match node {
        Node::Leaf { key, value } => Node::Leaf { key: prefix.join(&key), value },
        Node::Extension { key, child } => Node::Extension { key: prefix.join(&key), child },
        Node::Branch(_) => Node::Extension { key: *prefix, child: Child::Loaded(Box::new(node)) },
    }
}

/// Encodes a node and all that is loaded below it, each into its record.
fn seal(node: &Node, path: Nibbles, records: &mut BTreeMap<Nibbles, Option<Vec<u8>>>) -> RlpNode {
    let bytes = match node {
        Node::Leaf { key, value } => encode_leaf(key, value),
        Node::Extension { key, child } => {
            let child = seal_child(child, path.join(key), records);
            encode_extension(key, &child.expect("an extension leads to a node"))
        }
        Node::Branch(branch) => {
            let mut children: [Option<RlpNode>; 16] = Default::default();
            for ((index, slot), child) in (0u8..).zip(&mut children).zip(&branch.children) {
                let mut below = path;
                if !child.is_empty() {
                    below.push(index);
                }
                *slot = seal_child(child, below, records);
            }
            encode_branch(&children, &branch.value)
        }
    };
    let reference = RlpNode::from_rlp(&bytes);
    records.insert(path, Some(bytes));
    reference
}

fn seal_child(
    child: &Child,
    path: Nibbles,
    records: &mut BTreeMap<Nibbles, Option<Vec<u8>>>,
) -> Option<RlpNode> {
    match child {
        Child::Empty => None,
        Child::Stored(reference) => Some(reference.clone()),
        Child::Loaded(node) => Some(seal(node, path, records)),
    }
}
