//! A state exported, checked, agreed on and begun with.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use sha2::{Digest, Sha256};
use windlass_chain::export::{ExportError, Exported, MAX_SLOTS_A_LINE, Reader, verify, verify_of};
use windlass_chain::genesis::{Genesis, Member, Validator};
use windlass_chain::governance::{ADDRESS, ActiveMember, SeatedValidator, set_hash};
use windlass_chain::recovery::{Recovery, RecoveryError, judge, propose, successor};
use windlass_chain::store::MemoryStore;
use windlass_chain::{
    At, Block, Chain, ChainError, ExportPageError, FoundError, ProveError, found,
};
use windlass_proof::{Certificate, Fact, Proof, TrustAnchor, Validator as LightValidator};

use crate::common::{advance, counter, deployer, genesis, open, wallet};
use crate::keys::Key;

/// Four members with a validator each; their accounts are the wallets 11 to 14.
fn consortium() -> Genesis {
    let mut genesis = genesis(windlass_chain::genesis::Fees::Free);
    genesis.members = (0u8..4)
        .map(|index| Member {
            organization: format!("member-{index}"),
            endpoint: String::new(),
            account: wallet(11 + index).address,
            validators: vec![Validator {
                name: format!("v{index}"),
                node_key: Key::named(&format!("node {index}")).public(),
                consensus_key: Key::named(&format!("vote {index}")).public(),
                account: Address::ZERO,
                endpoint: String::new(),
            }],
        })
        .collect();
    genesis
}

/// The certificate of a block, by all four.
fn certificate(genesis: &Genesis, block: &Block) -> Bytes {
    let mut seats: Vec<(LightValidator, Key)> = (0..4)
        .map(|index| {
            let (node, vote) =
                (Key::named(&format!("node {index}")), Key::named(&format!("vote {index}")));
            let (node_key, consensus_key) = (node.public(), vote.public());
            (LightValidator { node_key, consensus_key }, vote)
        })
        .collect();
    seats.sort_by_key(|(validator, _)| *validator);
    let validators: Vec<_> = seats.iter().map(|(validator, _)| *validator).collect();
    let view = block.number();
    let mut certificate = Certificate {
        epoch: 0,
        view,
        parent_view: view - 1,
        block: block.hash(),
        seats: 4,
        signatures: Vec::new(),
    };
    let message = certificate.message(genesis.hash(), set_hash(&validators));
    certificate.signatures =
        seats.iter().enumerate().map(|(seat, (_, key))| (seat, key.sign(&message))).collect();
    // The numbers are small: a byte each.
    let numbers = [0, u8::try_from(view).unwrap(), u8::try_from(view - 1).unwrap()];
    let mut bytes = numbers.to_vec();
    bytes.extend_from_slice(block.hash().as_slice());
    bytes.extend_from_slice(&4u64.to_be_bytes());
    bytes.extend_from_slice(&[0b1111, 4]);
    bytes.extend(certificate.signatures.iter().flat_map(|(_, signature)| *signature));
    bytes.into()
}

/// A chain with a contract that has state, its last block certified.
fn lived(genesis: &Genesis) -> Chain {
    let chain = open(genesis);
    let deploy = wallet(1).eip1559(0, TxKind::Create, U256::ZERO, &deployer(&counter()));
    let contract = wallet(1).address.create(0);
    let call = wallet(1).eip1559(1, TxKind::Call(contract), U256::ZERO, &[]);
    let pay = wallet(2).eip1559(0, TxKind::Call(Address::repeat_byte(0x77)), U256::from(5), &[]);
    advance(&chain, vec![deploy, call]);
    let (block, _) = advance(&chain, vec![pay]);
    chain.put_certificate(2, block.hash(), certificate(genesis, &block)).unwrap();
    chain
}

