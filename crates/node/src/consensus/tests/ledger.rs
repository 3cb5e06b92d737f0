//! A ledger in memory: real blocks, no execution, and a memory that outlives its crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use alloy_consensus::{BlockBody, Header, SignableTransaction, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{B256, Bytes, Signature, keccak256};
use windlass_chain::{
    Block, Chain, Evidence, ExtraData,
    governance::{Committee, NodeRole, RosterNode, SeatedValidator, set_hash},
};

use crate::seam::{AdmitError, Known, Ledger, LedgerError, Origin, Proposal, Tip, Verdict, Wake};

/// How far ahead of its own clock a node accepts a block.
const DRIFT_MS: u64 = 500;

/// A transaction with a number, so that it can be told from others.
pub(crate) fn transaction(number: u64) -> Bytes {
    large_transaction(number, 0)
}

/// One with so many bytes of input.
pub(crate) fn large_transaction(number: u64, input: usize) -> Bytes {
    let input = vec![7; input].into();
    let transaction = TxLegacy { nonce: number, input, ..TxLegacy::default() };
    let signed = transaction.into_signed(Signature::test_signature());
    TxEnvelope::from(signed).encoded_2718().into()
}

#[derive(Clone, Debug)]
pub(crate) struct MemoryLedger {
    state: Arc<Mutex<State>>,
    finalized: Arc<Condvar>,
}

#[derive(Default)]
struct State {
    blocks: Vec<Block>,
    certificates: BTreeMap<u64, Bytes>,
    /// Heights whose certificates come to the disk with the next block.
    late: BTreeSet<u64>,
    pool: Vec<(u64, B256, TxEnvelope)>,
    sequence: u64,
    /// From which tip on the state has which validators for the next epoch.
    validators: BTreeMap<u64, Vec<SeatedValidator>>,
    /// Those of the epochs that were entered.
    kept: BTreeMap<u64, Committee>,
    evidence: Vec<Evidence>,
    wake: Option<Wake>,
    interval_ms: u64,
}

impl State {
    fn contains(&self, number: u64) -> bool {
        let hash = keccak256(transaction(number));
        let mut all = self.blocks.iter().flat_map(Block::transactions);
        all.any(|transaction| *transaction.tx_hash() == hash)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("tip", &self.blocks.len()).finish_non_exhaustive()
    }
}

impl MemoryLedger {
    pub(crate) fn new(validators: Vec<SeatedValidator>) -> Self {
        let header = Header { gas_limit: 30_000_000, timestamp: 0, ..Header::default() };
        let genesis = Block::new(alloy_consensus::Block::new(header, BlockBody::default()));
        let validators = BTreeMap::from([(0, validators)]);
        let state = State { blocks: vec![genesis], validators, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), finalized: Arc::default() }
    }

    /// A crash: the pool is gone, and certificates that were not durable; the chain isn't.
    pub(crate) fn crash(&self) {
        let mut state = self.lock();
        for late in std::mem::take(&mut state.late) {
            state.certificates.remove(&late);
        }
        state.pool.clear();
        state.wake = None;
    }

    /// Has the state name others from a tip on.
    pub(crate) fn change_validators(&self, from: u64, validators: Vec<SeatedValidator>) {
        self.lock().validators.insert(from, validators);
    }

    /// Has the members decide on a pause between two blocks.
    pub(crate) fn change_interval(&self, interval_ms: u64) {
        self.lock().interval_ms = interval_ms;
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.lock().contains(number)
    }

    /// Waits in real time until a transaction is final; false if it takes longer than the limit.
    pub(crate) fn wait_for(&self, number: u64, limit: Duration) -> bool {
        let missing = |state: &mut State| !state.contains(number);
        let (_state, result) = self
            .finalized
            .wait_timeout_while(self.lock(), limit, missing)
            .expect("no test panics in a ledger call");
        !result.timed_out()
    }

    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        self.lock().evidence.clone()
    }

    pub(crate) fn certified(&self) -> Vec<u64> {
        self.lock().certificates.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics in a ledger call")
    }

    fn woken(&self) {
        let wake = self.lock().wake.clone();
        if let Some(wake) = wake {
            wake();
        }
    }
}

