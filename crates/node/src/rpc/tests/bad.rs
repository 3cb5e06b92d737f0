//! Bad input: each gets a clear error, and the node answers on.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use serde_json::{Value, json};

use super::client::{ask, ask_again, post};
use super::{Server, limits};
use crate::testing::{Account, drive, init_code};

#[test]
fn the_pool_refuses_in_geths_words() {
    let server = Server::free();
    let poor = Account::new();
    let rich = &server.rich;
    let first = rich.transaction(0, |_| ());
    server.send(&first);
    drive(&server.ledger);
    let known = rich.transaction(1, |_| ());
    server.send(&known);
    // An s in the upper half of the order, which EIP-2 forbids.
    let forged = Signature::new(U256::from(1), U256::MAX, false);
    let forged = TxEnvelope::Eip1559(
        TxEip1559 { chain_id: 1_337, gas_limit: 60_000, ..TxEip1559::default() }
            .into_signed(forged),
    );
    for (transaction, expect) in [
        (rich.transaction(0, |_| ()), "nonce too low: next nonce 1, tx nonce 0"),
        (known.clone(), "already known"),
        (rich.transaction(1, |tx| tx.value = U256::from(1)), "replacement transaction underpriced"),
        (
            poor.transaction(0, |tx| tx.value = U256::from(1)),
            "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1",
        ),
        (
            rich.transaction(2, |tx| tx.chain_id = 1),
            "invalid sender: invalid chain id for signer: have 1 want 1337",
        ),
        (
            rich.transaction(2, |tx| tx.gas_limit = 20_000),
            "intrinsic gas too low: gas 20000, minimum needed 21000",
        ),
        (rich.transaction(2, |tx| tx.gas_limit = 30_000_001), "exceeds block gas limit"),
        (
            rich.transaction(2, |tx| tx.max_priority_fee_per_gas = 1),
            "max priority fee per gas higher than max fee per gas",
        ),
        (forged.encoded_2718().into(), "invalid sender: invalid transaction v, r, s values"),
        (Bytes::new(), "typed transaction too short"),
        (
            Bytes::from_static(&[0x03, 0xc0]),
            "transaction type not supported: blob transactions have no place on this network",
        ),
        (Bytes::from_static(&[0x7e, 0xc0]), "transaction type not supported"),
    ] {
        let (code, text) = server.error("eth_sendRawTransaction", json!([transaction]));
        assert_eq!((code, text.as_str()), (-32000, expect));
    }
    // What another node may have taken already is no error if it is here, and only then.
    let again = |transaction: &Bytes| {
        let call = |id| {
            json!({ "jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction",
                    "params": [transaction] })
        };
        let one = ask_again(server.running.path(), &call(1));
        assert_eq!(one, ask_again(server.running.path(), &json!([call(1)]))[0]);
        one
    };
    for known in [&first, &known] {
        assert_eq!(again(known)["result"], json!(alloy_primitives::keccak256(known)));
    }
    let other = rich.transaction(0, |tx| tx.value = U256::from(7));
    assert_eq!(again(&other)["error"]["message"], "nonce too low: next nonce 1, tx nonce 0");
    // A signature may be a byte shorter, so the size is not told exactly.
    let oversized = rich.transaction(2, |tx| tx.input = vec![1; 200_000].into());
    let (_, text) = server.error("eth_sendRawTransaction", json!([oversized]));
    assert!(text.starts_with("oversized data: transaction size 2001"), "{text}");
    assert!(text.ends_with(", limit 131072"), "{text}");
    assert_eq!(drive(&server.ledger), 1, "the one that was known");
}

#[test]
fn a_node_that_nobody_names_takes_no_transaction() {
    let server = Server::free();
    let transaction = server.rich.transaction(0, |_| ());
    let call = |method: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [transaction] });
    server.status.update(|status| status.named = false);
    for method in ["eth_sendRawTransaction", "eth_sendRawTransactionSync"] {
        let (code, text) = server.error(method, json!([transaction]));
        assert_eq!(code, -32_050);
        assert!(text.starts_with("this node is not part of the network"), "{text}");
    }
    let status = |body: Value| post(server.running.path(), body.to_string().as_bytes()).status;
    let read = json!({ "jsonrpc": "2.0", "id": 2, "method": "eth_chainId" });
    assert_eq!(status(call("eth_sendRawTransaction")), 421);
    assert_eq!(status(json!([read, call("eth_sendRawTransaction")])), 421);
    assert_eq!(status(read), 200, "what it has can be read");
    server.status.update(|status| status.named = true);
    assert_eq!(status(call("eth_sendRawTransaction")), 200);
    assert_eq!(drive(&server.ledger), 1);
}