/// The whole export, from pages of about this size.
fn export(chain: &Chain, genesis: &Genesis, page_bytes: usize) -> Vec<u8> {
    let (mut text, mut accounts, mut slots) = (String::new(), 0, 0);
    let mut cursor: Option<Bytes> = None;
    loop {
        let page = chain
            .export(&genesis.canonical_json(), cursor.as_ref().map(|bytes| &bytes[..]), page_bytes)
            .unwrap();
        for line in page.lines {
            text.push_str(&line);
            text.push('\n');
        }
        accounts += page.counts.0;
        slots += page.counts.1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let sum = hex::encode_prefixed(Sha256::digest(text.as_bytes()));
    let end = format!("{{\"accounts\":{accounts},\"slots\":{slots},\"sha256\":\"{sum}\"}}\n");
    [text, end].concat().into_bytes()
}

fn signed(mut recovery: Recovery, members: &[u8]) -> Recovery {
    for number in members {
        let wallet = wallet(*number);
        let signature = wallet.sign(recovery.digest());
        recovery.sign(wallet.address, signature.as_bytes().to_vec().into());
    }
    recovery
}

fn exported() -> (Genesis, Vec<u8>, Exported) {
    let genesis = consortium();
    let bytes = export(&lived(&genesis), &genesis, 1 << 20);
    let exported = verify(&*bytes).unwrap();
    (genesis, bytes, exported)
}

#[test]
fn pages_of_any_size_make_the_same_export_and_its_root_is_that_of_the_block() {
    let genesis = consortium();
    let chain = lived(&genesis);
    let whole = export(&chain, &genesis, 1 << 20);
    for page_bytes in [1, 700, 5_000] {
        assert!(export(&chain, &genesis, page_bytes) == whole, "pages of {page_bytes} bytes");
    }
    let exported = verify(&*whole).unwrap();
    let tip = chain.tip();
    assert_eq!((exported.verified.block.number, exported.verified.block.hash), (2, tip.hash));
    assert_eq!(exported.verified.genesis, genesis.hash());
    assert_eq!(exported.verified.finality.certified.signers.len(), 4);
    assert_eq!(exported.genesis, genesis);
    assert_eq!(exported.sha256, B256::from_slice(&Sha256::digest(&whole)));
    assert!(exported.accounts > 8 && exported.slots > 20, "{exported:?}");
}

#[test]
fn what_cannot_be_exported_says_why() {
    let genesis = consortium();
    let document = genesis.canonical_json();
    let fresh = open(&genesis);
    assert!(matches!(fresh.export(&document, None, 1), Err(ExportPageError::NoBlock)));
    advance(&fresh, Vec::new());
    let missing = fresh.export(&document, None, 1);
    assert!(
        matches!(missing, Err(ExportPageError::Prove(ProveError::NoCertificate(1)))),
        "{missing:?}"
    );
    let chain = lived(&genesis);
    let cursor = chain.export(&document, None, 1).unwrap().next.unwrap();
    advance(&chain, Vec::new());
    let moved = chain.export(&document, Some(&cursor), 1);
    assert!(matches!(moved, Err(ExportPageError::Moved { number: 3, .. })), "{moved:?}");
    for odd in [&[][..], &[1; 31], &[cursor.get(..32).unwrap(), b"x"].concat()] {
        assert!(chain.export(&document, Some(odd), 1).is_err(), "{odd:?}");
    }
}

#[test]
fn an_export_with_one_byte_changed_is_refused() {
    let (_, bytes, _) = exported();
    // The head is checked by the light verifier's own tests to the last byte: here the sum is.
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(61).chain(bytes.len() - 150..bytes.len()) {
        for flip in [0x01, 0x20] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert!(verify(&*changed).is_err(), "byte {at} of {}", bytes.len());
            refused += 1;
        }
    }
    assert!(refused > 400, "{refused}");
    for end in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert!(verify(&bytes[..end]).is_err(), "cut at {end}");
    }
    let more = [&bytes[..], b"\n"].concat();
    assert!(matches!(verify(&*more), Err(ExportError::Line { .. })));
}

