//! A ledger from the state of another one that goes on meanwhile.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use proptest::prelude::*;
use windlass_chain::genesis::{Genesis, GenesisAccount};
use windlass_chain::store::MemoryStore;
use windlass_chain::sync::{Answer, Importer, Lacking, Refusal, Request, SyncError, Task};
use windlass_chain::{At, Chain, ChainError, Filter, LogsError, ProveError};
use windlass_proof::{Certificate, TrustAnchor, Validator, set_hash, verify};

use crate::common::{Wallet, advance, deployer, follow, free, hex, open, wallet};
use crate::keys::Key;

mod told;

/// About how large answers are here, so that there are many.
const LIMIT: usize = 3_000;

/// The only validator's keys.
fn keys() -> (Key, Key) {
    (Key::named("node"), Key::named("vote"))
}

/// Stores its second word of input under the first one, or the block hash of the number in it where
/// there is none: state that depends on the blocks before.
fn writer() -> Vec<u8> {
    hex("6020 36 11 600e 57 5f35 40 5f35 55 00 5b 6020 35 5f35 55 00")
}

/// A state of some hundred accounts and two contracts with storage.
fn populated() -> Genesis {
    let mut genesis = free();
    let (node, consensus) = keys();
    let one = &mut genesis.members[0].validators;
    one.truncate(1);
    (one[0].node_key, one[0].consensus_key) = (node.public(), consensus.public());
    for index in 0u64..400 {
        let address = Address::from_slice(&keccak256(index.to_be_bytes())[12..]);
        let balance = U256::from(index + 1);
        genesis.alloc.insert(address, GenesisAccount { balance, ..GenesisAccount::default() });
    }
    for (index, slots) in [(1u8, 300u64), (2, 3)] {
        let slot = |slot: u64| (B256::from(U256::from(slot * 7)), B256::from(U256::from(slot + 1)));
        let account = GenesisAccount {
            code: writer().into(),
            storage: (0..slots).map(slot).collect(),
            ..GenesisAccount::default()
        };
        genesis.alloc.insert(contract(index), account);
    }
    genesis
}

fn contract(index: u8) -> Address {
    Address::repeat_byte(0xc0 | index)
}

fn write(sender: &Wallet, nonce: u64, to: Address, slot: u64, value: u64) -> Recovered {
    let words = [U256::from(slot), U256::from(value)].map(|word| word.to_be_bytes::<32>());
    sender.eip1559(nonce, TxKind::Call(to), U256::ZERO, &words.concat())
}

type Recovered = alloy_consensus::transaction::Recovered<alloy_consensus::TxEnvelope>;

/// A network of one validator that certifies each block.
struct Source {
    chain: Chain,
    nonce: u64,
    round: u64,
}

impl Source {
    fn new(genesis: &Genesis) -> Self {
        let mut source = Self { chain: open(genesis), nonce: 0, round: 0 };
        source.advance(3);
        source
    }

    /// Blocks with changes of every kind: new and changed accounts, codes, slots set and cleared.
    fn advance(&mut self, blocks: u64) {
        let sender = wallet(1);
        for _ in 0..blocks {
            self.round += 1;
            let round = self.round;
            let fresh = Address::from_slice(&keccak256(round.to_le_bytes())[..20]);
            let code = [writer(), vec![u8::try_from(round % 200).unwrap()]].concat();
            let first = self.nonce;
            let mut nonce = first;
            let mut next = || {
                nonce += 1;
                nonce - 1
            };
            let transactions = vec![
                sender.eip1559(next(), TxKind::Call(fresh), U256::from(round), &[]),
                write(&sender, next(), contract(1), round % 40 * 7, round % 3),
                write(&sender, next(), contract(2), round, round),
                sender.eip1559(next(), TxKind::Create, U256::ZERO, &deployer(&code)),
                write(&sender, next(), sender.address.create(first + 3), 5, round),
                // The hash of a block far back goes into the state.
                sender.eip1559(
                    next(),
                    TxKind::Call(contract(2)),
                    U256::ZERO,
                    &U256::from(round.saturating_sub(20)).to_be_bytes::<32>(),
                ),
            ];
            self.make(transactions);
        }
    }

