//! A node's directory taken over by a successor, broken off and refused at every step.

use std::{fs, path::PathBuf};

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use alloy_sol_types::{SolCall as _, SolValue as _};
use commonware_codec::Encode;
use commonware_consensus::{
    simplex::types::{Finalization, Finalize, Proposal},
    types::{Epoch, Round, View},
};
use commonware_cryptography::Signer as _;
use commonware_parallel::Sequential;
use commonware_utils::{non_empty, ordered::BiMap};
use sha2::{Digest as _, Sha256};
use windlass_chain::{
    At, Attributes, Block, Chain, Room,
    export::End,
    genesis::{Fees, Genesis, Member, Validator},
    governance::{
        self,
        abi::Governance::{Action, NewMember, NewValidator, proposeCall, voteCall},
    },
    recovery::{propose, successor},
    store::MemoryStore,
};

use super::*;
use crate::{
    consensus::{
        digest::Digest,
        exchange::key_bytes,
        scheme::{Scheme, Voting},
        signer::HandleSigner,
    },
    ledger::{States, open as open_ledger},
    testing::Account,
};

/// A node of a network that stood still, and what its members agreed on.
struct Case {
    directory: tempfile::TempDir,
    export: PathBuf,
    before: Genesis,
    after: Genesis,
    recovery: Recovery,
    member: Account,
}

/// A network of one validator and one member.
fn network(member: Address) -> (Genesis, HandleSigner, HandleSigner) {
    let (node, vote) = (HandleSigner::from_seed(1), HandleSigner::from_seed(2));
    let mut genesis = crate::testing::genesis(Fees::Free, &[]);
    genesis.members = vec![Member {
        organization: "acme".to_owned(),
        endpoint: String::new(),
        account: member,
        validators: vec![Validator {
            name: "v0".to_owned(),
            node_key: key_bytes(&node.public_key()),
            consensus_key: key_bytes(&vote.public_key()),
            account: Address::ZERO,
            endpoint: String::new(),
        }],
    }];
    (genesis, node, vote)
}

/// A final block, so long after the one before.
fn advance(chain: &Chain, after_ms: u64) -> Block {
    advance_with(chain, after_ms, None)
}

/// The same with a transaction, which has to succeed.
fn advance_with(chain: &Chain, after_ms: u64, transaction: Option<Recovered<TxEnvelope>>) -> Block {
    let sent = transaction.is_some();
    let tip = chain.tip();
    let timestamp_ms = tip.timestamp_ms + after_ms;
    let attributes =
        Attributes { timestamp_ms, epoch: 0, beneficiary: Address::ZERO, room: Room::ALL };
    let built = chain.build(tip.hash, attributes, &mut transaction.into_iter());
    let built = built.expect("it builds");
    assert_eq!(built.block.transactions().len(), usize::from(sent));
    chain.finalize(&built.block).expect("it is valid");
    built.block
}

/// A ledger with a block and its certificate.
fn lived(genesis: &Genesis, node: &HandleSigner, vote: &HandleSigner) -> Chain {
    let chain = Chain::open(MemoryStore::default(), genesis).expect("it opens");
    let block = advance(&chain, 1);
    let seats = BiMap::try_from(vec![(node.public_key(), vote.public_key())]).expect("one");
    let signers = [vote.clone()];
    let scheme = Scheme::new(genesis.hash(), seats, &node.public_key(), &signers, Voting::On);
    let round = Round::new(Epoch::new(0), View::new(1));
    let proposal = Proposal::new(round, View::new(0), Digest::from(block.hash()));
    let vote = Finalize::sign(&scheme, proposal).expect("it votes");
    let votes = non_empty![@vec![vote].into_iter()];
    let certificate = Finalization::from_owned_finalizes(&scheme, votes, &Sequential);
    let certificate = certificate.expect("one is a quorum").encode();
    let certificate = Bytes::copy_from_slice(&certificate);
    chain.put_certificate(1, block.hash(), certificate).expect("it is kept");
    chain
}

