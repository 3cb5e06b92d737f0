//! `eth_simulateV1` on a network of ours; Ethereum's cases are those of the execution APIs.

use alloy_primitives::Address;
use serde_json::{Value, json};

use super::{Server, number};
use crate::testing::Account;

#[test]
fn blocks_are_made_up_and_leave_no_trace() {
    let server = Server::free();
    let (contract, _) = server.deploy(&Account::new());
    let poor = Address::repeat_byte(0x55);
    let store = json!({ "from": poor, "to": contract });
    let read = json!({ "from": poor, "to": contract, "data": "0x03" });
    let give = json!({ "from": poor, "to": contract, "value": "0x5" });
    let rich = json!({ poor.to_string(): { "balance": "0x9" } });
    let blocks = json!([
        { "calls": [store, read] },
        { "blockOverrides": { "number": "0x5" }, "stateOverrides": rich, "calls": [read, give] },
    ]);
    let request = json!([{ "blockStateCalls": blocks, "traceTransfers": true }, "latest"]);
    let simulated = server.call("eth_simulateV1", request.clone());
    let simulated = simulated.as_array().unwrap();
    let numbers: Vec<u64> = simulated.iter().map(|block| number(&block["number"])).collect();
    assert_eq!(numbers, [2, 3, 4, 5]);
    let word = |value: u8| json!(alloy_primitives::B256::with_last_byte(value));
    let first = &simulated[0]["calls"];
    assert_eq!((&first[0]["status"], &first[1]["returnData"]), (&json!("0x1"), &word(1)));
    assert_eq!(first[0]["logs"][0]["blockHash"], simulated[0]["hash"]);
    assert_eq!(simulated[1]["parentHash"], simulated[0]["hash"]);
    let last = &simulated[3]["calls"];
    assert_eq!(last[0]["returnData"], word(1), "the first block is below it");
    // The transfer of value, and what the contract logs.
    let senders: Vec<&Value> =
        last[1]["logs"].as_array().unwrap().iter().map(|log| &log["address"]).collect();
    assert_eq!(senders, [&json!(Address::repeat_byte(0xee)), &json!(contract)]);
    assert_eq!(server.call("eth_simulateV1", request), json!(simulated), "it is the same again");
    let slot = server.call("eth_getStorageAt", json!([contract, "0x0", "latest"]));
    assert_eq!((slot, server.call("eth_blockNumber", json!([]))), (word(0), json!("0x1")));
}

#[test]
fn what_cannot_be_made_up_is_refused_with_its_code() {
    let server = Server::free();
    let poor = Address::repeat_byte(0x55);
    let many = json!(vec![json!({}); 257]);
    let calls = json!([{ "calls": vec![json!({ "from": poor, "to": poor }); 5_001] }]);
    let value = json!([{ "calls": [{ "from": poor, "to": poor, "value": "0x1" }] }]);
    let nonce = json!([{ "calls": [{ "from": poor, "to": poor, "nonce": "0x7" }] }]);
    let number = |text: &str| json!([{ "blockOverrides": { "number": text } }]);
    let time = json!([{ "blockOverrides": { "time": "0x1" } }]);
    let gas = json!([{ "calls": [{ "to": poor, "gas": "0xffffffff" }] }]);
    for (blocks, validation, expect) in [
        (json!([]), false, -32602),
        (many, false, -38026),
        (calls, false, -38026),
        (value, false, -38014),
        (nonce, true, -38011),
        (number("0x0"), false, -38020),
        (number("0xffffffffffffffffffffffffffffffff"), false, -38026),
        (time, false, -38021),
        (gas, false, -38015),
    ] {
        let request = json!([{ "blockStateCalls": blocks, "validation": validation }]);
        let (code, text) = server.error("eth_simulateV1", request);
        assert_eq!(code, expect, "{text}");
    }
    assert_eq!(server.error("eth_simulateV1", json!([{}])).0, -32602);
}