    /// A block with transactions of the one sender.
    fn make(&mut self, transactions: Vec<Recovered>) {
        self.nonce += u64::try_from(transactions.len()).unwrap();
        let (block, receipts) = advance(&self.chain, transactions);
        assert!(receipts.iter().all(|receipt| receipt.success), "{receipts:?}");
        let certificate = certify(&self.chain, block.number(), block.hash());
        self.chain.put_certificate(block.number(), block.hash(), certificate).unwrap();
    }
}

/// The certificate of the one validator, in the encoding of docs/protocol/proofs.md.
fn certify(chain: &Chain, view: u64, block: B256) -> Bytes {
    let (node, consensus) = keys();
    let validator = Validator { node_key: node.public(), consensus_key: consensus.public() };
    let committee = set_hash(&[validator]);
    let certificate =
        Certificate { epoch: 0, view, parent_view: view - 1, block, seats: 1, signatures: vec![] };
    let message = certificate.message(chain.genesis_hash(), committee);
    // The namespace comes first, and its length: a prefix, two hashes and a suffix.
    let proposal = &message[1 + 11 + 64 + 9..];
    let signature = consensus.sign(&message);
    let mut bytes = proposal.to_vec();
    bytes.extend(1u64.to_be_bytes());
    bytes.extend([1, 1]);
    bytes.extend(signature);
    bytes.into()
}

fn answer(source: &Source, request: &Request) -> Answer {
    let request = Request::decode(&request.encode()).unwrap();
    let answer = source.chain.answer(&request, LIMIT).unwrap();
    let bytes = answer.encode();
    // One entry at least: the governance contract's code has 24 kB.
    let is_code = matches!(answer, Answer::Codes(_));
    assert!(is_code || bytes.len() < LIMIT * 5, "{} bytes for {request:?}", bytes.len());
    Answer::decode(&bytes).unwrap()
}

/// An import that has asked for the validators.
fn begin(source: &Source, genesis: &Genesis, store: MemoryStore) -> Importer {
    let mut importer = Importer::open(store, genesis, 0).unwrap();
    let tasks = importer.tasks().unwrap();
    assert_eq!(tasks.len(), 1, "first of all the validators");
    importer.take(&tasks[0], answer(source, &tasks[0].request)).unwrap();
    importer
}

/// Imports while the source makes a block every few answers.
fn import(
    source: &mut Source,
    mut importer: Importer,
    pace: usize,
    mut deliver: impl FnMut(&mut Importer, &Task, Answer),
) -> Importer {
    let mut asked = 0;
    while !importer.is_ready() {
        for task in importer.tasks().unwrap() {
            asked += 1;
            assert!(asked < 5_000, "it never ends: {:?}", importer.progress());
            // While the last blocks are fetched nothing waits for the chain.
            if asked % pace == 0 {
                source.advance(1);
            }
            deliver(&mut importer, &task, answer(source, &task.request));
        }
    }
    importer
}

/// What was imported is the source's ledger and goes on as it does.
fn assert_same(source: &mut Source, genesis: &Genesis, store: MemoryStore) -> Chain {
    let chain = Chain::open(store, genesis).unwrap();
    let pivot = chain.tip().number;
    assert_eq!(chain.floor().unwrap(), pivot);
    for number in pivot + 1..=source.chain.tip().number {
        follow(&chain, &source.chain.block(number).unwrap().unwrap());
    }
    source.advance(2);
    for number in chain.tip().number + 1..=source.chain.tip().number {
        follow(&chain, &source.chain.block(number).unwrap().unwrap());
    }
    assert_eq!(chain.tip(), source.chain.tip());
    let (here, there) = (chain.state(At::Latest).unwrap(), source.chain.state(At::Latest).unwrap());
    for index in 0u64..400 {
        let address = Address::from_slice(&keccak256(index.to_be_bytes())[12..]);
        assert_eq!(here.account(address).unwrap(), there.account(address).unwrap());
    }
    for slot in 0u64..2_100 {
        let slot = U256::from(slot);
        let read =
            |state: &windlass_chain::state::StateView| state.storage(contract(1), slot).unwrap();
        assert_eq!(read(&here), read(&there));
    }
    chain
}