fn case() -> Case {
    let directory = tempfile::tempdir().expect("a folder");
    let member = Account::new();
    let (before, node, vote) = network(member.address());
    let chain = lived(&before, &node, &vote);
    let page = chain.export(&before.canonical_json(), None, 1 << 24).expect("it exports");
    assert_eq!(page.next, None, "the state is small");
    let text = page.lines.join("\n") + "\n";
    let sha256 = B256::from_slice(&Sha256::digest(text.as_bytes()));
    let end = End { accounts: page.counts.0, slots: page.counts.1, sha256 };
    let end = serde_json::to_string(&end).expect("plain data") + "\n";
    let export = directory.path().join("network.export");
    fs::write(&export, text + &end).expect("a file");
    let exported = export::verify(&*fs::read(&export).expect("a file")).expect("it holds");
    let after = successor(&exported).expect("it has one");
    let mut recovery = propose(&exported).expect("it can be proposed");
    recovery.sign(member.address(), member.sign(recovery.digest()));
    let case = Case { directory, export, before, after, recovery, member };
    fs::create_dir_all(case.path("files")).expect("a folder");
    case.agreed(&case.recovery);
    fs::create_dir(case.path("data")).expect("a folder");
    fs::write(case.path("data/ledger.redb"), "what the node had").expect("a file");
    fs::write(case.path("data/ledger.pending"), "").expect("a file");
    case
}

impl Case {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn agreed(&self, recovery: &Recovery) {
        fs::write(self.path(RECOVERY), recovery.to_json()).expect("a file");
    }

    fn prepare(&self) -> Result<(), SuccessionError> {
        prepare(self.directory.path(), Some(&self.export), &self.after)
    }

    /// Has a ledger with such blocks in the node's data.
    fn has(&self, genesis: &Genesis, blocks: &[u64]) -> Chain {
        let path = self.path("data/ledger.redb");
        fs::remove_file(&path).expect("it is there");
        let store = RedbStore::open(&path).expect("it opens");
        let chain = Chain::open(store, genesis).expect("it opens");
        for after_ms in blocks {
            advance(&chain, *after_ms);
        }
        chain
    }

    /// The members' file with the signatures of these accounts, and what the node makes of it.
    fn signed_by(&self, accounts: &[&Account]) -> Result<(), SuccessionError> {
        let mut recovery = self.recovery.clone();
        recovery.signatures.clear();
        for account in accounts {
            recovery.sign(account.address(), account.sign(recovery.digest()));
        }
        self.agreed(&recovery);
        self.prepare()
    }

    /// It gives no block up, as long as these have not signed.
    fn waits_for(&self, signed: &[&Account], expected: &[(&str, &Account)]) {
        let Err(SuccessionError::GivesUp { number: 1, missing, .. }) = self.signed_by(signed)
        else {
            panic!("it gives blocks up");
        };
        let missing: Vec<_> = missing.iter().map(|one| (&*one.organization, one.account)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(name, account)| (*name, account.address())).collect();
        assert_eq!(missing, expected);
        assert_eq!(self.folders(), ["data"], "nothing is touched");
    }

    /// What the folder has that is called data in some way.
    fn folders(&self) -> Vec<String> {
        let listed = fs::read_dir(self.directory.path()).expect("a folder");
        let names = listed.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name.starts_with("data"))
            .collect();
        names.sort();
        names
    }

    /// The node's ledger is the successor's, and what it had before is beside it.
    fn is_taken_over(&self) {
        let aside = format!("data-of-{}", &hex::encode(self.before.hash())[..16]);
        assert_eq!(self.folders(), ["data".to_owned(), aside.clone()]);
        let kept = fs::read_to_string(self.path(&aside).join("ledger.redb")).expect("it is kept");
        assert_eq!(kept, "what the node had");
        let ledger = open_ledger(&self.path("data/ledger.redb"), &self.after, States::Recent)
            .expect("it opens");
        assert_eq!(ledger.chain().genesis_hash(), self.after.hash());
        let state = ledger.chain().state(At::Latest).expect("it has a state");
        assert!(state.account(governance::ADDRESS).expect("readable").is_some());
        assert!(self.path("data/ledger.pending").exists(), "what is pending comes along");
    }
}