/// Changes a line and makes the end fit again, as somebody would who means it.
fn forge(bytes: &[u8], change: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (_, body) = lines.split_last().unwrap();
    let mut changed = String::new();
    for line in body {
        let line = change(line).unwrap_or_else(|| (*line).to_owned());
        for line in line.lines() {
            changed.push_str(line);
            changed.push('\n');
        }
    }
    let (mut accounts, mut slots) = (0, 0);
    let mut count = |entry| {
        match entry {
            windlass_chain::export::Entry::Account(_) => accounts += 1,
            windlass_chain::export::Entry::Slots(some) => slots += some.len(),
        }
        Ok::<_, ExportError>(())
    };
    // The end does not fit yet; what counts was counted before that is seen.
    let text = format!("{changed}{}\n", lines.last().unwrap());
    drop(Reader::open(text.as_bytes()).and_then(|reader| reader.read(&mut count)));
    let sum = hex::encode_prefixed(Sha256::digest(changed.as_bytes()));
    let end = format!("{{\"accounts\":{accounts},\"slots\":{slots},\"sha256\":\"{sum}\"}}\n");
    [changed, end].concat().into_bytes()
}

#[test]
fn an_export_whose_sums_fit_again_is_refused_for_its_root() {
    let (_, bytes, _) = exported();
    let check = |change: &dyn Fn(&str) -> Option<String>| verify(&*forge(&bytes, change));
    assert!(check(&|_| None).is_ok(), "the forger changes nothing else");
    let rich = format!("{:?}", wallet(2).address).to_lowercase();
    let of_rich = |line: &str| line.contains(&rich) && line.starts_with("{\"address\"");
    let raised = check(&|line| of_rich(line).then(|| line.replace("\"nonce\":1", "\"nonce\":2")));
    assert!(matches!(raised, Err(ExportError::Root { .. })), "{raised:?}");
    let twice = check(&|line| of_rich(line).then(|| format!("{line}\n{line}")));
    assert!(matches!(twice, Err(ExportError::Twice { .. })), "{twice:?}");
    let gone = check(&|line| of_rich(line).then(String::new));
    assert!(matches!(gone, Err(ExportError::Root { .. })), "{gone:?}");
    let other = check(&|line| {
        line.starts_with("{\"format\"")
            .then(|| line.replace("\"chain_id\":4242", "\"chain_id\":4243"))
    });
    assert!(matches!(other, Err(ExportError::OtherDocument { .. })), "{other:?}");
}

