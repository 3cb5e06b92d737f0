//! Overrides, access lists and tracers, on the test contract.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use serde_json::{Value, json};

use super::Server;
use crate::testing::{Account, drive};

/// `NUMBER` or `BALANCE` of the caller, as a word.
const NUMBER: &str = "0x435f5260205ff3";
const BALANCE: &str = "0x33315f5260205ff3";

fn word(value: u8) -> Value {
    json!(B256::with_last_byte(value))
}

#[test]
fn a_call_finds_what_it_is_told_to_find() {
    let server = Server::free();
    let (contract, _) = server.deploy(&Account::new());
    let at = Address::repeat_byte(0x77);
    let call = |request: Value, state: Value, block: Value| {
        server.call("eth_call", json!([request, "latest", state, block]))
    };
    let read = json!({ "to": contract, "data": "0x03" });
    let slot = B256::ZERO;
    let with =
        |field: &str| json!({ contract.to_string(): { field: { slot.to_string(): word(9) } } });
    assert_eq!(call(read.clone(), json!({}), json!({})), word(0));
    assert_eq!(call(read.clone(), with("stateDiff"), Value::Null), word(9));
    assert_eq!(call(read.clone(), with("state"), Value::Null), word(9));
    let code = |code: &str| json!({ at.to_string(): { "code": code } });
    let block = json!({ "number": "0x2a" });
    assert_eq!(call(json!({ "to": at }), code(NUMBER), block), word(42));
    let rich =
        json!({ at.to_string(): { "code": BALANCE }, contract.to_string(): { "balance": "0x7" } });
    assert_eq!(call(json!({ "to": at, "from": contract }), rich, Value::Null), word(7));
    // The identity contract elsewhere, and nothing where it was.
    let identity = Address::with_last_byte(4);
    let moved = json!({ identity.to_string(): { "movePrecompileToAddress": at } });
    let ask = |to: Address| call(json!({ "to": to, "data": "0x1234" }), moved.clone(), Value::Null);
    assert_eq!((ask(at), ask(identity)), (json!("0x1234"), json!("0x")));
    let gas = json!([{ "to": at }, "latest", code(NUMBER)]);
    assert!(super::number(&server.call("eth_estimateGas", gas)) > 21_000);
    for (state, expect) in [
        (json!({ at.to_string(): { "movePrecompileToAddress": contract } }), "is not a precompile"),
        (
            json!({ at.to_string(): { "state": {}, "stateDiff": {} } }),
            "has both 'state' and 'stateDiff'",
        ),
        (
            json!({ identity.to_string(): { "movePrecompileToAddress": at }, at.to_string(): {} }),
            "is already overridden",
        ),
    ] {
        let (code, text) = server.error("eth_call", json!([read, "latest", state]));
        assert!(code == -32000 && text.contains(expect), "{text}");
    }
    let (code, _) = server.error("eth_call", json!([read, "latest", { "0x1": {} }]));
    assert_eq!(code, -32602);
}

#[test]
fn what_is_pending_has_the_time_of_now_and_the_next_number() {
    let server = Server::free();
    let clock = Address::repeat_byte(0x77);
    // It answers with the time and the number of its block.
    let code = json!({ clock.to_string(): { "code": "0x425f524360205260405ff3" } });
    let at = |block: Value| {
        let told = server.call("eth_call", json!([{ "to": clock }, block, code]));
        let told: Bytes = told.as_str().unwrap().parse().unwrap();
        let (time, number) = told.split_at(32);
        (U256::from_be_slice(time).to::<u64>(), U256::from_be_slice(number).to::<u64>())
    };
    let tip = server.ledger.chain().tip();
    assert_eq!(at(json!("latest")), (tip.timestamp_ms / 1_000, tip.number));
    assert_eq!(at(Value::Null), at(json!("latest")));
    let (time, number) = at(json!("pending"));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(time.abs_diff(now.max(tip.timestamp_ms / 1_000)) < 60, "{time}");
    assert_eq!(number, tip.number + 1);
    // An estimate is about the next block: this code reverts up to the number of the last one.
    let later = format!("0x63{:08x}4311600d575f5ffd5b", tip.number);
    let late = json!({ clock.to_string(): { "code": later } });
    server.call("eth_estimateGas", json!([{ "to": clock }, Value::Null, late]));
    let (code, _) = server.error("eth_estimateGas", json!([{ "to": clock }, "latest", late]));
    assert_eq!(code, 3);
}