/// Every method with parameters that it can't take: an error of the right kind, and no panic.
#[test]
fn parameters_of_any_kind_are_answered() {
    let server = Server::free();
    let (contract, _) = server.deploy(&Account::new());
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let values: Vec<Value> = vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!("0x"),
        json!("0xzz"),
        json!("latest"),
        json!(format!("0x{}", "f".repeat(64))),
        json!(format!("0x{}", "f".repeat(100_000))),
        json!("\u{0}\u{ffff}"),
        json!({}),
        json!([]),
        json!({ "to": contract, "gas": "0xffffffffffffffff", "nonce": "0xffffffffffffffff" }),
        json!({ "fromBlock": "0xffffffffffffffff", "toBlock": "0x0" }),
        json!({ "blockHash": B256::ZERO }),
        json!({ "to": Address::ZERO, "gasPrice": "0xffffffffffffffffffffffffffffffff", "value": U256::MAX }),
        serde_json::from_str(&deep).unwrap(),
    ];
    let methods = super::methods::all(super::Node::new(
        server.ledger.clone(),
        server.status.clone(),
        (std::path::PathBuf::new(), super::Beside::default()),
    ));
    let mut names: Vec<&str> = methods.method_names().collect();
    names.sort_unstable();
    assert!(names.len() > 40, "{names:?}");
    let ends = ["eth_sendRawTransactionSync", "windlass_awaitStatus"];
    for method in names.iter().filter(|name| !ends.contains(name)) {
        let singles = values.iter().map(|value| json!([value]));
        let pairs = values
            .iter()
            .flat_map(|first| values.iter().take(12).map(move |second| json!([first, second])));
        let batch: Vec<Value> = singles
            .chain(pairs)
            .enumerate()
            .map(|(id, params)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .collect();
        let calls = batch.len();
        // Long values several times over: in two requests to stay below the limit.
        let (first, second) = batch.split_at(calls / 2);
        for part in [first, second] {
            let answers = ask(server.running.path(), &json!(part));
            let answers = answers.as_array().unwrap_or_else(|| panic!("{method}: {answers}"));
            assert_eq!(answers.len(), part.len(), "{method}");
            for answer in answers {
                let code = answer["error"]["code"].as_i64().unwrap_or_default();
                assert_ne!(code, -32603, "{method}: {answer}");
            }
        }
    }
}

#[test]
fn wrong_parameters_are_named() {
    let server = Server::free();
    for (method, params, expect) in [
        ("eth_getBalance", json!([]), "missing value for required argument 0"),
        ("eth_chainId", json!([1]), "too many arguments, want at most 0"),
        ("eth_getBlockByHash", json!({ "hash": 1 }), "non-array args"),
        (
            "eth_getLogs",
            json!([{ "fromBlock": "0x2", "toBlock": "0x1" }]),
            "invalid block range params",
        ),
        (
            "eth_feeHistory",
            json!(["many", "latest"]),
            "invalid argument 0: invalid hex or decimal integer \"many\"",
        ),
    ] {
        assert_eq!(server.error(method, params), (-32602, expect.to_owned()), "{method}");
    }
    for (method, params, expect) in [
        ("eth_getBalance", json!([Address::ZERO, "0x9"]), "header not found"),
        (
            "eth_getCode",
            json!([Address::ZERO, { "blockHash": B256::ZERO }]),
            "header for hash not found",
        ),
        (
            "eth_call",
            json!([{ "gasPrice": "0x1", "maxFeePerGas": "0x1" }]),
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ),
        // What counts is `input`.
        ("eth_call", json!([{ "data": "0x", "input": "0x50" }]), "stack underflow (0 <=> 1)"),
        ("eth_call", json!([{}, "0x9"]), "header not found"),
        ("eth_getLogs", json!([{ "blockHash": B256::ZERO }]), "unknown block"),
        (
            "eth_call",
            json!([{ "to": Address::ZERO, "value": "0x1", "gas": "0x186a0" }]),
            "err: insufficient funds for gas * price + value: address \
             0x0000000000000000000000000000000000000000 have 0 want 1 (supplied gas 100000)",
        ),
        (
            "eth_call",
            json!([{ "to": Address::ZERO, "gas": "0x5207" }]),
            "err: intrinsic gas too low: have 20999, want 21000 (supplied gas 20999)",
        ),
        ("eth_feeHistory", json!([1, "0x9"]), "request beyond head block: requested 9, head 0"),
        (
            "eth_feeHistory",
            json!([1, "latest", [50, 10]]),
            "invalid reward percentile: #0:50.000000 >= #1:10.000000",
        ),
        (
            "eth_call",
            json!([{ "chainId": "0x1" }]),
            "chainId does not match node's (have=1, want=1337)",
        ),
    ] {
        assert_eq!(server.error(method, params), (-32000, expect.to_owned()), "{method}");
    }
    let (code, text) = server.error("eth_nothing", json!([]));
    assert_eq!(code, -32601);
    assert_eq!(text, "the method eth_nothing does not exist/is not available");
    let too_many = json!([Address::ZERO, vec!["0x0"; 1_025], "latest"]);
    assert_eq!(server.error("eth_getProof", too_many).0, -32602);
}

