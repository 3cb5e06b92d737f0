use alloy_primitives::{B256, keccak256};
use proptest::prelude::*;

use super::{Document, DocumentError, canonical};

/// The golden document of `crates/chain/src/genesis/tests.rs`.
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

#[test]
fn the_document_is_read_as_the_chain_reads_it() {
    let document = Document::read(CANONICAL.as_bytes()).unwrap();
    assert_eq!(canonical(CANONICAL.as_bytes()).unwrap(), CANONICAL);
    assert_eq!(document.hash, keccak256(CANONICAL));
    assert_eq!(document.epoch_length, 1_000);
    assert_eq!(document.validators.len(), 1);
    assert_eq!(document.validators[0].node_key, B256::repeat_byte(1));
    assert_eq!(document.validators[0].consensus_key, B256::repeat_byte(2));
}

/// Puts `to` where `from` is: the canonical form is the same.
fn check_same(from: &str, to: &str) {
    assert!(CANONICAL.contains(from), "{from}");
    let text = CANONICAL.replacen(from, to, 1);
    assert_eq!(canonical(text.as_bytes()).unwrap(), CANONICAL, "{to}");
}

#[test]
fn any_layout_has_the_same_hash() {
    let value: serde_json::Value = serde_json::from_str(CANONICAL).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    assert_eq!(canonical(&pretty).unwrap(), CANONICAL);
    check_same(
        r#""chain_id":7001,"contract_size_limit":24576"#,
        "\"contract_size_limit\":24576,\n\t\"chain_id\" : 7001",
    );
    check_same(
        "0xacacacacacacacacacacacacacacacacacacacac",
        "0xAcacacacacacacacacacacacacacacacacacacAC",
    );
    check_same(r#""code":"0x","nonce":0,"storage":{}"#, r#""nonce":0"#);
    check_same(r#""balance":"0x0","#, "");
    check_same("0xde0b6b3a7640000", "0x000DE0B6B3A7640000");
    check_same("01010101010101", "0x01010101010101");
    check_same("ünïon", "\\u00fcn\\u00EFon");
    check_same("https://acme", "https:\\/\\/acme");
}

#[test]
fn lists_of_accounts_are_sorted() {
    let (one, two) = (format!("0x{}", "1A".repeat(20)), format!("0x{}", "0b".repeat(20)));
    let with = |list: String| CANONICAL.replacen(r#""permissions":{}"#, &list, 1);
    let text = with(format!(r#""permissions":{{"send":["{one}","{two}"]}}"#));
    let (one, two) = (one.to_lowercase(), two.to_lowercase());
    let expected = with(format!(r#""permissions":{{"send":["{two}","{one}"]}}"#));
    assert_eq!(canonical(text.as_bytes()).unwrap(), expected);
    let twice = with(format!(r#""permissions":{{"deploy":["{two}","{two}"]}}"#));
    assert!(canonical(twice.as_bytes()).is_err());
}

/// Puts `to` where `from` is and expects an error about `field`.
fn check_wrong(from: &str, to: &str, field: &str) {
    assert!(CANONICAL.contains(from), "{from}");
    let text = CANONICAL.replacen(from, to, 1);
    match Document::read(text.as_bytes()) {
        Err(DocumentError::Field { field: found, .. }) => assert_eq!(found, field, "{to}"),
        Err(DocumentError::Json(error)) => assert_eq!(field, "(json)", "{to}: {error}"),
        Err(error @ DocumentError::TooLong { .. }) => panic!("{error}"),
        Ok(_) => panic!("{to} is accepted"),
    }
}

#[test]
fn what_is_wrong_is_named() {
    check_wrong(r#""version":2"#, r#""version":3"#, "version");
    check_wrong(r#","version":2"#, "", "version");
    check_wrong(r#""ed25519""#, r#""p256""#, "signature_scheme");
    check_wrong(r#""chain_id":7001"#, r#""chain_id":9007199254740992"#, "chain_id");
    check_wrong(r#""chain_id":7001"#, r#""chain_id":"7001""#, "chain_id");
    check_wrong(r#""chain_id":7001"#, r#""chain_id":-1"#, "(json)");
    check_wrong(r#""chain_id":7001"#, r#""chain_id":7001.0"#, "(json)");
    check_wrong(r#""chain_id":7001"#, r#""chain_id":null"#, "(json)");
    check_wrong(r#""chain_id":7001"#, r#""chain_id":7001,"chain_id":7001"#, "(json)");
    check_wrong(r#""chain_id":7001"#, r#""chain_id":7001,"chainId":7001"#, "chainId");
    check_wrong(r#""permissions":{}"#, r#""permissions":{"deplot":[]}"#, "permissions.deplot");
    check_wrong("0x1111111111111111111111111111111111111111", "0x11", "alloc.0x11");
    check_wrong(&"02".repeat(32), &"02".repeat(31), "members[0].validators[0].consensus_key");
    check_wrong(
        "0xde0b6b3a7640000",
        &format!("0x1{}", "0".repeat(64)),
        "alloc.0x1111111111111111111111111111111111111111.balance",
    );
    let twin = format!("0x{}", "AC".repeat(20));
    check_wrong(
        r#"{"alloc":{"#,
        &format!(r#"{{"alloc":{{"{twin}":{{}},"{}":{{}},"#, twin.to_lowercase()),
        &format!("alloc.{}", twin.to_lowercase()),
    );
    assert!(matches!(Document::read(b"{"), Err(DocumentError::Json(_))));
    assert!(matches!(Document::read(b"[]"), Err(DocumentError::Field { .. })));
    let deep = "[".repeat(100_000);
    assert!(matches!(Document::read(deep.as_bytes()), Err(DocumentError::Json(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Document::read(&bytes).is_err());
    }

    #[test]
    fn any_cut_is_an_error(end in 0usize..CANONICAL.len()) {
        prop_assert!(Document::read(&CANONICAL.as_bytes()[..end]).is_err());
    }
}