#[test]
fn an_access_list_names_what_is_touched() {
    let server = Server::free();
    let (contract, _) = server.deploy(&Account::new());
    let list = |data: &str| {
        server.call("eth_createAccessList", json!([{ "to": contract, "data": data }, "latest"]))
    };
    let touched = json!([{ "address": contract, "storageKeys": [B256::ZERO] }]);
    let found = list("0x03");
    assert_eq!((&found["accessList"], found.get("error")), (&touched, None));
    assert!(super::number(&found["gasUsed"]) > 21_000);
    let reverted = list("0x01");
    assert_eq!(reverted["error"], "execution reverted");
    assert_eq!(reverted["accessList"], json!([]));
}

#[test]
fn tracers_tell_what_a_transaction_did() {
    let server = Server::free();
    let account = Account::new();
    let (contract, _) = server.deploy(&account);
    let hash = server.send(&account.transaction(1, |call| {
        (call.to, call.input) = (TxKind::Call(contract), vec![1, 2, 3, 4].into());
    }));
    drive(&server.ledger);
    let trace =
        |tracer: &str| server.call("debug_traceTransaction", json!([hash, { "tracer": tracer }]));
    let calls = trace("callTracer");
    assert_eq!((&calls["type"], &calls["to"]), (&json!("CALL"), &json!(contract)));
    assert_eq!(
        (&calls["error"], &calls["revertReason"]),
        (&json!("execution reverted"), &json!("nope"))
    );
    assert_eq!(trace("4byteTracer"), json!({ "0x01020304-0": 1 }));
    let before = trace("prestateTracer");
    assert_eq!(before[account.address().to_string().to_lowercase()]["nonce"], 1);
    let steps = server.call("debug_traceTransaction", json!([hash]));
    assert_eq!(
        (&steps["failed"], &steps["structLogs"][0]["op"]),
        (&json!(true), &json!("CALLDATASIZE"))
    );
    let receipt = server.call("eth_getTransactionReceipt", json!([hash]));
    let block = server.call("debug_traceBlockByNumber", json!([receipt["blockNumber"], {}]));
    assert_eq!((&block[0]["txHash"], &block[0]["result"]), (&hash, &steps));
    let request = json!({ "from": account.address(), "to": contract, "data": "0x01020304" });
    let called =
        server.call("debug_traceCall", json!([request, "latest", { "tracer": "callTracer" }]));
    assert_eq!((&called["output"], &called["error"]), (&calls["output"], &calls["error"]));
    let endless = json!([{ "to": contract, "data": "0x02" }, "latest", {}]);
    let (code, text) = server.error("debug_traceCall", endless);
    assert!(code == -32000 || code == -32005 || code == -32008, "{code}: {text}");
    // The last would keep the whole memory of every step.
    for tracer in ["{data: [], step: function(log) {}}", "nonsense", "erc7562Tracer"] {
        let (code, _) = server.error("debug_traceTransaction", json!([hash, { "tracer": tracer }]));
        assert_eq!(code, -32000);
    }
    assert_eq!(super::number(&server.call("eth_blockNumber", json!([]))), 2);
}

/// A proof from the reference tests of EIP-4844 (`correct_proof_4_4` of c-kzg-4844).
#[test]
fn a_point_is_evaluated_and_a_wrong_claim_is_not_believed() {
    const PROVEN: &str = "0x01e798154708fe7789429634053cbf9f99b619f9f084048927333fce637f549b\
        73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000\
        1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9\
        8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7\
        a62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc2160744faf0070725e00b60ad9a026a15b1a8c";
    let server = Server::free();
    let to = Address::with_last_byte(0x0a);
    let ask = |data: &Bytes| json!([{ "to": to, "data": data, "gas": "0x30d40" }, "latest"]);
    let proven: Bytes = PROVEN.parse().unwrap();
    let field = "0x0000000000000000000000000000000000000000000000000000000000001000\
        73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
    assert_eq!(server.call("eth_call", ask(&proven)), field);
    for (at, what) in [(0, "version"), (40, "z"), (95, "y"), (100, "commitment"), (191, "proof")] {
        let mut wrong = proven.to_vec();
        wrong[at] ^= 1;
        let (code, text) = server.error("eth_call", ask(&wrong.into()));
        assert_eq!(code, -32000, "{what}: {text}");
    }
}

#[test]
fn calls_and_estimates_tell_of_the_last_instruction_as_geth_does() {
    let server = Server::free();
    let at = Address::repeat_byte(0x77);
    for (code, expect) in [
        ("0x0c", "invalid opcode: opcode 0xc not defined"),
        ("0xfe", "invalid opcode: INVALID"),
        ("0x600101", "stack underflow (1 <=> 2)"),
    ] {
        let request = json!([{ "to": at }, "latest", { at.to_string(): { "code": code } }]);
        for method in ["eth_call", "eth_estimateGas"] {
            assert_eq!(
                server.error(method, request.clone()),
                (-32000, expect.to_owned()),
                "{code}"
            );
        }
    }
}