/// A block in which an account sends this to the governance contract.
fn govern(chain: &Chain, account: &Account, input: Vec<u8>) {
    let state = chain.state(At::Latest).expect("it has a state");
    let nonce = state.account(account.address()).expect("readable").unwrap_or_default().nonce;
    let bytes = account.transaction(nonce, |transaction| {
        transaction.to = TxKind::Call(governance::ADDRESS);
        transaction.gas_limit = 10_000_000;
        transaction.input = input.into();
    });
    let transaction = TxEnvelope::decode_2718_exact(&bytes).expect("a transaction");
    let transaction = Recovered::new_unchecked(transaction, account.address());
    let block = advance_with(chain, 1, Some(transaction));
    let receipts = chain.receipts(block.number()).expect("readable").expect("it is there");
    assert!(receipts[0].success, "{receipts:?}");
}

/// A member proposes one action, which it decides if it is alone.
fn proposes(chain: &Chain, account: &Account, (kind, arguments): (u8, Vec<u8>)) {
    let actions = vec![Action { kind, arguments: arguments.into() }];
    let call = proposeCall { actions, force: true, reason: String::new() };
    govern(chain, account, call.abi_encode());
}

/// A member is let in, with a validator.
fn let_in(organization: &str, account: &Account, seed: u64) -> (u8, Vec<u8>) {
    let key = |seed| key_bytes(&HandleSigner::from_seed(seed).public_key());
    let validator = NewValidator {
        name: format!("v{seed}"),
        nodeKey: key(seed),
        consensusKey: key(seed + 1),
        account: Address::ZERO,
        endpoint: String::new(),
    };
    let member = NewMember {
        organization: organization.to_owned(),
        endpoint: String::new(),
        account: account.address(),
        validators: vec![validator],
        observers: Vec::new(),
    };
    (0, member.abi_encode())
}

#[test]
fn a_network_without_predecessor_is_left_alone() {
    let case = case();
    prepare(case.directory.path(), None, &case.before).expect("nothing is to be done");
    assert_eq!(case.folders(), ["data"]);
}

#[test]
fn the_state_is_taken_over_once_and_what_was_there_is_kept() {
    let case = case();
    case.prepare().expect("it is taken over");
    case.is_taken_over();
    case.prepare().expect("it is so already");
    case.is_taken_over();
    // A lost disk begins with the same state, and the name that is taken is left alone.
    fs::remove_dir_all(case.path("data")).expect("it is there");
    case.prepare().expect("it begins again");
    case.is_taken_over();
}

#[test]
fn broken_off_anywhere_it_goes_on() {
    let case = case();
    // While the state was loaded.
    fs::create_dir(case.path("data.new")).expect("a folder");
    fs::write(case.path("data.new/ledger.redb"), "half").expect("a file");
    case.prepare().expect("it begins again");
    case.is_taken_over();
    // Between the two renames.
    fs::rename(case.path("data"), case.path("data.new")).expect("it is there");
    prepare(case.directory.path(), None, &case.after).expect("only the name is missing");
    case.is_taken_over();
}

#[test]
fn what_the_members_did_not_agree_on_is_refused_and_nothing_is_touched() {
    let case = case();
    let refused = |what: &str, is: fn(&SuccessionError) -> bool| {
        let error = case.prepare().expect_err(what);
        assert!(is(&error), "{what}: {error:?}");
        assert_eq!(case.folders(), ["data"], "{what}");
    };
    let mut unsigned = case.recovery.clone();
    unsigned.signatures.clear();
    case.agreed(&unsigned);
    refused("nobody signed", |error| {
        matches!(error, SuccessionError::TooFew { signed: 0, members: 1, needed: 1 })
    });
    let mut other = unsigned;
    other.successor = B256::repeat_byte(1);
    other.sign(case.member.address(), case.member.sign(other.digest()));
    case.agreed(&other);
    refused("it is about another network", |error| matches!(error, SuccessionError::Recovery(_)));
    case.agreed(&case.recovery);
    let whole = fs::read(&case.export).expect("a file");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&case.export, changed).expect("a file");
    refused("the export was changed", |error| matches!(error, SuccessionError::Export(_)));
    fs::write(&case.export, whole).expect("a file");
    let mut document = case.after.clone();
    document.gas_limit += 1;
    let error = prepare(case.directory.path(), Some(&case.export), &document);
    assert!(matches!(error, Err(SuccessionError::OtherGenesis { .. })), "{error:?}");
    let error = prepare(case.directory.path(), None, &case.after);
    assert!(matches!(error, Err(SuccessionError::NoExport)), "{error:?}");
    assert_eq!(case.folders(), ["data"]);
}

