use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use proptest::prelude::*;

use super::{
    Fees, Genesis, GenesisAccount, GenesisError, Governance, Member, Permissions, SignatureScheme,
    Validator,
};

const CANONICAL: &str = concat!(
    r#"{"alloc":{"0x1111111111111111111111111111111111111111":{"balance":"0xde0b6b3a7640000","code":"0x","nonce":0,"storage":{}},"#,
    r#""0x2222222222222222222222222222222222222222":{"balance":"0x0","code":"0x6001","nonce":1,"storage":{"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000001":"#,
    r#""0x00000000000000000000000000000000000000000000000000000000000000ff"}}},"#,
    r#""chain_id":7001,"contract_size_limit":24576,"epoch_length":1000,"#,
    r#""fees":{"floor_wei":1000000000,"policy":"eip1559"},"gas_limit":30000000,"#,
    r#""governance":{"contract":"0xb473200518debd96efe553439c542f75c32fa8a8d309181558d61c4248797341","membership_threshold":50,"parameters_threshold":50,"proposal_lifetime_s":604800},"#,
    r#""members":[{"account":"0xacacacacacacacacacacacacacacacacacacacac","#,
    r#""endpoint":"https://acme.example","organization":"acme \"ünïon\"","validators":[{"#,
    r#""account":"0x0000000000000000000000000000000000000000","#,
    r#""consensus_key":"0202020202020202020202020202020202020202020202020202020202020202","#,
    r#""endpoint":"10.0.0.1:7000","name":"v0","#,
    r#""node_key":"0101010101010101010101010101010101010101010101010101010101010101"}]}],"#,
    r#""min_block_interval_ms":100,"#,
    r#""permissions":{},"signature_scheme":"ed25519","timestamp":1700000000,"#,
    r#""transaction_gas_cap":16777216,"version":2}"#,
);

fn document() -> Genesis {
    let contract = GenesisAccount {
        nonce: 1,
        code: Bytes::from_static(&[0x60, 0x01]),
        storage: BTreeMap::from([(B256::with_last_byte(1), B256::with_last_byte(0xff))]),
        ..GenesisAccount::default()
    };
    let account = GenesisAccount {
        balance: U256::from(1_000_000_000_000_000_000u64),
        ..GenesisAccount::default()
    };
    Genesis {
        chain_id: 7_001,
        timestamp: 1_700_000_000,
        gas_limit: 30_000_000,
        contract_size_limit: 24_576,
        transaction_gas_cap: 16_777_216,
        min_block_interval_ms: 100,
        epoch_length: 1_000,
        signature_scheme: SignatureScheme::Ed25519,
        fees: Fees::Eip1559 { floor_wei: 1_000_000_000 },
        alloc: BTreeMap::from([
            (Address::repeat_byte(0x11), account),
            (Address::repeat_byte(0x22), contract),
        ]),
        governance: Governance::default(),
        permissions: Permissions::default(),
        predecessor: None,
        members: vec![Member {
            organization: "acme \"ünïon\"".to_owned(),
            endpoint: "https://acme.example".to_owned(),
            account: Address::repeat_byte(0xac),
            validators: vec![Validator {
                name: "v0".to_owned(),
                node_key: B256::repeat_byte(1),
                consensus_key: B256::repeat_byte(2),
                account: Address::ZERO,
                endpoint: "10.0.0.1:7000".to_owned(),
            }],
        }],
    }
}

#[test]
fn the_document_has_these_bytes_and_this_hash_for_ever() {
    let genesis = document();
    assert_eq!(String::from_utf8(genesis.canonical_json()).unwrap(), CANONICAL);
    assert_eq!(Genesis::parse(CANONICAL.as_bytes()).unwrap(), genesis);
    assert_eq!(genesis.block().header().extra_data[..], keccak256(CANONICAL)[..]);
    assert_eq!(
        genesis.hash(),
        b256!("149b9fde07cffbb10f9e5ee9ef5963ee3baed27a2e2ffcd17a3a05e88adc83b2"),
    );
}

#[test]
fn any_layout_is_read_and_has_the_same_hash() {
    let value: serde_json::Value = serde_json::from_str(CANONICAL).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    assert_eq!(Genesis::parse(&pretty).unwrap().hash(), document().hash());
}

/// Puts `to` where `from` is and expects an error about `field`.
fn check(from: &str, to: &str, field: &str) {
    assert!(CANONICAL.contains(from), "{from}");
    let text = CANONICAL.replacen(from, to, 1);
    match Genesis::parse(text.as_bytes()) {
        Err(GenesisError::Field { field: found, .. }) => assert_eq!(found, field, "{to}"),
        Err(GenesisError::Json(error)) => assert_eq!(field, "(json)", "{to}: {error}"),
        Ok(_) => panic!("{to} is accepted"),
    }
}