#[test]
fn a_state_is_imported_while_the_chain_goes_on() {
    let genesis = populated();
    let mut source = Source::new(&genesis);
    let store = MemoryStore::default();
    let importer = Importer::open(store.clone(), &genesis, 0).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let importer = import(&mut source, importer, 7, |importer, task, answer| {
        seen.insert(task.lacking);
        importer.take(task, answer).unwrap();
    });
    assert!(seen.contains(&Lacking::Codes) && seen.contains(&Lacking::Changed), "{seen:?}");
    assert!(importer.progress().accounts >= 400 && importer.progress().slots >= 300);
    importer.finish().unwrap();
    let chain = assert_same(&mut source, &genesis, store);

    // The last 256 blocks are there or all; the others come afterwards, and then all logs and proofs.
    if chain.first_block().unwrap() > 0 {
        let logs = chain.logs(0..=chain.tip().number, &Filter::default(), 1_000);
        let lacking = matches!(logs, Err(LogsError::Chain(ChainError::HistoryLacking { .. })));
        assert!(lacking, "a part of the logs is told as all: {logs:?}");
    }
    while let Some(request) = chain.lacking_blocks().unwrap() {
        let Answer::Blocks(records) = answer(&source, &request) else { panic!("no blocks") };
        assert!(chain.backfill(&records).unwrap() > 0);
    }
    assert_eq!(chain.first_block().unwrap(), 0);
    for number in 0..=chain.tip().number {
        assert_eq!(chain.block(number).unwrap(), source.chain.block(number).unwrap());
        assert_eq!(chain.receipts(number).unwrap(), source.chain.receipts(number).unwrap());
    }
    // Certificates come with the blocks, a few.
    let block = source.chain.block(2).unwrap().unwrap();
    let hash = *block.transactions()[0].tx_hash();
    let late = chain.prove_transaction(hash, 1_000);
    assert!(matches!(late, Err(ProveError::BeforeCheckpoint { since: 1_000, .. })), "{late:?}");
    let proof = chain.prove_transaction(hash, 0).unwrap();
    let anchor = TrustAnchor::from_genesis(&genesis.canonical_json()).unwrap();
    assert_eq!(verify(&proof, &anchor).unwrap().block.number, 2);
}

#[test]
fn an_import_goes_on_after_any_crash() {
    let genesis = populated();
    let mut source = Source::new(&genesis);
    let store = MemoryStore::default();
    let mut importer = Importer::open(store.clone(), &genesis, 0).unwrap();
    let (mut asked, mut resumed) = (0, 0);
    while !importer.is_ready() {
        for task in importer.tasks().unwrap() {
            asked += 1;
            if asked % 9 == 0 {
                source.advance(1);
            }
            // What was asked and not taken is lost with the process.
            if asked % 13 == 0 && importer.pivot().is_none() {
                importer = Importer::open(store.clone(), &genesis, 0).unwrap();
                resumed += usize::from(importer.is_resumed());
                break;
            }
            importer.take(&task, answer(&source, &task.request)).unwrap();
        }
        assert!(asked < 5_000);
    }
    assert!(resumed > 1, "{resumed}");
    importer.finish().unwrap();
    assert_same(&mut source, &genesis, store);
}

