//! Chains made by hand: blocks with transactions, receipts and a state, validators that change at
//! the ends of epochs, certificates that they sign, and proofs about all of it.

use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Eip658Value, Header, Receipt, ReceiptEnvelope, TxEnvelope,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bytes, Log, U256, hex, keccak256};
use alloy_trie::root::ordered_trie_root_encoded;
use windlass_proof::prove::index_path;
use windlass_proof::{
    AccountClaim, Change, Claim, GOVERNANCE_ADDRESS, Inclusion, LogClaim, Proof, SlotClaim,
    TrustAnchor, Validator,
};

use crate::keys::{Keys, account, transaction, validators};
use crate::state::{Account, State, account_proof, state_root};

/// A network's chain.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The genesis document, in its canonical form.
    pub(crate) document: String,
    pub(crate) epoch_length: u64,
    pub(crate) blocks: Vec<Block>,
    /// The validators of each epoch, as the contract has them.
    sets: Vec<Vec<Validator>>,
    /// Who of them votes.
    committees: Vec<Vec<Keys>>,
    /// Whom the state elects for the next epoch, and who of them can vote.
    elected: (Vec<Validator>, Vec<Keys>),
    state: State,
}

/// A block with all that it commits to.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) transactions: Vec<Bytes>,
    pub(crate) receipts: Vec<Bytes>,
    pub(crate) state: State,
}

impl Block {
    pub(crate) fn rlp(&self) -> Bytes {
        alloy_rlp::encode(&self.header).into()
    }

    pub(crate) fn hash(&self) -> B256 {
        keccak256(self.rlp())
    }
}

impl Chain {
    /// A chain with block 0.
    pub(crate) fn new(name: &str, members: Vec<Keys>, epoch_length: u64) -> Self {
        let document = document(name, &members, epoch_length);
        let mut state = State::new();
        for index in 0..40u64 {
            let balance = U256::from(index + 1) * U256::from(1_000_000_000_000_000_000u64);
            state.insert(
                account(&format!("account {index}")).1,
                Account { balance, ..Account::default() },
            );
        }
        let mut chain = Self {
            epoch_length,
            blocks: Vec::new(),
            sets: vec![set(&members)],
            committees: vec![members.clone()],
            elected: (set(&members), members),
            state,
            document,
        };
        chain.elect_in_state();
        let header = Header {
            timestamp: 1_700_000_000,
            extra_data: keccak256(&chain.document).into(),
            state_root: state_root(&chain.state),
            ..frame(0, B256::ZERO)
        };
        let state = chain.state.clone();
        chain.blocks.push(Block { header, transactions: Vec::new(), receipts: Vec::new(), state });
        chain
    }

    pub(crate) fn anchor(&self) -> TrustAnchor {
        TrustAnchor::from_genesis(self.document.as_bytes()).unwrap()
    }

    pub(crate) fn genesis(&self) -> B256 {
        self.blocks[0].hash()
    }