fn root(parent: &Block, transactions: &[TxEnvelope]) -> B256 {
    let mut bytes = parent.header().state_root.to_vec();
    for transaction in transactions {
        bytes.extend_from_slice(transaction.tx_hash().as_slice());
    }
    keccak256(bytes)
}

fn build(parent: &Block, time_ms: u64, epoch: u64, transactions: Vec<TxEnvelope>) -> Block {
    let milliseconds = u16::try_from(time_ms % 1_000).expect("below 1,000");
    let header = Header {
        parent_hash: parent.hash(),
        number: parent.number() + 1,
        timestamp: time_ms / 1_000,
        gas_limit: 30_000_000,
        state_root: root(parent, &transactions),
        extra_data: ExtraData { epoch, milliseconds }.encode(),
        ..Header::default()
    };
    let body = BlockBody { transactions, ..BlockBody::default() };
    Block::new(alloy_consensus::Block::new(header, body))
}

impl Ledger for MemoryLedger {
    fn chain(&self) -> Option<&Chain> {
        None
    }

    fn genesis(&self) -> Block {
        self.lock().blocks[0].clone()
    }

    fn tip(&self) -> Tip {
        let state = self.lock();
        let tip = state.blocks.last().expect("there is always the genesis");
        Tip { number: tip.number(), hash: tip.hash(), timestamp_ms: tip.timestamp_ms() }
    }

    fn block_by_number(&self, number: u64) -> Result<Option<Block>, LedgerError> {
        let index = usize::try_from(number).expect("tests are short");
        Ok(self.lock().blocks.get(index).cloned())
    }

    fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, LedgerError> {
        Ok(self.lock().blocks.iter().find(|block| block.hash() == hash).cloned())
    }

    fn certificate(&self, number: u64) -> Result<Option<Bytes>, LedgerError> {
        Ok(self.lock().certificates.get(&number).cloned())
    }

    fn next_certificate(&self, number: u64) -> Result<Option<(u64, Bytes)>, LedgerError> {
        let state = self.lock();
        let next = state.certificates.range(number..).next();
        Ok(next.map(|(number, bytes)| (*number, bytes.clone())))
    }

    fn put_certificate(
        &self,
        number: u64,
        _block_hash: B256,
        certificate: Bytes,
    ) -> Result<(), LedgerError> {
        let mut state = self.lock();
        state.certificates.insert(number, certificate);
        state.late.insert(number);
        Ok(())
    }

    fn next_validators(&self) -> Result<Vec<SeatedValidator>, LedgerError> {
        let tip = self.tip().number;
        let state = self.lock();
        let (_, newest) = state.validators.range(..=tip).next_back().expect("genesis has some");
        Ok(newest.clone())
    }

    fn next_validators_hash(&self) -> B256 {
        set_hash(&self.next_validators().expect("a memory reads"))
    }

    /// Everybody who ever was named; those who are not any more are suspended.
    fn roster(&self) -> Result<Vec<RosterNode>, LedgerError> {
        let tip = self.tip().number;
        let state = self.lock();
        let mut roles = BTreeMap::new();
        for (_, validators) in state.validators.range(..=tip) {
            for role in roles.values_mut() {
                *role = NodeRole::Suspended;
            }
            roles.extend(validators.iter().map(|one| (one.node_key, NodeRole::Validator)));
        }
        let node = |(node_key, role)| RosterNode {
            node_key,
            endpoint: String::new(),
            role,
            validator: None,
        };
        Ok(roles.into_iter().map(node).collect())
    }

    /// Nobody has an endpoint, then as now.
    fn roster_at(&self, _number: u64) -> Result<Option<Vec<RosterNode>>, LedgerError> {
        Ok(None)
    }

    fn governance_revision(&self) -> u64 {
        let tip = self.tip().number;
        u64::try_from(self.lock().validators.range(..=tip).count()).expect("a small number")
    }

    fn obstacle(&self) -> Option<String> {
        None
    }

    fn min_block_interval_ms(&self) -> u64 {
        self.lock().interval_ms
    }

    fn committee(&self, epoch: u64) -> Result<Option<Committee>, LedgerError> {
        Ok(self.lock().kept.get(&epoch).cloned())
    }

