//! What a simulated validator keeps its ledger on: a memory that never fails, or the real ledger on a
//! disk that may.

use std::{collections::BTreeMap, sync::Mutex};

use alloy_consensus::{SignableTransaction as _, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall as _, SolValue as _};
use secp256k1::{Message, SECP256K1, SecretKey};
use windlass_chain::{
    ChainError,
    genesis::Genesis,
    governance::{
        self,
        abi::Governance::{Action, NewValidator, proposeCall, voteCall},
    },
    store::SimulatedDisk,
    sync::Importer,
};

use super::ledger::{self, MemoryLedger};
use super::plot::Plotter;
use super::tampered::Tampered;
use crate::{
    ledger::open_store,
    run::carry_over,
    seam::Ledger,
    sync::{Begin, Open},
};

/// One validator's machine; it outlives the processes that run on it.
pub(crate) trait Machine {
    /// What runs on it.
    type Ledger: Ledger;

    /// A new one for a validator of this network.
    fn new(genesis: &Genesis) -> Self;

    /// The ledger as a process that starts finds it; none if the power fails meanwhile, or the disk is
    /// full.
    fn boot(&mut self) -> Option<Self::Ledger>;

    /// Where a ledger is made from the state of others, beside the one that is there, which has this
    /// height.
    fn importer(&self, beyond: u64) -> Open;

    /// Puts what was imported in the place of the ledger that was, and boots; none if the power fails
    /// meanwhile.
    fn adopt(&mut self, before: &Self::Ledger) -> Option<Self::Ledger>;

    /// The process is gone, and what was not durable with it.
    fn crash(&mut self, entropy: impl FnMut() -> u64);

    /// The file that the small files of consensus are in.
    fn journals(&self) -> &SimulatedDisk;

    /// Whether its process may end by itself, asked when it has.
    fn excuse(&self) -> Box<dyn Fn() -> bool + Send>;

    /// What it does in a plot, where it is in one.
    fn plotter(&self) -> Option<Plotter> {
        None
    }

    /// The transaction of a number.
    fn transaction(number: u64) -> Bytes;

    /// Whether the transaction of a number is in a final block.
    fn contains(ledger: &Self::Ledger, number: u64) -> bool;
}

/// The hashes of all final blocks, from block 0 on.
pub(crate) fn hashes(ledger: &impl Ledger) -> Vec<B256> {
    let block = |number| ledger.block_by_number(number).expect("the ledger reads");
    (0..=ledger.tip().number)
        .map(|number| block(number).expect("a final block is there").hash())
        .collect()
}

/// A ledger in memory, without execution.
pub(crate) struct Memory {
    ledger: MemoryLedger,
    journals: SimulatedDisk,
}

impl Machine for Memory {
    type Ledger = MemoryLedger;

    fn new(genesis: &Genesis) -> Self {
        let ledger = MemoryLedger::new(genesis.validators().map(Into::into).collect());
        Self { ledger, journals: SimulatedDisk::default() }
    }

    fn boot(&mut self) -> Option<MemoryLedger> {
        Some(self.ledger.clone())
    }

    fn importer(&self, _beyond: u64) -> Open {
        unreachable!("a memory is never far behind")
    }

    fn adopt(&mut self, _before: &MemoryLedger) -> Option<MemoryLedger> {
        unreachable!("a memory imports nothing")
    }

    fn crash(&mut self, entropy: impl FnMut() -> u64) {
        self.ledger.crash();
        self.journals.crash(entropy);
    }

    fn journals(&self) -> &SimulatedDisk {
        &self.journals
    }

    fn excuse(&self) -> Box<dyn Fn() -> bool + Send> {
        Box::new(|| false)
    }

    fn transaction(number: u64) -> Bytes {
        ledger::transaction(number)
    }

    fn contains(ledger: &MemoryLedger, number: u64) -> bool {
        ledger.contains(number)
    }
}

/// What is said where a ledger does not open although the power has not failed meanwhile.
pub(crate) const NO_LEDGER: &str = "what a crash leaves is a ledger";

impl Memory {
    /// Puts other journals in the place of those that are there.
    pub(crate) fn replace_journals(&mut self, journals: SimulatedDisk) {
        self.journals = journals;
    }
}

/// How many blocks come with the state, so few that earlier ones are lacking in a short run.
pub(crate) const LAST_BLOCKS: u64 = 8;

/// The real ledger: execution, state, pool, store.
pub(crate) struct Real {
    /// The file that the ledger is in, the one that is made from the state of others, and the one of
    /// consensus. They lie on one disk.
    pub(crate) disk: SimulatedDisk,
    import: SimulatedDisk,
    journals: SimulatedDisk,
    genesis: Genesis,
    /// Where it is in a plot.
    pub(crate) plotter: Option<Plotter>,
}

