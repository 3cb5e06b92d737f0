//! What a proof may have at most, so that a hostile file costs little.
//!
//! A file that keeps to them takes memory of a few times its own length. The most work is that of
//! [`MAX_CHANGES`] certificates of [`MAX_VALIDATORS`] signatures: seconds.

/// The most bytes of a proof or a checkpoint as JSON: 32 MiB, room for a transaction of a block's
/// whole size.
pub const MAX_FILE_BYTES: usize = 32 << 20;
/// The most bytes of a genesis document: 64 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;
/// The most changes of validators in a proof. A network with more needs a checkpoint.
pub const MAX_CHANGES: usize = 1_024;
/// The most bytes of a header's RLP; one of a Windlass block has some 600.
pub const MAX_HEADER_BYTES: usize = 1_024;
/// The most headers from the proven block to the certified one.
pub const MAX_HEADERS: usize = 4_096;
/// The most validators of a set: what the governance contract allows.
pub const MAX_VALIDATORS: usize = 100;
/// The most nodes of a path through a trie: one a nibble of the key, and the leaf.
pub const MAX_PATH_NODES: usize = 65;
/// The most storage slots of a claim about an account.
pub const MAX_SLOTS: usize = 1_024;
/// The most bytes of two votes that contradict each other: those of two votes to finalize with the
/// largest numbers.
pub const MAX_VOTES_BYTES: usize = 1 + 2 * (4 * 10 + 32 + 64);