#[test]
fn batches_answer_each_call_in_order() {
    let server = Server::free();
    let path = server.running.path();
    let call = |id: Value, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let batch = json!([
        call(json!(1), "eth_chainId"),
        call(json!("two"), "eth_nothing"),
        { "jsonrpc": "2.0", "method": "eth_chainId" },
        5,
        call(json!(1), "net_version"),
    ]);
    let answers = ask(path, &batch);
    assert_eq!(answers[0]["result"], "0x539");
    assert_eq!(answers[1]["id"], "two");
    let text = answers[1]["error"]["message"].as_str().unwrap();
    assert_eq!(text, "the method eth_nothing does not exist/is not available");
    assert_eq!(answers[2]["error"]["code"], -32600);
    assert_eq!(answers[3]["result"], "1337");
    assert_eq!(answers.as_array().unwrap().len(), 4);

    let many: Vec<Value> = (0..1_000).map(|id| call(json!(id), "eth_blockNumber")).collect();
    assert_eq!(ask(path, &json!(many)).as_array().unwrap().len(), 1_000);
    let more: Vec<Value> = (0..1_001).map(|id| call(json!(id), "eth_blockNumber")).collect();
    let refused = ask(path, &json!(more));
    assert_eq!(refused["error"]["code"], -32010);
    assert!(refused.to_string().contains("1000"), "{refused}");
    assert_eq!(ask(path, &json!([]))["error"]["code"], -32600);
}

#[test]
fn what_is_not_json_rpc_is_refused_and_the_node_answers_on() {
    let server = Server::free();
    let path = server.running.path();
    let deep = "[".repeat(1_000_000);
    for body in [
        &b""[..],
        b"{",
        b"nonsense",
        b"\xff\xfe\x00",
        b"{\"jsonrpc\":\"2.0\",\"id\":1}",
        b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"eth_chainId\"}",
        b"null",
        deep.as_bytes(),
    ] {
        let answer = post(path, body);
        let parsed: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let code = parsed["error"]["code"].as_i64().unwrap_or_default();
        assert!([-32700, -32600].contains(&code), "{answer:?}");
    }
    let size = usize::try_from(limits::REQUEST_BYTES).unwrap() + 1;
    let answer = post(path, &vec![b' '; size]);
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("5242880"), "{answer:?}");
    let answer = post(path, &vec![b'['; 100 * 1024 * 1024]);
    assert!(answer.status == 413 || answer.status == 0, "{}", answer.status);
    assert_eq!(server.call("eth_chainId", json!([])), "0x539");
}

#[test]
fn contracts_and_creations_have_their_limits() {
    let server = Server::free();
    let creation = server.rich.transaction(0, |tx| {
        (tx.to, tx.input, tx.gas_limit) = (TxKind::Create, vec![0; 49_153].into(), 5_000_000);
    });
    let (_, text) = server.error("eth_sendRawTransaction", json!([creation]));
    assert_eq!(text, "max initcode size exceeded: code size 49153 limit 49152");
    let tight = server.rich.transaction(0, |tx| {
        (tx.to, tx.input, tx.gas_limit) = (TxKind::Create, init_code(), 60_000);
    });
    let hash = server.send(&tight);
    drive(&server.ledger);
    let receipt = server.call("eth_getTransactionReceipt", json!([hash]));
    assert_eq!((&receipt["status"], &receipt["gasUsed"]), (&json!("0x0"), &json!("0xea60")));
}