    pub(crate) fn tip(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    pub(crate) fn block(&self, height: u64) -> &Block {
        &self.blocks[usize::try_from(height).unwrap()]
    }

    /// Elects the validators from the next epoch on.
    pub(crate) fn elect(&mut self, members: Vec<Keys>) {
        self.elected = (set(&members), members);
    }

    /// Elects validators of whom others vote.
    pub(crate) fn elect_odd(&mut self, mut validators: Vec<Validator>, voters: Vec<Keys>) {
        validators.sort();
        self.elected = (validators, voters);
    }

    /// Makes a block of transactions with what each logged.
    pub(crate) fn push(&mut self, transactions: &[(TxEnvelope, Vec<Log>)]) {
        self.elect_in_state();
        let number = self.tip() + 1;
        let epoch = number / self.epoch_length;
        let mut gas_used = 0;
        let mut receipts: Vec<Bytes> = Vec::new();
        for (_, logs) in transactions {
            gas_used += 21_000 + 1_000 * logs.len() as u64;
            let receipt = Receipt {
                status: Eip658Value::Eip658(!logs.is_empty() || receipts.len().is_multiple_of(2)),
                cumulative_gas_used: gas_used,
                logs: logs.clone(),
            };
            receipts.push(ReceiptEnvelope::Eip1559(receipt.with_bloom()).encoded_2718().into());
        }
        let transactions: Vec<Bytes> =
            transactions.iter().map(|(one, _)| one.encoded_2718().into()).collect();
        let mut extra_data = [0; 32];
        extra_data[0] = 1;
        extra_data[1..9].copy_from_slice(&epoch.to_be_bytes());
        extra_data[9..11].copy_from_slice(&(250u16 + number as u16 % 700).to_be_bytes());
        let header = Header {
            timestamp: 1_700_000_000 + number,
            extra_data: Bytes::copy_from_slice(&extra_data),
            state_root: state_root(&self.state),
            transactions_root: ordered_trie_root_encoded(&transactions),
            receipts_root: ordered_trie_root_encoded(&receipts),
            gas_used,
            ..frame(number, self.block(number - 1).hash())
        };
        let state = self.state.clone();
        self.blocks.push(Block { header, transactions, receipts, state });
        if number % self.epoch_length == self.epoch_length - 1 {
            let (validators, voters) = self.elected.clone();
            self.sets.push(validators);
            self.committees.push(voters);
        }
    }

    /// Makes empty blocks up to a height.
    pub(crate) fn run_to(&mut self, height: u64) {
        while self.tip() < height {
            self.push(&[]);
        }
    }

    /// Puts the elected set's hash into the governance contract.
    fn elect_in_state(&mut self) {
        let contract = self.state.entry(GOVERNANCE_ADDRESS).or_default();
        contract.nonce = 1;
        let hash = set_hash(&self.elected.0);
        contract.storage.insert(B256::ZERO, U256::from_be_bytes(hash.0));
        for slot in 1..20u8 {
            contract.storage.insert(B256::with_last_byte(slot), U256::from(slot) << slot);
        }
    }

    /// The committee of an epoch, in the order of the seats.
    pub(crate) fn committee(&self, epoch: u64) -> Vec<Keys> {
        let mut committee = self.committees[usize::try_from(epoch).unwrap()].clone();
        committee.sort_by_key(|keys| keys.node.public());
        committee
    }

    /// The certificate of a block that a bare quorum of its epoch's committee signed.
    pub(crate) fn certificate(&self, height: u64) -> Bytes {
        let committee = self.committee(height / self.epoch_length);
        let quorum = committee.len() - (committee.len() - 1) / 3;
        self.vote(height).signed(&committee, &(0..quorum).collect::<Vec<_>>())
    }

    /// What the committee votes on at a height.
    pub(crate) fn vote(&self, height: u64) -> Vote {
        let epoch = height / self.epoch_length;
        Vote {
            genesis: self.genesis(),
            committee: set_hash(&set(&self.committee(epoch))),
            epoch,
            view: 200 + height,
            parent_view: 199 + height,
            block: self.block(height).hash(),
        }
    }

    /// The change that the last block of an epoch shows.
    pub(crate) fn change(&self, epoch: u64) -> Change {
        let height = (epoch + 1) * self.epoch_length - 1;
        let block = self.block(height);
        Change {
            header: block.rlp(),
            certificate: self.certificate(height),
            account_proof: account_proof(&block.state, GOVERNANCE_ADDRESS),
            storage_proof: block.state[&GOVERNANCE_ADDRESS].slot_proof(B256::ZERO),
            validators: self.sets[usize::try_from(epoch + 1).unwrap()].clone(),
        }
    }

    /// A proof about a block that a later one's certificate makes final.
    pub(crate) fn proof(
        &self,
        changes: &[u64],
        height: u64,
        certified: u64,
        claim: Claim,
    ) -> Proof {
        Proof {
            genesis: self.blocks[0].rlp(),
            changes: changes.iter().map(|epoch| self.change(*epoch)).collect(),
            headers: (height..=certified).map(|height| self.block(height).rlp()).collect(),
            certificate: self.certificate(certified),
            claim,
        }
    }

    pub(crate) fn inclusion(&self, height: u64, index: usize) -> Inclusion {
        let block = self.block(height);
        Inclusion {
            index: index as u64,
            transaction: block.transactions[index].clone(),
            transaction_path: index_path(&block.transactions, index).unwrap().path,
            receipt: block.receipts[index].clone(),
            receipt_path: index_path(&block.receipts, index).unwrap().path,
        }
    }

    pub(crate) fn transaction(&self, height: u64, index: usize) -> Claim {
        Claim::Transaction(self.inclusion(height, index))
    }

    pub(crate) fn log(&self, height: u64, index: usize, position: u64) -> Claim {
        Claim::Log(LogClaim { position, inclusion: self.inclusion(height, index) })
    }

    pub(crate) fn account(&self, height: u64, address: Address, slots: &[B256]) -> Claim {
        let state = &self.block(height).state;
        let storage = state.get(&address).cloned().unwrap_or_default();
        let slots =
            slots.iter().map(|slot| SlotClaim { slot: *slot, proof: storage.slot_proof(*slot) });
        Claim::Account(AccountClaim {
            address,
            account_proof: account_proof(state, address),
            slots: slots.collect(),
        })
    }
}

/// What validators sign when they finalize a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vote {
    pub(crate) genesis: B256,
    pub(crate) committee: B256,
    pub(crate) epoch: u64,
    pub(crate) view: u64,
    pub(crate) parent_view: u64,
    pub(crate) block: B256,
}