/// The hashes of transactions by their numbers: each is asked for thousands of times in a run.
static HASHES: Mutex<BTreeMap<u64, B256>> = Mutex::new(BTreeMap::new());

/// What is on disks before a node's first start, by the hash of the genesis document: making block 0
/// takes a few runs of the governance contract.
static NEW_DISKS: Mutex<BTreeMap<B256, SimulatedDisk>> = Mutex::new(BTreeMap::new());

impl Real {
    /// The hash of the transaction of a number.
    pub(crate) fn hash(number: u64) -> B256 {
        let mut hashes = HASHES.lock().expect("no test panics here");
        *hashes.entry(number).or_insert_with(|| keccak256(Self::transaction(number)))
    }

    /// The power fails at the operation on a file that is so many ahead.
    pub(crate) fn fail_after(&self, operations: u64) {
        for file in self.files() {
            file.fail_after(operations);
        }
    }

    /// The power does not fail after all, if it has not yet.
    pub(crate) fn spare(&self) {
        for file in self.files() {
            file.spare();
        }
    }

    /// From now on there is only so much room for each file beyond what it has.
    pub(crate) fn fill(&self, room_bytes: usize) {
        for file in self.files() {
            file.fill(room_bytes);
        }
    }

    /// There is room again.
    pub(crate) fn make_room(&self) {
        for file in self.files() {
            file.bound(None);
        }
    }

    /// Whether there was no room for something, and the process on it was not killed since.
    pub(crate) fn is_full(&self) -> bool {
        self.files().into_iter().any(SimulatedDisk::is_full)
    }

    /// Whether the power has failed or there was no room, and the process on it was not killed since.
    pub(crate) fn has_failed(&self) -> bool {
        self.files().into_iter().any(has_failed)
    }

    fn files(&self) -> [&SimulatedDisk; 3] {
        [&self.disk, &self.import, &self.journals]
    }

    /// What a call brought that may fail when the power does or the disk is full, and only then.
    fn unless_failed<T, E: std::fmt::Debug>(&self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                assert!(self.has_failed(), "{NO_LEDGER}: {error:?}");
                None
            }
        }
    }
}

impl Machine for Real {
    type Ledger = Tampered;

    fn new(genesis: &Genesis) -> Self {
        let mut new = NEW_DISKS.lock().expect("no test panics here");
        let disk = new.entry(genesis.document_hash()).or_insert_with(|| {
            let disk = SimulatedDisk::default();
            let store = disk.open().expect("a new disk opens");
            drop(open_store(store, genesis, None).expect("the genesis is right"));
            disk
        });
        let (disk, import) = (disk.duplicate(), SimulatedDisk::default());
        let journals = SimulatedDisk::default();
        Self { disk, import, journals, genesis: genesis.clone(), plotter: None }
    }

    fn boot(&mut self) -> Option<Tampered> {
        let store = self.unless_failed(self.disk.open())?;
        let ledger = open_store(store, &self.genesis, None);
        let ledger = self.unless_failed(ledger)?;
        Some(Tampered::new(ledger, self.plotter.clone()))
    }

    fn importer(&self, beyond: u64) -> Open {
        let (file, genesis) = (self.import.clone(), self.genesis.clone());
        Box::new(move |begin| {
            // As a node has it: what can't be read was only begun when the power failed.
            let kept = (begin == Begin::Resumed).then(|| file.open());
            let store = match kept {
                Some(Ok(store)) => store,
                Some(Err(error)) if has_failed(&file) => return Err(ChainError::from(error).into()),
                Some(Err(_)) | None => {
                    file.erase();
                    file.open().map_err(ChainError::from)?
                }
            };
            let importer = Importer::open(store, &genesis, beyond)?;
            Ok(importer.with_last_blocks(LAST_BLOCKS))
        })
    }

    fn adopt(&mut self, before: &Tampered) -> Option<Tampered> {
        if self.has_failed() {
            return None;
        }
        let store = self.unless_failed(self.import.open())?;
        let is_beyond = self.unless_failed(carry_over(&before.honest, store))?;
        assert!(is_beyond, "what was imported is older than what was there");
        self.disk = std::mem::take(&mut self.import);
        self.boot()
    }

    fn crash(&mut self, mut entropy: impl FnMut() -> u64) {
        for file in self.files() {
            file.crash(&mut entropy);
        }
    }

    fn journals(&self) -> &SimulatedDisk {
        &self.journals
    }