#[test]
fn what_is_wrong_is_named() {
    let account = "alloc.0x1111111111111111111111111111111111111111";
    check(r#""version":2"#, r#""version":1"#, "version");
    check(r#""version":2"#, r#""version":3"#, "version");
    check(r#","version":2"#, "", "version");
    check(
        r#""membership_threshold":50"#,
        r#""membership_threshold":256"#,
        "governance.membership_threshold",
    );
    check(r#""membership_threshold":50"#, r#""membership_threshold":49"#, "members");
    check(r#""proposal_lifetime_s":604800"#, r#""proposal_lifetime_s":0"#, "members");
    check(r#""permissions":{}"#, r#""permissions":{"deplot":[]}"#, "permissions.deplot");
    check(r#""permissions":{}"#, r#""permissions":{"send":["0x1"]}"#, "permissions.send[0]");
    check("0xacacacacacacacacacacacacacacacacacacacac", "0xac", "members[0].account");
    check(
        "0xacacacacacacacacacacacacacacacacacacacac",
        "0x0000000000000000000000000000000000000000",
        "members",
    );
    check(r#""chain_id":7001"#, r#""chain_id":0"#, "chain_id");
    check(r#""chain_id":7001"#, r#""chain_id":9007199254740992"#, "chain_id");
    check(r#""chain_id":7001"#, r#""chain_id":"7001""#, "chain_id");
    check(r#""chain_id":7001"#, r#""chain_id":-1"#, "(json)");
    check(r#""chain_id":7001"#, r#""chain_id":7001,"chain_id":7001"#, "(json)");
    check(r#""chain_id":7001"#, r#""chain_id":7001,"chainId":7001"#, "chainId");
    check(r#""gas_limit":30000000"#, r#""gas_limit":4999"#, "gas_limit");
    check(r#""epoch_length":1000"#, r#""epoch_length":0"#, "epoch_length");
    check("16777216", "20999", "transaction_gas_cap");
    check(r#""ed25519""#, r#""p256""#, "signature_scheme");
    check(r#""policy":"eip1559""#, r#""policy":"none""#, "fees.policy");
    check(r#""policy":"eip1559""#, r#""policy":"free""#, "fees.floor_wei");
    check("0xde0b6b3a7640000", "1000", &format!("{account}.balance"));
    check("0xde0b6b3a7640000", "0x", &format!("{account}.balance"));
    check(r#""nonce":0"#, r#""Nonce":0"#, &format!("{account}.Nonce"));
    check("0x1111111111111111111111111111111111111111", "0x11", "alloc.0x11");
    let slot = "0x00000000000000000000000000000000000000000000000000000000000000ff";
    let second = "alloc.0x2222222222222222222222222222222222222222.storage";
    let key = format!("{second}.0x{:064x}", 1);
    check(slot, &format!("0x{:064x}", 0), &key);
    check(r#""code":"0x6001""#, r#""code":"0x""#, second);
    check(
        "0x2222222222222222222222222222222222222222",
        "0x0000f90827f1c53a10cb7a02335b175320002935",
        "alloc.0x0000f90827f1c53a10cb7a02335b175320002935",
    );
    check(&"02".repeat(32), &"01".repeat(32), "members[0].validators[0].consensus_key");
    check(&"02".repeat(32), &"02".repeat(31), "members[0].validators[0].consensus_key");
    check(r#""name":"v0""#, r#""name":"""#, "members[0].validators[0].name");
    check("acme \\\"ünïon\\\"", "", "members[0].organization");
    let members = &CANONICAL[CANONICAL.find(r#""members":"#).unwrap()..];
    let members = &members[..members.find(r#","min_block"#).unwrap()];
    check(members, r#""members":[]"#, "members");
    check(members, r#""members":{}"#, "members");
    assert!(matches!(Genesis::parse(b"{"), Err(GenesisError::Json(_))));
    assert!(matches!(Genesis::parse(b"[]"), Err(GenesisError::Field { .. })));
}

#[test]
fn a_key_is_used_once() {
    let mut genesis = document();
    let mut twin = genesis.members[0].clone();
    twin.organization = "other".to_owned();
    twin.validators[0].name = "v1".to_owned();
    genesis.members.push(twin);
    let error = genesis.validate().unwrap_err().to_string();
    assert_eq!(error, "genesis field members[1].validators[0].node_key: is used twice");
    let second = &mut genesis.members[1].validators[0];
    second.node_key = B256::repeat_byte(3);
    second.consensus_key = B256::repeat_byte(1);
    let error = genesis.validate().unwrap_err().to_string();
    assert_eq!(error, "genesis field members[1].validators[0].consensus_key: is used twice");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        chain_id in 1u64..(1 << 53),
        timestamp in 0u64..(1 << 40),
        balances in prop::collection::btree_map(any::<[u8; 20]>(), any::<[u8; 16]>(), 0..8),
        name in "\\PC{1,12}",
    ) {
        let mut genesis = document();
        genesis.chain_id = chain_id;
        genesis.timestamp = timestamp;
        genesis.fees = Fees::Free;
        genesis.members[0].organization = name;
        for (address, balance) in balances {
            let balance = U256::from_be_slice(&balance);
            let account = GenesisAccount { balance, ..GenesisAccount::default() };
            genesis.alloc.insert(address.into(), account);
        }
        let read = Genesis::parse(&genesis.canonical_json()).unwrap();
        prop_assert_eq!(read.hash(), genesis.hash());
        prop_assert_eq!(read, genesis);
    }

    #[test]
    fn any_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Genesis::parse(&bytes).is_err());
    }

    #[test]
    fn any_cut_is_an_error(end in 0usize..CANONICAL.len()) {
        if CANONICAL.is_char_boundary(end) {
            prop_assert!(Genesis::parse(&CANONICAL.as_bytes()[..end]).is_err());
        }
    }
}
