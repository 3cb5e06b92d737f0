//! A node's directory taken over by a successor, broken off and refused at every step.

use std::{fs, path::PathBuf};

use alloy_primitives::{Address, Bytes, hex};
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
    recovery::{propose, successor},
    store::MemoryStore,
};
use windlass_keys::{Secp256k1Signer as _, ThrowawayAccount, throwaway_account};

use super::*;
use crate::{
    consensus::{
        digest::Digest,
        exchange::key_bytes,
        scheme::{Scheme, Voting},
        signer::HandleSigner,
    },
    ledger::{States, open as open_ledger},
};

/// A node of a network that stood still, and what its members agreed on.
struct Case {
    directory: tempfile::TempDir,
    export: PathBuf,
    before: Genesis,
    after: Genesis,
    recovery: Recovery,
    member: ThrowawayAccount,
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
    let tip = chain.tip();
    let timestamp_ms = tip.timestamp_ms + after_ms;
    let attributes =
        Attributes { timestamp_ms, epoch: 0, beneficiary: Address::ZERO, room: Room::ALL };
    let built = chain.build(tip.hash, attributes, &mut std::iter::empty()).expect("it builds");
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
    let member = throwaway_account().expect("a key");
    let (before, node, vote) = network(member.address().into());
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
    let mut signature = member.sign_hash(&recovery.digest().0).expect("it signs");
    signature[64] += 27;
    recovery.sign(member.address().into(), signature.to_vec().into());
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
    fn has(&self, genesis: &Genesis, blocks: &[u64]) {
        let path = self.path("data/ledger.redb");
        fs::remove_file(&path).expect("it is there");
        let store = RedbStore::open(&path).expect("it opens");
        let chain = Chain::open(store, genesis).expect("it opens");
        for after_ms in blocks {
            advance(&chain, *after_ms);
        }
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
        assert!(state.account(windlass_chain::governance::ADDRESS).expect("readable").is_some());
        assert!(self.path("data/ledger.pending").exists(), "what is pending comes along");
    }
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
    let signature = case.member.sign_hash(&other.digest().0).expect("it signs");
    other.sign(case.member.address().into(), signature.to_vec().into());
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