    fn excuse(&self) -> Box<dyn Fn() -> bool + Send> {
        let files = self.files().map(SimulatedDisk::clone);
        Box::new(move || files.iter().any(has_failed))
    }

    fn plotter(&self) -> Option<Plotter> {
        self.plotter.clone()
    }

    /// Of an account that sends no other, so that none waits for another one.
    fn transaction(number: u64) -> Bytes {
        let transaction = TxLegacy {
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(0x77)),
            ..TxLegacy::default()
        };
        sign(&key(&number.to_be_bytes()), transaction)
    }

    fn contains(ledger: &Tampered, number: u64) -> bool {
        let hash = Self::hash(number);
        ledger.honest.chain().transaction(hash).expect("the ledger reads").is_some()
    }
}

/// Whether a file can't be written since the power has failed or the disk is full.
fn has_failed(file: &SimulatedDisk) -> bool {
    file.has_failed() || file.is_full()
}

/// The key of an account, by what it is for.
fn key(what: &[u8]) -> SecretKey {
    SecretKey::from_byte_array(keccak256(what).0).expect("almost every number is a key")
}

fn sign(key: &SecretKey, transaction: TxLegacy) -> Bytes {
    let transaction = TxLegacy { chain_id: Some(super::network::CHAIN_ID), ..transaction };
    let message = Message::from_digest(transaction.signature_hash().0);
    let (recovery, bytes) = SECP256K1.sign_ecdsa_recoverable(message, key).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(recovery) == 1);
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

/// A transaction with so many bytes of data, each zero, of an account that sends such.
pub(crate) fn wide(nonce: u64, bytes: usize) -> Bytes {
    let transaction = TxLegacy {
        nonce,
        gas_limit: 1_500_000,
        to: TxKind::Call(Address::repeat_byte(0x77)),
        input: vec![0; bytes].into(),
        ..TxLegacy::default()
    };
    sign(&key(b"wide"), transaction)
}

/// The account of a member of simulated networks.
pub(crate) fn member(index: usize) -> Address {
    let public = member_key(index).public_key(SECP256K1).serialize_uncompressed();
    Address::from_slice(&keccak256(&public[1..])[12..])
}

fn member_key(index: usize) -> SecretKey {
    key(format!("member {index}").as_bytes())
}

/// What a member proposes, as the governance contract numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    SuspendMember(u32),
    ResumeMember(u32),
    Suspend(u32),
    Resume(u32),
    Remove(u32),
    /// A new validator with these keys.
    Add(B256, B256),
    /// A validator gets another node key.
    ReplaceNode(u32, B256),
    /// A validator gets another consensus key.
    ReplaceConsensus(u32, B256),
}

/// A member's proposal of one action, which it decides alone where it is the only one.
pub(crate) fn proposal(member: usize, nonce: u64, change: Change) -> Bytes {
    let (kind, arguments) = match change {
        Change::SuspendMember(member) => (1, member.abi_encode()),
        Change::ResumeMember(member) => (2, member.abi_encode()),
        Change::Remove(validator) => (5, validator.abi_encode()),
        Change::Suspend(validator) => (6, validator.abi_encode()),
        Change::Resume(validator) => (7, validator.abi_encode()),
        Change::ReplaceNode(validator, key) => {
            (8, (validator, U256::ZERO, key).abi_encode_params())
        }
        Change::ReplaceConsensus(validator, key) => {
            (8, (validator, U256::ONE, key).abi_encode_params())
        }
        Change::Add(node_key, consensus_key) => {
            let new = NewValidator {
                name: format!("later {}", &node_key.to_string()[..10]),
                nodeKey: node_key,
                consensusKey: consensus_key,
                account: Address::ZERO,
                endpoint: String::new(),
            };
            (4, (1_u32, new).abi_encode_params())
        }
    };
    let action = Action { kind, arguments: arguments.into() };
    let call = proposeCall { actions: vec![action], force: true, reason: String::new() };
    governs(member, nonce, call.abi_encode())
}

/// A member's vote for a proposal.
pub(crate) fn vote(member: usize, nonce: u64, id: u64) -> Bytes {
    let call = voteCall { id: U256::from(id), support: true };
    governs(member, nonce, call.abi_encode())
}

/// What a member sends to the governance contract.
fn governs(member: usize, nonce: u64, input: Vec<u8>) -> Bytes {
    let transaction = TxLegacy {
        nonce,
        gas_limit: 3_000_000,
        to: TxKind::Call(governance::ADDRESS),
        input: input.into(),
        ..TxLegacy::default()
    };
    sign(&member_key(member), transaction)
}