#[test]
fn what_is_no_export_costs_no_more_than_its_text() {
    let (genesis, bytes, _) = exported();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let (head, _) = text.split_once('\n').unwrap();
    // Of another network the head is read, and nothing behind it.
    let foreign = verify_of(format!("{head}\n").as_bytes(), B256::ZERO);
    assert!(matches!(foreign, Err(ExportError::OtherNetwork { .. })), "{foreign:?}");
    assert!(verify_of(&*bytes, genesis.hash()).is_ok());
    // A document that block 0 does not name is not even parsed: this would be no JSON of one.
    let document = String::from_utf8(genesis.canonical_json()).unwrap();
    assert!(head.contains(&document), "it is there as it is");
    let other = format!("{}\n", head.replace(&document, "[0,0,0,0,0,0,0,0]"));
    let refused = verify(other.as_bytes());
    assert!(matches!(refused, Err(ExportError::OtherDocument { .. })), "{refused:?}");
    // The list ends at its limit, whatever follows.
    let check = |line: String, expected: &str| {
        let error = verify(format!("{head}\n{line}\n").as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let account = format!("{{\"address\":\"{ADDRESS:?}\",\"balance\":\"0x0\",\"nonce\":1}}");
    let slots = vec!["[\"0x1\",\"0x2\"]"; MAX_SLOTS_A_LINE + 1].join(",");
    check(format!("{account}\n{{\"slots\":[{slots},?"), "more than 256 slots");
    check("{\"slots\":[0,0]}".to_owned(), "line 2");
    check(account.replace("\"nonce\":1", "\"nonce\":null"), "line 2");
    check(account.replace("\"nonce\":1", "\"nonce\":1,\"slots\":3"), "no account, no slots");
    check(account.replace("nonce", "nonces"), "unknown field");
}

#[test]
fn a_successor_begins_with_the_state_and_its_chain_goes_on() {
    let (genesis, bytes, exported) = exported();
    let document = successor(&exported).unwrap();
    assert_eq!(Genesis::parse(&document.canonical_json()).unwrap(), document);
    assert_eq!(document.members, genesis.members);
    assert_eq!((document.chain_id, document.gas_limit), (genesis.chain_id, genesis.gas_limit));
    assert_ne!(document.hash(), genesis.hash());

    let store = MemoryStore::default();
    assert!(matches!(Chain::open(store, &document), Err(ChainError::Unfounded)));
    let store = MemoryStore::default();
    found(&store, &document, &*bytes).unwrap();
    let chain = Chain::open(store, &document).unwrap();
    assert_eq!(chain.genesis_hash(), document.hash());
    assert_eq!(chain.tip().number, 0);
    let state = chain.state(At::Latest).unwrap();
    let contract = wallet(1).address.create(0);
    assert_eq!(state.storage(contract, U256::ZERO).unwrap(), U256::from(1));
    assert_eq!(state.account(wallet(1).address).unwrap().unwrap().nonce, 2);
    assert_eq!(state.account(Address::repeat_byte(0x77)).unwrap().unwrap().balance, U256::from(5));
    let seats = document.validators().map(SeatedValidator::from).collect::<Vec<_>>();
    assert_eq!(chain.next_validators_hash().unwrap(), set_hash(&seats));
    assert_eq!(chain.next_validators().unwrap().len(), 4);

    let call = wallet(1).eip1559(2, TxKind::Call(contract), U256::ZERO, &[]);
    let hash = *call.tx_hash();
    let (block, receipts) = advance(&chain, vec![call]);
    assert!(receipts[0].success);
    assert_eq!(
        chain.state(At::Latest).unwrap().storage(contract, U256::ZERO).unwrap(),
        U256::from(2)
    );
    // A certificate of the network before says nothing here.
    chain.put_certificate(1, block.hash(), certificate(&genesis, &block)).unwrap();
    let anchor = TrustAnchor::from_genesis(&document.canonical_json()).unwrap();
    let proof = chain.prove_transaction(hash, 0).unwrap();
    assert!(windlass_proof::verify(&proof, &anchor).is_err());
    chain.put_certificate(1, block.hash(), certificate(&document, &block)).unwrap();
    let proof: Proof = chain.prove_transaction(hash, 0).unwrap();
    let verified = windlass_proof::verify(&proof, &anchor).unwrap();
    assert!(matches!(verified.fact, Fact::Transaction(fact) if fact.hash == hash));
    let old = TrustAnchor::from_genesis(&genesis.canonical_json()).unwrap();
    assert!(windlass_proof::verify(&proof, &old).is_err());

    // It can be followed in turn.
    let again = verify(&*export(&chain, &document, 2_000)).unwrap();
    assert_eq!(again.genesis, document);
    let third = successor(&again).unwrap();
    assert_eq!(third.predecessor.unwrap().genesis, document.hash());
}

#[test]
fn a_ledger_is_begun_with_no_other_state() {
    let (_, bytes, exported) = exported();
    let document = successor(&exported).unwrap();
    let with = |change: &dyn Fn(&mut Genesis)| {
        let mut document = document.clone();
        change(&mut document);
        found(&MemoryStore::default(), &document, &*bytes)
    };
    let other = with(&|one| one.predecessor.as_mut().unwrap().export = B256::ZERO);
    assert!(matches!(other, Err(FoundError::OtherExport { .. })), "{other:?}");
    let other = with(&|one| one.predecessor.as_mut().unwrap().state_root = B256::ZERO);
    assert!(matches!(other, Err(FoundError::OtherState { .. })), "{other:?}");
    let other = with(&|one| one.predecessor = None);
    assert!(matches!(other, Err(FoundError::NoPredecessor)), "{other:?}");
}

#[test]
fn more_than_two_thirds_of_the_members_agree_or_nothing_happens() {
    let (_, _, exported) = exported();
    let file = propose(&exported).unwrap();
    assert_eq!(Recovery::from_json(file.to_json().as_bytes()).unwrap(), file);
    for (members, enough) in
        [(&[][..], false), (&[11, 12], false), (&[11, 12, 13], true), (&[14, 13, 12, 11], true)]
    {
        let judged = judge(&exported, &signed(file.clone(), members)).unwrap();
        assert_eq!((judged.signed(), judged.needed()), (members.len(), 3));
        assert_eq!(judged.suffices(), enough, "{members:?}");
        assert_eq!(judged.is_unanimous(), members.len() == 4);
        assert_eq!(judged.successor, file.successor);
    }
    // Who is no member in the export counts for nothing by it.
    let judged = judge(&exported, &signed(file.clone(), &[11, 12, 9, 8])).unwrap();
    assert_eq!((judged.signed(), judged.suffices()), (2, false));
    assert_eq!(judged.others, [8, 9].map(|number| wallet(number).address).into());
    let mut twice = signed(file.clone(), &[11]);
    twice.signatures.push(twice.signatures[0].clone());
    assert!(matches!(judge(&exported, &twice), Err(RecoveryError::Twice(_))));
    let mut claimed = signed(file.clone(), &[11]);
    claimed.signatures[0].account = wallet(12).address;
    assert!(matches!(judge(&exported, &claimed), Err(RecoveryError::Signature { .. })));
    let mut cut = signed(file, &[11]);
    cut.signatures[0].signature = Bytes::from_static(&[1; 64]);
    assert!(matches!(judge(&exported, &cut), Err(RecoveryError::Signature { .. })));
}

#[test]
fn later_blocks_are_given_up_only_by_those_who_are_members_after_them_too() {
    let (_, _, exported) = exported();
    let file = propose(&exported).unwrap();
    let member = |name: &str, number: u8| ActiveMember {
        organization: name.to_owned(),
        account: wallet(number).address,
    };
    let founders = || (0..4u8).map(|index| member(&format!("member-{index}"), 11 + index));
    let check = |newer: Vec<ActiveMember>, signers: &[u8], expected: &[(&str, u8)]| {
        let judged = judge(&exported, &signed(file.clone(), signers)).unwrap();
        let missing = judged.missing(newer);
        let missing: Vec<_> = missing.iter().map(|one| (&*one.organization, one.account)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(name, number)| (*name, wallet(*number).address)).collect();
        assert_eq!(missing, expected, "{signers:?}");
    };
    // The same members: every one of them, where two thirds suffice by the export.
    check(founders().collect(), &[11, 12, 13], &[("member-3", 14)]);
    check(founders().collect(), &[11, 12, 13, 14], &[]);
    // One was added: it has a say, though the export does not know it.
    let added = || founders().chain([member("beta", 9)]).collect();
    check(added(), &[11, 12, 13, 14], &[("beta", 9)]);
    check(added(), &[11, 12, 13, 14, 8], &[("beta", 9)]);
    check(added(), &[11, 12, 13, 14, 9], &[]);
    // One was removed: it can't come back without the others, nor they without it.
    let removed = || founders().skip(1).collect();
    check(removed(), &[11], &[("member-1", 12), ("member-2", 13), ("member-3", 14)]);
    check(removed(), &[12, 13, 14], &[("member-0", 11)]);
    check(removed(), &[11, 12, 13, 14], &[]);
    // One has another account: whoever has the old one alone does not speak for it.
    let replaced = || founders().skip(1).chain([member("member-0", 9)]).collect();
    check(replaced(), &[11, 12, 13, 14], &[("member-0", 9)]);
    check(replaced(), &[12, 13, 14, 9], &[("member-0", 11)]);
    check(replaced(), &[11, 12, 13, 14, 9], &[]);
    // All were replaced.
    let others = || vec![member("beta", 9), member("gamma", 8)];
    check(others(), &[11, 12, 13, 14], &[("beta", 9), ("gamma", 8)]);
    check(others(), &[11, 12, 13, 14, 9, 8], &[]);
}

#[test]
fn a_recovery_of_something_else_is_refused() {
    let (_, _, exported) = exported();
    let file = propose(&exported).unwrap();
    let check = |change: &dyn Fn(&mut Recovery), expected: &str| {
        let mut other = file.clone();
        change(&mut other);
        let error = judge(&exported, &other).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&|one| one.predecessor.genesis = B256::ZERO, "the network with genesis");
    check(&|one| one.predecessor.export = B256::ZERO, "the export with SHA-256");
    check(&|one| one.predecessor.hash = B256::ZERO, "the block");
    check(&|one| one.predecessor.state_root = B256::ZERO, "the state root");
    check(&|one| one.predecessor.number = 7, "the block number");
    check(&|one| one.chain_id = 7, "the chain id");
    check(&|one| one.successor = B256::ZERO, "the successor");
    assert!(Recovery::from_json(b"{}").is_err());
    let newer = file.to_json().replace("\"version\": 1", "\"version\": 2");
    assert!(Recovery::from_json(newer.as_bytes()).is_err());
}

#[test]
fn members_sign_the_typed_data_that_wallets_show() {
    let (_, _, exported) = exported();
    let file = propose(&exported).unwrap();
    let data = file.typed_data();
    // The digest by hand, as EIP-712 has it.
    let kind = keccak256(
        "NetworkRecovery(bytes32 genesis,uint64 number,bytes32 block,bytes32 stateRoot,bytes32 \
         export,bytes32 successor)",
    );
    let word = |name: &str| -> B256 { data["message"][name].as_str().unwrap().parse().unwrap() };
    let number = B256::from(U256::from(data["message"]["number"].as_u64().unwrap()));
    let message = keccak256(
        [
            kind,
            word("genesis"),
            number,
            word("block"),
            word("stateRoot"),
            word("export"),
            word("successor"),
        ]
        .concat(),
    );
    let domain = keccak256(
        [
            keccak256("EIP712Domain(string name,string version,uint256 chainId)"),
            keccak256("Windlass recovery"),
            keccak256("1"),
            B256::from(U256::from(4_242)),
        ]
        .concat(),
    );
    let digest = keccak256([&[0x19, 0x01][..], domain.as_slice(), message.as_slice()].concat());
    assert_eq!(file.digest(), digest);
    let fields: BTreeSet<&str> =
        data["message"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 6);
}

#[test]
fn a_document_with_a_predecessor_is_strict() {
    let (_, _, exported) = exported();
    let document = successor(&exported).unwrap();
    let text = String::from_utf8(document.canonical_json()).unwrap();
    let check = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let error = Genesis::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
        error.to_string()
    };
    let alloc = r#""alloc":{"0x1111111111111111111111111111111111111111":{"balance":"0x1"}}"#;
    assert!(check(r#""alloc":{}"#, alloc).contains("alloc"));
    assert!(check(r#""permissions":{}"#, r#""permissions":{"send":[]}"#).contains("permissions"));
    assert!(check(r#""number":2"#, r#""number":0"#).contains("predecessor.number"));
    assert!(check(r#""number":2"#, r#""number":2,"more":1"#).contains("predecessor.more"));
    let anchor = TrustAnchor::from_genesis(text.as_bytes());
    assert!(anchor.is_ok(), "the light verifier knows it too");
    assert!(!text.contains(&format!("{ADDRESS:#x}")), "the contract is in the state");
    let block = document.block();
    assert_eq!(block.header().extra_data[..], keccak256(&text)[..]);
}