impl Vote {
    /// The proposal: the beginning of the certificate, and the end of the message.
    fn proposal(&self) -> Vec<u8> {
        let varints = [self.epoch, self.view, self.parent_view].map(varint);
        [&varints.concat()[..], self.block.as_slice()].concat()
    }

    /// The signed bytes, as docs/protocol/proofs.md has them.
    pub(crate) fn message(&self) -> Vec<u8> {
        let proposal = self.proposal();
        let hashes = [self.genesis, self.committee].concat();
        [&[84], &b"windlass/1/"[..], &hashes, b"_FINALIZE", &proposal].concat()
    }

    /// The certificate that these seats of a committee make.
    pub(crate) fn signed(&self, committee: &[Keys], seats: &[usize]) -> Bytes {
        let message = self.message();
        let signatures = seats.iter().map(|seat| committee[*seat].consensus.sign(&message));
        self.certificate(committee.len(), seats, &signatures.collect::<Vec<_>>())
    }

    /// A certificate with these signatures.
    pub(crate) fn certificate(
        &self,
        size: usize,
        seats: &[usize],
        signatures: &[[u8; 64]],
    ) -> Bytes {
        let mut bytes = self.proposal();
        bytes.extend((size as u64).to_be_bytes());
        let mut bitmap = vec![0u8; size.div_ceil(8)];
        for seat in seats {
            bitmap[seat / 8] |= 1 << (seat % 8);
        }
        bytes.extend(bitmap);
        bytes.extend(varint(signatures.len() as u64));
        bytes.extend(signatures.concat());
        bytes.into()
    }
}

/// Seven bits a byte, the lowest first; all but the last have the highest bit.
pub(crate) fn varint(number: u64) -> Vec<u8> {
    let groups = (64 - number.leading_zeros()).div_ceil(7).max(1);
    let group = |index: u32| {
        let more = if index + 1 < groups { 0x80 } else { 0 };
        (number >> (7 * index)) as u8 & 0x7f | more
    };
    (0..groups).map(group).collect()
}

/// Validators in rising order of the node keys.
pub(crate) fn set(members: &[Keys]) -> Vec<Validator> {
    let mut set: Vec<_> = members.iter().map(Keys::validator).collect();
    set.sort_by_key(|one| one.node_key);
    set
}

