//! The genesis document: every parameter of a network, in one canonical form.
//!
//! A document is read from any JSON of the right fields and written in one way only: sorted keys,
//! no white space, lower-case hex, numbers in decimal below 2^53, balances as hex strings. The
//! genesis block's `extraData` is the keccak-256 of those bytes, so that the hash of block 0 commits
//! to every parameter, the validators' keys among them.
//!
//! The system contracts that Ethereum's newest rules call in every block (EIP-2935, 4788, 7002 and
//! 7251) are part of the state of every network and need not be named in `alloc`; and so is the
//! governance contract ([`crate::governance`]), made from the members and the parameters.
//!
//! A network that begins with the state of another one ([`crate::recovery`]) names it as its
//! `predecessor`. Then the state is that network's, by its root, and `alloc` is empty: members and
//! parameters say what that state has, so that whoever reads the document alone sees who votes.

mod canonical;
mod ethereum;
mod json;
mod parse;
mod predecessor;
mod system;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_consensus::{BlockBody, EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};

use crate::block::Block;
use crate::governance;
use crate::state::Account;

pub use self::ethereum::EthereumGenesis;
pub use self::predecessor::Predecessor;
pub(crate) use self::system::BEACON_REQUEST_CONTRACTS;

/// The version of the document's format; 1 had no governance.
pub const VERSION: u64 = 2;

/// A network's genesis document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The chain id that transactions sign; from 1 to 2^53 - 1.
    pub chain_id: u64,
    /// Unix time of the genesis block, in seconds.
    pub timestamp: u64,
    /// The gas limit of every block.
    pub gas_limit: u64,
    /// The most bytes a contract's code may have (EIP-170).
    pub contract_size_limit: u64,
    /// The most gas a transaction may ask for (EIP-7825).
    pub transaction_gas_cap: u64,
    /// The least time between two blocks, in milliseconds.
    pub min_block_interval_ms: u64,
    /// How many blocks an epoch has.
    pub epoch_length: u64,
    /// The scheme of the consensus keys.
    pub signature_scheme: SignatureScheme,
    /// How gas is priced.
    pub fees: Fees,
    /// The accounts that exist from the beginning.
    pub alloc: BTreeMap<Address, GenesisAccount>,
    /// How members decide.
    pub governance: Governance,
    /// Who may send and deploy.
    pub permissions: Permissions,
    /// The network whose state this one begins with.
    pub predecessor: Option<Predecessor>,
    /// The organizations and their validators.
    pub members: Vec<Member>,
}

/// How members decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Governance {
    /// What share of the members must be exceeded to change members and validators, in percent.
    pub membership_threshold: u8,
    /// The same for parameters.
    pub parameters_threshold: u8,
    /// How long a proposal is open, in seconds.
    pub proposal_lifetime_s: u64,
}

impl Default for Governance {
    /// More than half of the members, within a week.
    fn default() -> Self {
        Self { membership_threshold: 50, parameters_threshold: 50, proposal_lifetime_s: 604_800 }
    }
}

/// Who may send and deploy: `None` is everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The accounts that may send transactions.
    pub send: Option<BTreeSet<Address>>,
    /// Those that may deploy contracts.
    pub deploy: Option<BTreeSet<Address>>,
}

/// The scheme of the consensus keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureScheme {
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// How gas is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fees {
    /// Fees are neither required nor charged.
    Free,
    /// EIP-1559 with a floor.
    Eip1559 {
        /// The least base fee, in wei.
        floor_wei: u64,
    },
}

/// An account that exists from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Its balance in wei.
    pub balance: U256,
    /// Its nonce.
    pub nonce: u64,
    /// Its code.
    pub code: Bytes,
    /// Its storage; no slot is zero.
    pub storage: BTreeMap<B256, B256>,
}