    fn keep_committee(&self, epoch: u64, committee: &Committee) -> Result<(), LedgerError> {
        self.lock().kept.insert(epoch, committee.clone());
        Ok(())
    }

    fn keep_evidence(&self, evidence: &Evidence) -> Result<bool, LedgerError> {
        let mut state = self.lock();
        let known = state.evidence.iter().any(|known| {
            (known.epoch, known.node_key, known.kind)
                == (evidence.epoch, evidence.node_key, evidence.kind)
        });
        if !known {
            state.evidence.push(evidence.clone());
        }
        Ok(!known)
    }

    fn has_work(&self) -> bool {
        !self.lock().pool.is_empty()
    }

    fn propose(&self, parent: &Block, proposal: Proposal) -> Result<Option<Block>, LedgerError> {
        let transactions: Vec<TxEnvelope> = {
            let state = self.lock();
            let taken = parent.transactions();
            state
                .pool
                .iter()
                .map(|(_, _, transaction)| transaction)
                .filter(|new| taken.iter().all(|old| old.tx_hash() != new.tx_hash()))
                .take(100)
                .cloned()
                .collect()
        };
        if transactions.is_empty() && !proposal.allow_empty {
            return Ok(None);
        }
        let time_ms = proposal.now_ms.max(parent.timestamp_ms());
        Ok(Some(build(parent, time_ms, proposal.epoch, transactions)))
    }

    fn verify(&self, parent: &Block, block: &Block, now_ms: u64) -> Verdict {
        let latest = parent.timestamp_ms().max(now_ms + DRIFT_MS);
        if block.timestamp_ms() > latest {
            return Verdict::Early { wait_ms: block.timestamp_ms() - latest };
        }
        let epoch = block.extra_data().map_or(0, |extra| extra.epoch);
        let transactions = block.transactions().to_vec();
        let expected = build(parent, block.timestamp_ms(), epoch, transactions);
        if block.timestamp_ms() < parent.timestamp_ms() || expected.hash() != block.hash() {
            return Verdict::Invalid("it is not what its transactions make".to_owned());
        }
        Verdict::Valid
    }

    fn finalize(&self, block: &Block) -> Result<(), LedgerError> {
        {
            let mut state = self.lock();
            let tip = state.blocks.last().expect("there is always the genesis");
            if block.number() <= tip.number() {
                let index = usize::try_from(block.number()).expect("tests are short");
                assert_eq!(state.blocks[index].hash(), block.hash(), "a fork");
                return Ok(());
            }
            assert_eq!(block.parent_hash(), tip.hash(), "a fork");
            state.blocks.push(block.clone());
            state.late.clear();
            let done: Vec<B256> = block.transactions().iter().map(|new| *new.tx_hash()).collect();
            state.pool.retain(|(_, hash, _)| !done.contains(hash));
        }
        self.finalized.notify_all();
        self.woken();
        Ok(())
    }

    fn admit(&self, bytes: Bytes, _from: Origin) -> Result<B256, AdmitError> {
        let refuse =
            |known, message: &str| AdmitError { code: -32_000, message: message.to_owned(), known };
        let transaction = TxEnvelope::decode_2718(&mut bytes.as_ref())
            .map_err(|_malformed| refuse(Known::No, "malformed"))?;
        let hash = *transaction.tx_hash();
        {
            let mut state = self.lock();
            let pending = state.pool.iter().any(|(_, known, _)| *known == hash);
            let mut included = state.blocks.iter().flat_map(Block::transactions);
            if pending || included.any(|known| *known.tx_hash() == hash) {
                return Err(refuse(Known::Yes, "already known"));
            }
            state.sequence += 1;
            let sequence = state.sequence;
            state.pool.push((sequence, hash, transaction));
        }
        self.woken();
        Ok(hash)
    }

    fn pending_for_gossip(&self, after: u64) -> (u64, Vec<(B256, Bytes)>) {
        let state = self.lock();
        let new = state.pool.iter().filter(|(sequence, ..)| *sequence > after);
        (state.sequence, new.map(|(_, hash, new)| (*hash, new.encoded_2718().into())).collect())
    }

    fn on_change(&self, wake: Wake) {
        self.lock().wake = Some(wake);
    }
}