/// keccak-256 over the pairs of keys in rising order of the node keys.
pub(crate) fn set_hash(set: &[Validator]) -> B256 {
    let pairs: Vec<_> = set.iter().map(|one| [one.node_key, one.consensus_key]).collect();
    keccak256(pairs.concat().concat())
}

/// A header's fields that are the same in all blocks, or come from the parent.
fn frame(number: u64, parent: B256) -> Header {
    Header {
        number,
        parent_hash: parent,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        gas_limit: 30_000_000,
        mix_hash: if number == 0 { B256::ZERO } else { keccak256(parent) },
        base_fee_per_gas: Some(0),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

/// A genesis document in its canonical form, with a member for each validator.
fn document(name: &str, members: &[Keys], epoch_length: u64) -> String {
    let members = members.iter().enumerate().map(|(index, keys)| {
        format!(
            concat!(
                r#"{{"account":"{account:#x}","endpoint":"https://{name}-{index}.example","#,
                r#""organization":"{name} {index}","validators":[{{"account":"{zero:#x}","#,
                r#""consensus_key":"{consensus}","endpoint":"10.0.0.{index}:7000","#,
                r#""name":"v{index}","node_key":"{node}"}}]}}"#,
            ),
            name = name,
            index = index,
            account = account(&format!("member {index}")).1,
            zero = Address::ZERO,
            consensus = hex::encode(keys.consensus.public()),
            node = hex::encode(keys.node.public()),
        )
    });
    format!(
        concat!(
            r#"{{"alloc":{{"{account:#x}":{{"balance":"0xde0b6b3a7640000","code":"0x","nonce":0,"#,
            r#""storage":{{}}}}}},"chain_id":7001,"contract_size_limit":24576,"#,
            r#""epoch_length":{epoch_length},"fees":{{"policy":"free"}},"gas_limit":30000000,"#,
            r#""governance":{{"contract":"{contract}","membership_threshold":50,"#,
            r#""parameters_threshold":50,"proposal_lifetime_s":604800}},"members":[{members}],"#,
            r#""min_block_interval_ms":100,"permissions":{{}},"signature_scheme":"ed25519","#,
            r#""timestamp":1700000000,"transaction_gas_cap":16777216,"version":2}}"#,
        ),
        account = account("account 0").1,
        epoch_length = epoch_length,
        contract = keccak256("a governance contract"),
        members = members.collect::<Vec<_>>().join(","),
    )
}

/// The network that most tests are about: epochs of 8 blocks; a, b, c, d vote first. In epoch 1
/// e, f, g are elected beside them, and in epoch 3 a goes and b gets other keys. Blocks 3, 18 and
/// 34 have transactions, and 18 many.
pub(crate) fn example() -> Chain {
    let mut chain = Chain::new("trade", validators(&["a", "b", "c", "d"]), 8);
    chain.run_to(2);
    chain.push(&transactions(3, 3));
    chain.run_to(9);
    chain.elect(validators(&["a", "b", "c", "d", "e", "f", "g"]));
    chain.run_to(17);
    chain.push(&transactions(18, 140));
    chain.run_to(25);
    chain.elect(validators(&["b again", "c", "d", "e", "f", "g"]));
    chain.run_to(33);
    chain.push(&transactions(34, 5));
    chain.run_to(42);
    chain
}

/// Transactions of a block; each other one logs, as many as its index, at most three.
pub(crate) fn transactions(height: u64, count: u64) -> Vec<(TxEnvelope, Vec<Log>)> {
    let contract = account("a contract").1;
    let one = |index: u64| {
        let sent = transaction("account 1", 1_000 * height + index, contract, &index.to_be_bytes());
        let log = |position: u64| {
            let topics = vec![keccak256("Logged(uint256)"), B256::with_last_byte(position as u8)];
            Log::new_unchecked(contract, topics, index.to_be_bytes().to_vec().into())
        };
        let logs = if index % 2 == 1 { (0..index.min(3)).map(log).collect() } else { Vec::new() };
        (sent, logs)
    };
    (0..count).map(one).collect()
}