#[test]
fn what_a_node_has_is_of_the_network_before() {
    let case = case();
    let refused = |what: &str, is: fn(&SuccessionError) -> bool| {
        let error = case.prepare().expect_err(what);
        assert!(is(&error), "{what}: {error:?}");
        assert_eq!(case.folders(), ["data"], "{what}");
    };
    let mut foreign = case.before.clone();
    foreign.chain_id += 1;
    case.has(&foreign, &[1]);
    refused("another network's ledger", |error| {
        matches!(error, SuccessionError::OtherNetwork { .. })
    });
    case.has(&case.before, &[2]);
    refused("another block there", |error| {
        matches!(error, SuccessionError::OtherBlock { number: 1, .. })
    });
    case.has(&case.before, &[]);
    case.prepare().expect("it was behind");
}

#[test]
fn blocks_that_are_given_up_are_told_and_kept() {
    let case = case();
    case.has(&case.before, &[1, 1, 1]);
    case.prepare().expect("it is taken over");
    let aside = format!("data-of-{}", &hex::encode(case.before.hash())[..16]);
    let told = fs::read_to_string(case.path(&aside).join("given-up")).expect("it is told");
    assert!(told.starts_with("block 3 (0x"), "{told}");
    assert!(told.contains("began anew after block 1"), "{told}");
    let ledger = open_ledger(&case.path(&aside).join("ledger.redb"), &case.before, States::Recent);
    assert_eq!(ledger.expect("it opens").chain().tip().number, 3);
    assert!(!case.path("data/given-up").exists());
}

#[test]
fn who_was_let_in_since_has_a_say_in_what_is_given_up() {
    let case = case();
    let (acme, beta, stranger) = (&case.member, &Account::new(), &Account::new());
    let chain = case.has(&case.before, &[1]);
    proposes(&chain, acme, let_in("beta", beta, 3));
    drop(chain);
    case.waits_for(&[acme], &[("beta", beta)]);
    case.waits_for(&[acme, stranger], &[("beta", beta)]);
    // By the export alone it would not even do.
    let error = case.signed_by(&[beta]);
    assert!(matches!(error, Err(SuccessionError::TooFew { signed: 0, .. })), "{error:?}");
    let error = case.signed_by(&[acme]).expect_err("beta did not agree").to_string();
    let told = format!("missing: beta ({:#x})", beta.address());
    assert!(error.contains("block 2 is final here") && error.contains(&told), "{error}");
    case.signed_by(&[acme, beta]).expect("all agreed");
    assert_eq!(case.folders().len(), 2);
}

#[test]
fn who_was_removed_or_has_another_account_does_not_come_back_alone() {
    let case = case();
    let (acme, beta, later) = (&case.member, &Account::new(), &Account::new());
    let chain = case.has(&case.before, &[1]);
    proposes(&chain, acme, let_in("beta", beta, 3));
    proposes(&chain, acme, (3, 1_u32.abi_encode()));
    let call = voteCall { id: U256::from(2), support: true };
    govern(&chain, beta, call.abi_encode());
    let members = |chain: &Chain| -> Vec<String> {
        let members = chain.active_members().expect("readable").into_iter();
        members.map(|member| member.organization).collect()
    };
    assert_eq!(members(&chain), ["beta"]);
    drop(chain);
    case.waits_for(&[acme], &[("beta", beta)]);
    let store = RedbStore::open(&case.path("data/ledger.redb")).expect("it opens");
    let chain = Chain::open(store, &case.before).expect("it opens");
    proposes(&chain, beta, let_in("acme", later, 5));
    assert_eq!(members(&chain).len(), 2);
    drop(chain);
    case.waits_for(&[acme], &[("beta", beta), ("acme", later)]);
    case.waits_for(&[acme, beta], &[("acme", later)]);
    case.signed_by(&[acme, beta, later]).expect("all agreed");
}
