//! A ledger from the state of others: what a node that is far behind asks, what its peers answer, and
//! how it checks every answer.
//!
//! **Answers are proven.** A part of the state comes with the header and the finality certificate of
//! the block that it is the state of, and with the nodes of the trie on the ways to both of its ends;
//! the validators who signed are followed from the genesis on, change by change. A code has its hash.
//! What a block changed since is only told ([`Request::Changed`]): it counts for nothing until the root
//! of all that was imported is the root of a certified block.
//!
//! **The chain moves on meanwhile**, and nobody keeps an old state for the one who joins. Each part is
//! of the block that was the peer's tip then. The *base* is a block such that whatever was imported is
//! as it was after the base or after a later block. What changed after the base is asked for now and
//! then, with the values of the peer's tip, and moves the base on; what changed between is among it,
//! so at the end everything is of one block. [`Importer`] has the rules.
//!
//! A peer answers from a view of its store that lives for one answer.

mod audit;
mod blocks;
mod error;
mod import;
mod intake;
mod plan;
mod serve;
mod told;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};

pub(crate) use self::blocks::stored_and_checked;
pub use self::error::{Refusal, SyncError};
pub use self::import::{Begun, Importer, Lacking, Task};
pub use self::plan::Progress;
use windlass_proof::{Change, Validator};

/// About how large an answer is; one entry more may be in it.
pub const ANSWER_BYTES: usize = 256 << 10;
/// How many changes of validators an answer has at most.
const ANSWER_CHANGES: usize = 64;
/// How many accounts a request for storage, or codes a request for them, may name.
const ASKED: usize = 64;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The changes of validators after an epoch.
    Validators {
        /// The epoch.
        since: u64,
    },
    /// The accounts whose hashed addresses are in a range, both ends in it.
    Accounts {
        /// The first.
        from: B256,
        /// The last.
        to: B256,
    },
    /// The storage of accounts, of the first from a hashed slot on.
    Storage {
        /// The hashed addresses.
        accounts: Vec<B256>,
        /// The first hashed slot of the first account.
        from: B256,
    },
    /// Codes by their hashes.
    Codes {
        /// The hashes.
        hashes: Vec<B256>,
    },
    /// What changed after a block, with its present values.
    Changed {
        /// The block.
        after: u64,
    },
    /// Blocks with their receipts, from a height downwards.
    Blocks {
        /// The highest.
        last: u64,
        /// How many.
        count: u64,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not now: the tip has no certificate of its own yet, or what is asked for is not kept.
    Unavailable,
    /// Changes of validators, in order; some of them if there are many.
    Validators(Vec<Change>),
    /// Accounts.
    Accounts(Accounts),
    /// Storage.
    Storage(Storage),
    /// Codes, as many of those asked for as are there and fit, in order.
    Codes(Vec<Bytes>),
    /// What changed.
    Changed(Changed),
    /// Blocks, the highest first.
    Blocks(Vec<BlockRecord>),
}

/// A final block, and why it is: its header and the certificate that formed at it.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Anchor {
    /// The header's RLP.
    pub header: Bytes,
    /// In the encoding in which nodes keep it.
    pub certificate: Bytes,
}

/// All accounts of a range of hashed addresses.
#[expect(clippy::struct_field_names, reason = "the range has accounts, and two ends")]
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Accounts {
    /// Of which block's state.
    pub anchor: Anchor,
    /// In the order of their hashes.
    pub accounts: Vec<AccountEntry>,
    /// The last hash of the range that is covered.
    pub end: B256,
    /// The nodes on the ways to both ends.
    pub proof: Vec<Bytes>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct AccountEntry {
    /// Its address.
    pub address: Address,
    /// The account as ledgers keep it; empty where there is none.
    pub record: Bytes,
}

/// The storage of accounts.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Storage {
    /// Of which block's state.
    pub anchor: Anchor,
    /// Of the first accounts that were asked for, in order.
    pub accounts: Vec<AccountStorage>,
}

/// All slots of an account in a range of hashed slots.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct AccountStorage {
    /// The nodes from the state root to the account.
    pub account_proof: Vec<Bytes>,
    /// In the order of their hashes.
    pub slots: Vec<SlotEntry>,
    /// The last hash of the range that is covered.
    pub end: B256,
    /// The nodes of the account's trie on the ways to both ends.
    pub proof: Vec<Bytes>,
}

/// A slot with its value; zero where it is empty.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct SlotEntry {
    /// The slot.
    pub slot: U256,
    /// Its value.
    pub value: U256,
}

/// What changed after a block, up to another one, with the values of the anchor's.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Changed {
    /// The peer's tip.
    pub anchor: Anchor,
    /// The last block whose changes are among these.
    pub to: u64,
    /// The changed accounts.
    pub accounts: Vec<AccountEntry>,
    /// The changed slots.
    pub slots: Vec<ChangedSlots>,
}

