//! A network of one: a ledger in memory, accounts to sign with, and a driver that makes every
//! executable transaction final, without consensus.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex};
use windlass_chain::genesis::{
    Fees, Genesis, GenesisAccount, Governance, Member, Permissions, SignatureScheme, Validator,
};
use windlass_chain::store::MemoryStore;
use windlass_chain::{Block, Room};
use windlass_keys::{Secp256k1Signer, ThrowawayAccount, throwaway_account};

use crate::ledger::{NodeLedger, open_store};
use crate::seam::{Ledger as _, Proposal};

pub(crate) const CHAIN_ID: u64 = 1_337;
/// The driver's clock: that of the genesis and a little, so that nothing depends on the machine's.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

/// A contract that does what the first byte of its input says. None: store 1 in slot 0 and log 42
/// under topic 0x42. 1: revert with "nope". 2: burn all gas. Anything else: return slot 0.
const RUNTIME: [&str; 5] = [
    "36156020575f3560f81c80600114603457806002146030575f545f5260205ff3",
    "5b60015f55602a5f52604260205fa100",
    "5b603056",
    "5b6308c379a060e01b5f526020600452600460245263",
    "6e6f706560e01b60445260645ffd",
];

pub(crate) fn runtime() -> Vec<u8> {
    hex::decode(RUNTIME.concat()).expect("the code is hexadecimal")
}

/// Code that deploys [`runtime`].
pub(crate) fn init_code() -> Bytes {
    let runtime = runtime();
    let length = u8::try_from(runtime.len()).expect("the code is short");
    let mut code = vec![0x60, length, 0x60, 0x0a, 0x5f, 0x39, 0x60, length, 0x5f, 0xf3];
    code.extend(runtime);
    code.into()
}

pub(crate) fn genesis(fees: Fees, rich: &[Address]) -> Genesis {
    let alloc = rich.iter().map(|address| {
        let balance = U256::from(10).pow(U256::from(24));
        (*address, GenesisAccount { balance, ..GenesisAccount::default() })
    });
    let validator = Validator {
        name: "one".to_owned(),
        node_key: B256::repeat_byte(1),
        consensus_key: B256::repeat_byte(2),
        account: Address::ZERO,
        endpoint: String::new(),
    };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp: NOW_MS / 1_000 - 10,
        gas_limit: 30_000_000,
        contract_size_limit: 24_576,
        transaction_gas_cap: 16_777_216,
        min_block_interval_ms: 0,
        epoch_length: 1_000_000,
        signature_scheme: SignatureScheme::Ed25519,
        fees,
        alloc: alloc.collect::<BTreeMap<_, _>>(),
        governance: Governance::default(),
        permissions: Permissions::default(),
        predecessor: None,
        members: vec![Member {
            organization: "acme".to_owned(),
            endpoint: String::new(),
            account: Address::repeat_byte(0xac),
            validators: vec![validator],
        }],
    }
}

pub(crate) fn ledger(fees: Fees, rich: &[Address]) -> NodeLedger {
    open_store(MemoryStore::default(), &genesis(fees, rich), None).expect("the ledger opens")
}

/// An account with a key of its own.
#[derive(Debug)]
pub(crate) struct Account {
    key: ThrowawayAccount,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self { key: throwaway_account().expect("there is randomness") }
    }

    pub(crate) fn address(&self) -> Address {
        self.key.address().into()
    }

    /// The account's signature on a digest: r, s and v, which is 27 or 28.
    pub(crate) fn sign(&self, digest: B256) -> Bytes {
        let mut signature = self.key.sign_hash(&digest.0).expect("keys sign");
        signature[64] += 27;
        signature.to_vec().into()
    }

    /// A signed transaction of this network, changed before it is signed.
    pub(crate) fn transaction(&self, nonce: u64, change: impl FnOnce(&mut TxEip1559)) -> Bytes {
        let mut transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 1_000_000,
            to: TxKind::Call(Address::repeat_byte(9)),
            ..TxEip1559::default()
        };
        change(&mut transaction);
        let signature = self.key.sign_hash(&transaction.signature_hash()).expect("keys sign");
        let signature = Signature::from_raw(&signature).expect("signatures are well formed");
        TxEnvelope::Eip1559(transaction.into_signed(signature)).encoded_2718().into()
    }
}

pub(crate) fn tip_block(ledger: &NodeLedger) -> Block {
    let read = ledger.block_by_hash(ledger.tip().hash).expect("the ledger reads");
    read.expect("the tip is stored")
}

pub(crate) fn proposal(now_ms: u64) -> Proposal {
    Proposal { now_ms, epoch: 0, allow_empty: false, room: Room::ALL }
}

/// Makes everything executable final; answers how many blocks that took.
pub(crate) fn drive(ledger: &NodeLedger) -> usize {
    let mut blocks = 0;
    loop {
        let parent = tip_block(ledger);
        let made = ledger.propose(&parent, proposal(NOW_MS)).expect("the ledger builds");
        let Some(block) = made else { return blocks };
        ledger.finalize(&block).expect("the ledger finalises");
        blocks += 1;
    }
}

/// Drives the ledger whenever it has work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Driver {
    ended: Arc<AtomicBool>,
    work: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    pub(crate) fn start(ledger: &NodeLedger) -> Self {
        let (work, todo) = channel();
        let wake = work.clone();
        ledger.on_change(Arc::new(move || {
            // After the driver has ended nobody listens.
            let _gone = wake.send(());
        }));
        let ended = Arc::new(AtomicBool::new(false));
        let (ledger, stop) = (ledger.clone(), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            while todo.recv().is_ok() && !stop.load(Ordering::SeqCst) {
                drive(&ledger);
            }
        });
        Self { ended, work, thread: Some(thread) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _woken = self.work.send(());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