/// An organization's seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name of the organization.
    pub organization: String,
    /// Where others reach it, for people; may be empty.
    pub endpoint: String,
    /// The account by which it proposes and votes.
    pub account: Address,
    /// Its validators.
    pub validators: Vec<Validator>,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Its name.
    pub name: String,
    /// Its p2p identity: an Ed25519 public key.
    pub node_key: B256,
    /// The public key of its votes.
    pub consensus_key: B256,
    /// An account of it, or zero.
    pub account: Address,
    /// Its p2p address as `host:port`; empty where its peers are told otherwise.
    pub endpoint: String,
}

/// Why bytes are not a genesis document.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The bytes are not JSON.
    #[error("the genesis document is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// A field is wrong.
    #[error("genesis field {field}: {reason}")]
    Field {
        /// The path of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The most that a number of the document may be: what every JSON reader holds exactly.
const MAX_NUMBER: u64 = (1 << 53) - 1;
/// Ethereum's least gas limit of a block.
const MIN_GAS_LIMIT: u64 = 5_000;
/// What the cheapest transaction costs.
const MIN_TRANSACTION_GAS: u64 = 21_000;

impl Genesis {
    /// Reads and validates a document.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        let genesis = parse::document(bytes)?;
        genesis.validate()?;
        Ok(genesis)
    }

    /// Checks what the types can't hold.
    pub fn validate(&self) -> Result<(), GenesisError> {
        at_least("chain_id", self.chain_id, 1)?;
        at_least("gas_limit", self.gas_limit, MIN_GAS_LIMIT)?;
        at_least("contract_size_limit", self.contract_size_limit, 1)?;
        at_least("transaction_gas_cap", self.transaction_gas_cap, MIN_TRANSACTION_GAS)?;
        at_least("epoch_length", self.epoch_length, 1)?;
        for (field, number) in
            [("timestamp", self.timestamp), ("min_block_interval_ms", self.min_block_interval_ms)]
        {
            at_least(field, number, 0)?;
        }
        if let Fees::Eip1559 { floor_wei } = self.fees {
            at_least("fees.floor_wei", floor_wei, 0)?;
        }
        if let Some(predecessor) = &self.predecessor {
            return predecessor.validate(self);
        }
        self.validate_alloc()?;
        self.validate_members()?;
        governance::account(self).map(drop).map_err(|reason| {
            wrong("members", format!("or what they may do is refused by their contract: {reason}"))
        })
    }

    fn validate_alloc(&self) -> Result<(), GenesisError> {
        let system = system::contracts();
        let mut total = U256::ZERO;
        for (address, account) in &self.alloc {
            let field = format!("alloc.{address:#x}");
            if account.nonce > MAX_NUMBER {
                return Err(wrong(format!("{field}.nonce"), "must be below 2^53"));
            }
            if let Some((slot, _)) = account.storage.iter().find(|(_, value)| value.is_zero()) {
                return Err(wrong(format!("{field}.storage.{slot:#x}"), "a slot can't be zero"));
            }
            if account.code.is_empty() && !account.storage.is_empty() {
                return Err(wrong(format!("{field}.storage"), "belongs to no code"));
            }
            if *address == governance::ADDRESS {
                return Err(wrong(field, "is the address of the governance contract"));
            }
            if account.storage.len() + account.code.len() > 0
                && system.get(address).is_some_and(|contract| contract != account)
            {
                return Err(wrong(field, "is the address of a system contract"));
            }
            total = total.checked_add(account.balance).ok_or_else(|| {
                wrong(format!("{field}.balance"), "all balances together are 2^256 or more")
            })?;
        }
        Ok(())
    }

    fn validate_members(&self) -> Result<(), GenesisError> {
        let mut organizations = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for (index, member) in self.members.iter().enumerate() {
            let field = format!("members[{index}]");
            if member.organization.is_empty() {
                return Err(wrong(format!("{field}.organization"), "is empty"));
            }
            if !organizations.insert(&member.organization) {
                return Err(wrong(format!("{field}.organization"), "is named twice"));
            }
            for (index, validator) in member.validators.iter().enumerate() {
                let field = format!("{field}.validators[{index}]");
                if validator.name.is_empty() {
                    return Err(wrong(format!("{field}.name"), "is empty"));
                }
                if !names.insert(&validator.name) {
                    return Err(wrong(format!("{field}.name"), "is named twice"));
                }
                if !keys.insert(validator.node_key) {
                    return Err(wrong(format!("{field}.node_key"), "is used twice"));
                }
                if !keys.insert(validator.consensus_key) {
                    return Err(wrong(format!("{field}.consensus_key"), "is used twice"));
                }
            }
        }
        if names.is_empty() {
            return Err(wrong("members", "there must be at least one validator"));
        }
        Ok(())
    }

    /// The one encoding of the document: sorted keys, no white space, lower-case hex.
    pub fn canonical_json(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// keccak-256 of the canonical document: what the genesis block's `extraData` holds.
    pub fn document_hash(&self) -> B256 {
        keccak256(self.canonical_json())
    }

    /// All validators in the document's order: a node's index is its position here.
    pub fn validators(&self) -> impl Iterator<Item = &Validator> {
        self.members.iter().flat_map(|member| &member.validators)
    }

    /// All accounts that exist from the beginning, the contracts that every network has among them.
    ///
    /// Those of a network with a predecessor are not here: they are in its export.
    ///
    /// # Panics
    /// If the document is not valid.
    pub fn accounts(&self) -> BTreeMap<Address, GenesisAccount> {
        let mut accounts = self.alloc.clone();
        let governance = governance::account(self).expect("the document was validated");
        accounts.insert(governance::ADDRESS, governance);
        for (address, contract) in system::contracts() {
            let balance = accounts.get(&address).map_or(U256::ZERO, |account| account.balance);
            accounts.insert(address, GenesisAccount { balance, ..contract });
        }
        accounts
    }

    /// The genesis block.
    pub fn block(&self) -> Block {
        let base_fee = match self.fees {
            Fees::Free => 0,
            Fees::Eip1559 { floor_wei } => floor_wei,
        };
        let header = Header {
            parent_hash: B256::ZERO,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: Address::ZERO,
            state_root: self.state_root(),
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            difficulty: U256::ZERO,
            number: 0,
            gas_limit: self.gas_limit,
            gas_used: 0,
            timestamp: self.timestamp,
            extra_data: Bytes::copy_from_slice(self.document_hash().as_slice()),
            base_fee_per_gas: Some(base_fee),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        let body = BlockBody { withdrawals: Some(Vec::new().into()), ..BlockBody::default() };
        Block::new(alloy_consensus::Block { header, body })
    }

    fn state_root(&self) -> B256 {
        match &self.predecessor {
            Some(predecessor) => predecessor.state_root,
            None => state_root(&self.accounts()),
        }
    }

    /// The hash of the genesis block: THE hash of the network.
    pub fn hash(&self) -> B256 {
        self.block().hash()
    }
}

impl GenesisAccount {
    /// The account as the state trie holds it.
    pub(crate) fn account(&self) -> Account {
        let storage = self.storage.iter().map(|(slot, value)| (*slot, (*value).into()));
        let code_hash = if self.code.is_empty() { KECCAK_EMPTY } else { keccak256(&self.code) };
        Account {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: alloy_trie::root::storage_root_unhashed(storage),
            code_hash,
        }
    }
}

/// The root of a state, computed at once.
pub(crate) fn state_root(accounts: &BTreeMap<Address, GenesisAccount>) -> B256 {
    alloy_trie::root::state_root_unhashed(
        accounts.iter().map(|(address, account)| (*address, account.account())),
    )
}

fn wrong(field: impl Into<String>, reason: impl Into<String>) -> GenesisError {
    GenesisError::Field { field: field.into(), reason: reason.into() }
}

fn at_least(field: &str, number: u64, least: u64) -> Result<(), GenesisError> {
    if (least..=MAX_NUMBER).contains(&number) {
        return Ok(());
    }
    Err(wrong(field, format!("must be from {least} to {MAX_NUMBER}")))
}