/// The changed slots of an account.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ChangedSlots {
    /// The account.
    pub address: Address,
    /// Its slots.
    pub slots: Vec<SlotEntry>,
}

/// A final block as ledgers keep it.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct BlockRecord {
    /// The header's RLP.
    pub header: Bytes,
    /// The body's RLP.
    pub body: Bytes,
    /// The receipts' RLP.
    pub receipts: Bytes,
    /// The certificate that formed at it; empty where it is not told.
    pub certificate: Bytes,
}

/// A change of validators as it is sent.
#[derive(RlpEncodable, RlpDecodable)]
struct SentChange {
    header: Bytes,
    certificate: Bytes,
    account_proof: Vec<Bytes>,
    storage_proof: Vec<Bytes>,
    /// Node key, consensus key, node key, …
    keys: Vec<B256>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct AskedRange {
    from: B256,
    to: B256,
}

#[derive(RlpEncodable, RlpDecodable)]
struct AskedStorage {
    accounts: Vec<B256>,
    from: B256,
}

#[derive(RlpEncodable, RlpDecodable)]
struct AskedBlocks {
    last: u64,
    count: u64,
}

impl Request {
    /// `kind (1) ‖ RLP`.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Validators { since } => framed(0, since),
            Self::Accounts { from, to } => framed(1, &AskedRange { from: *from, to: *to }),
            Self::Storage { accounts, from } => {
                framed(2, &AskedStorage { accounts: accounts.clone(), from: *from })
            }
            Self::Codes { hashes } => framed(3, hashes),
            Self::Changed { after } => framed(4, after),
            Self::Blocks { last, count } => framed(5, &AskedBlocks { last: *last, count: *count }),
        }
    }

    /// Reads a request that names no more than may be asked.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let request = match kind {
            0 => Self::Validators { since: exact(rest)? },
            1 => {
                let AskedRange { from, to } = exact(rest)?;
                Self::Accounts { from, to }
            }
            2 => {
                let AskedStorage { accounts, from } = exact(rest)?;
                Self::Storage { accounts, from }
            }
            3 => Self::Codes { hashes: exact(rest)? },
            4 => Self::Changed { after: exact(rest)? },
            5 => {
                let AskedBlocks { last, count } = exact(rest)?;
                Self::Blocks { last, count }
            }
            _ => return None,
        };
        let asked = match &request {
            Self::Storage { accounts, .. } => accounts.len(),
            Self::Codes { hashes } => hashes.len(),
            Self::Validators { .. }
            | Self::Accounts { .. }
            | Self::Changed { .. }
            | Self::Blocks { .. } => 0,
        };
        (asked <= ASKED).then_some(request)
    }
}

impl Answer {
    /// `kind (1) ‖ RLP`.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Unavailable => vec![0],
            Self::Validators(changes) => {
                framed(1, &changes.iter().map(SentChange::from).collect::<Vec<_>>())
            }
            Self::Accounts(range) => framed(2, range),
            Self::Storage(storage) => framed(3, storage),
            Self::Codes(codes) => framed(4, codes),
            Self::Changed(changed) => framed(5, changed),
            Self::Blocks(blocks) => framed(6, blocks),
        }
    }

    /// Reads an answer.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        Some(match kind {
            0 if rest.is_empty() => Self::Unavailable,
            1 => {
                let sent: Vec<SentChange> = exact(rest)?;
                Self::Validators(sent.into_iter().map(SentChange::read).collect::<Option<_>>()?)
            }
            2 => Self::Accounts(exact(rest)?),
            3 => Self::Storage(exact(rest)?),
            4 => Self::Codes(exact(rest)?),
            5 => Self::Changed(exact(rest)?),
            6 => Self::Blocks(exact(rest)?),
            _ => return None,
        })
    }
}

impl From<&Change> for SentChange {
    fn from(change: &Change) -> Self {
        let keys = change.validators.iter().flat_map(|one| [one.node_key, one.consensus_key]);
        Self {
            header: change.header.clone(),
            certificate: change.certificate.clone(),
            account_proof: change.account_proof.clone(),
            storage_proof: change.storage_proof.clone(),
            keys: keys.collect(),
        }
    }
}

impl SentChange {
    fn read(self) -> Option<Change> {
        let (pairs, []) = self.keys.as_chunks::<2>() else { return None };
        let pair = |[node_key, consensus_key]: &[B256; 2]| Validator {
            node_key: *node_key,
            consensus_key: *consensus_key,
        };
        let validators = pairs.iter().map(pair).collect();
        Some(Change {
            header: self.header,
            certificate: self.certificate,
            account_proof: self.account_proof,
            storage_proof: self.storage_proof,
            validators,
        })
    }
}

fn framed(kind: u8, content: &impl Encodable) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.length() + 1);
    bytes.push(kind);
    content.encode(&mut bytes);
    bytes
}

fn exact<T: Decodable>(bytes: &[u8]) -> Option<T> {
    alloy_rlp::decode_exact(bytes).ok()
}
