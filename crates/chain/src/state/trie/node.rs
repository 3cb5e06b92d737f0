//! One node of a Merkle Patricia trie, and its RLP.
//!
//! alloy-trie has the codecs of nodes whose branches hold no value, which is enough where all keys
//! have one length; the public trie suites have keys of any length, so that values in branches are
//! read and written here.

use alloy_rlp::{EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::nodes::{RlpNode, encode_path_leaf};
use nybbles::Nibbles;

/// A node; what hangs below it is a reference or, where it was loaded or changed, the node itself.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf { key: Nibbles, value: Vec<u8> },
    Extension { key: Nibbles, child: Child },
    Branch(Box<Branch>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Branch {
    pub(super) children: [Child; 16],
    pub(super) value: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Child {
    #[default]
    Empty,
    /// A node that is stored at its path and was not loaded.
    Stored(RlpNode),
    /// A node in memory.
    Loaded(Box<Node>),
}

/// The bytes are not a node's.
#[derive(Debug, thiserror::Error)]
#[error("a trie node is damaged: {0}")]
pub(super) struct NodeError(&'static str);

impl Child {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Branch {
    /// The index of the one child, where there is no more and no value.
    pub(super) fn only_child(&self) -> Option<u8> {
        if !self.value.is_empty() {
            return None;
        }
        let mut present = (0u8..).zip(&self.children).filter(|(_, child)| !child.is_empty());
        let (index, _) = present.next()?;
        present.next().is_none().then_some(index)
    }

    pub(super) fn has_no_child(&self) -> bool {
        self.children.iter().all(Child::is_empty)
    }
}

/// Encodes a leaf.
pub(super) fn encode_leaf(key: &Nibbles, value: &[u8]) -> Vec<u8> {
    let path = encode_path_leaf(key, true);
    let payload_length = path.as_slice().length() + value.length();
    let mut out = Vec::with_capacity(payload_length + 3);
    Header { list: true, payload_length }.encode(&mut out);
    path.as_slice().encode(&mut out);
    value.encode(&mut out);
    out
}

/// Encodes an extension.
pub(super) fn encode_extension(key: &Nibbles, child: &RlpNode) -> Vec<u8> {
    let path = encode_path_leaf(key, false);
    let payload_length = path.as_slice().length() + child.len();
    let mut out = Vec::with_capacity(payload_length + 3);
    Header { list: true, payload_length }.encode(&mut out);
    path.as_slice().encode(&mut out);
    out.extend_from_slice(child);
    out
}

/// Encodes a branch.
pub(super) fn encode_branch(children: &[Option<RlpNode>; 16], value: &[u8]) -> Vec<u8> {
    let payload_length =
        children.iter().map(|child| child.as_ref().map_or(1, |child| child.len())).sum::<usize>()
            + value.length();
    let mut out = Vec::with_capacity(payload_length + 3);
    Header { list: true, payload_length }.encode(&mut out);
    for child in children {
        match child {
            Some(child) => out.extend_from_slice(child),
            None => out.push(EMPTY_STRING_CODE),
        }
    }
    value.encode(&mut out);
    out
}

/// Decodes a node.
pub(super) fn decode(mut bytes: &[u8]) -> Result<Node, NodeError> {
    let mut payload =
        Header::decode_bytes(&mut bytes, true).ok().ok_or(NodeError("it is not a list"))?;
    let mut items: Vec<&[u8]> = Vec::with_capacity(17);
    while !payload.is_empty() {
        let before = payload;
        let header = Header::decode(&mut payload).ok().ok_or(NodeError("an item has no header"))?;
        payload = payload.get(header.payload_length..).ok_or(NodeError("an item is cut off"))?;
        items.push(&before[..before.len() - payload.len()]);
    }
    match items.as_slice() {
        [path, value] => decode_short(path, value),
        [children @ .., value] if children.len() == 16 => decode_branch(children, value),
        _ => Err(NodeError("it has neither 2 nor 17 items")),
    }
}

fn decode_short(mut path: &[u8], value: &[u8]) -> Result<Node, NodeError> {
    let path =
        Header::decode_bytes(&mut path, false).ok().ok_or(NodeError("its path is not a string"))?;
    let (first, rest) = path.split_first().ok_or(NodeError("its path is empty"))?;
    if rest.len() > 32 {
        return Err(NodeError("its path is too long"));
    }
    let mut key = Nibbles::new();
    if first & 0x10 != 0 {
        key.push(first & 0x0f);
    }
    if key.len() + rest.len() * 2 > 64 {
        return Err(NodeError("its path is too long"));
    }
    let key = key.join(&Nibbles::unpack(rest));
    match first >> 4 {
        0 | 1 => Ok(Node::Extension { key, child: decode_child(value)? }),
        2 | 3 => Ok(Node::Leaf { key, value: decode_value(value)? }),
        _ => Err(NodeError("its path has an unknown flag")),
    }
}

fn decode_branch(children: &[&[u8]], value: &[u8]) -> Result<Node, NodeError> {
    let mut branch = Branch { value: decode_value(value)?, ..Branch::default() };
    for (slot, item) in branch.children.iter_mut().zip(children) {
        *slot = decode_child(item)?;
    }
    Ok(Node::Branch(Box::new(branch)))
}

fn decode_child(item: &[u8]) -> Result<Child, NodeError> {
    if item == [EMPTY_STRING_CODE] {
        return Ok(Child::Empty);
    }
    RlpNode::from_raw(item).map(Child::Stored).ok_or(NodeError("a child is too long"))
}

fn decode_value(mut item: &[u8]) -> Result<Vec<u8>, NodeError> {
    Header::decode_bytes(&mut item, false)
        .map(<[u8]>::to_vec)
        .ok()
        .ok_or(NodeError("its value is not a string"))
}