#[test]
fn what_peers_keep_no_longer_is_not_waited_for() {
    let genesis = populated();
    let mut source = Source::new(&genesis);
    source.advance(1);
    let mut importer = begin(&source, &genesis, MemoryStore::default());
    let tasks = importer.tasks().unwrap();
    importer.take(&tasks[0], answer(&source, &tasks[0].request)).unwrap();
    assert!(importer.is_resumed());
    // A peer whose tip is before the base brings nothing.
    let older = Source::new(&genesis);
    assert!(!importer.take(&tasks[1], answer(&older, &tasks[1].request)).unwrap());
    assert_eq!(
        older.chain.answer(&Request::Changed { after: 900 }, LIMIT).unwrap(),
        Answer::Unavailable
    );
}

#[test]
fn a_lie_about_what_changed_shows_at_the_end() {
    let genesis = populated();
    let mut source = Source::new(&genesis);
    let mut importer = Importer::open(MemoryStore::default(), &genesis, 0).unwrap();
    let spoilt = loop {
        let tasks = importer.tasks().unwrap();
        let mut ended = None;
        for task in tasks {
            source.advance(1);
            let mut told = answer(&source, &task.request);
            if let Answer::Changed(changed) = &mut told {
                changed.accounts.retain(|entry| entry.address != wallet(1).address);
            }
            match importer.take(&task, told) {
                Ok(_) => {}
                Err(error) => ended = Some(error),
            }
        }
        if let Some(ended) = ended {
            break ended;
        }
    };
    assert!(matches!(spoilt, SyncError::Spoilt { .. }), "{spoilt}");
}

#[test]
fn another_networks_state_is_refused() {
    let genesis = populated();
    let mut other = populated();
    other.timestamp += 1;
    let source = Source::new(&other);
    let mut importer = begin(&source, &genesis, MemoryStore::default());
    // It may be a change of validators that isn't known yet, and many may tell of it at once.
    for task in importer.tasks().unwrap() {
        assert!(!importer.take(&task, answer(&source, &task.request)).unwrap(), "{task:?}");
    }
    assert!(importer.lacks_validators());
    // After they were asked for it is a lie.
    let mut refused = None;
    for _ in 0..4 {
        for task in importer.tasks().unwrap() {
            match importer.take(&task, answer(&source, &task.request)) {
                Ok(news) => assert!(!news, "{task:?} brought something"),
                Err(error) => refused = Some(error),
            }
        }
    }
    let anchor = matches!(refused, Some(SyncError::Refused(Refusal::Anchor(_))));
    assert!(anchor, "{refused:?}");
    assert!(!importer.is_resumed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// No changed bit of an answer gets into the ledger: it is refused, or what it says is true.
    #[test]
    fn damaged_answers_are_refused(places in prop::collection::vec(any::<(u16, u8)>(), 40)) {
        let genesis = populated();
        let mut source = Source::new(&genesis);
        let store = MemoryStore::default();
        let importer = Importer::open(store.clone(), &genesis, 0).unwrap();
        let (mut places, mut turn) = (places.into_iter().cycle(), 0);
        let importer = import(&mut source, importer, 11, |importer, task, answer| {
            turn += 1;
            // What changed is only told: a lie there shows at the end, by another test.
            if turn % 2 == 0 || matches!(answer, Answer::Changed(_)) {
                importer.take(task, answer).unwrap();
                return;
            }
            let (place, bit) = places.next().unwrap();
            let mut bytes = answer.encode();
            let place = usize::from(place) % bytes.len();
            bytes[place] ^= 1 << (bit % 8);
            let Some(damaged) = Answer::decode(&bytes) else {
                importer.give_back(task);
                return;
            };
            match importer.take(task, damaged) {
                Ok(_) | Err(SyncError::Refused(_)) => {}
                Err(error) => panic!("byte {place} of an answer to {task:?}: {error}"),
            }
        });
        importer.finish().unwrap();
        let chain = assert_same(&mut source, &genesis, store);
        for number in chain.first_block().unwrap()..=chain.tip().number {
            assert_eq!(chain.receipts(number).unwrap(), source.chain.receipts(number).unwrap());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(request) = Request::decode(&bytes) {
            prop_assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        if let Some(answer) = Answer::decode(&bytes) {
            prop_assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
    }
}
