//! Filters and subscriptions.

use alloy_primitives::{B256, TxKind};
use serde_json::{Value, json};

use super::Server;
use super::client::{WebSocket, call};
use crate::testing::{Account, drive};

fn subscribe(server: &Server, params: &Value) -> (WebSocket, Value) {
    let mut socket = WebSocket::connect(server.running.path());
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params });
    let mut answer = socket.ask(&request);
    (socket, answer["result"].take())
}

/// The result of the next message, which must be of the subscription.
fn news((socket, id): &mut (WebSocket, Value)) -> Value {
    let mut message = socket.next();
    assert_eq!(
        (&message["method"], &message["params"]["subscription"]),
        (&json!("eth_subscription"), &*id)
    );
    message["params"]["result"].take()
}

#[test]
fn subscribers_hear_what_happens_in_order() {
    let server = Server::free();
    let account = Account::new();
    let (contract, _) = server.deploy(&account);
    let mut heads = subscribe(&server, &json!(["newHeads"]));
    let mut logs = subscribe(&server, &json!(["logs", { "address": contract }]));
    let mut others = subscribe(&server, &json!(["logs", { "topics": [B256::ZERO] }]));
    let mut pending = subscribe(&server, &json!(["newPendingTransactions"]));
    let mut full = subscribe(&server, &json!(["newPendingTransactions", true]));
    let mut syncing = subscribe(&server, &json!(["syncing"]));
    assert!(heads.1.as_str().unwrap().starts_with("0x"), "{:?}", heads.1);
    assert_eq!(news(&mut syncing), json!(false));
    let mut hashes = Vec::new();
    for nonce in 1..=3 {
        let to = |call: &mut alloy_consensus::TxEip1559| call.to = TxKind::Call(contract);
        hashes.push(server.send(&account.transaction(nonce, to)));
        assert_eq!(news(&mut pending), hashes[hashes.len() - 1]);
        assert_eq!(news(&mut full)["hash"], hashes[hashes.len() - 1]);
        drive(&server.ledger);
    }
    for (hash, number) in hashes.iter().zip(2..) {
        let number = json!(format!("{number:#x}"));
        let head = news(&mut heads);
        assert_eq!((&head["number"], head.get("transactions")), (&number, None));
        let block = server.call("eth_getBlockByNumber", json!([number, false]));
        assert_eq!(head["hash"], block["hash"]);
        let log = news(&mut logs);
        assert_eq!((&log["transactionHash"], &log["blockNumber"]), (hash, &number));
    }
    let end =
        json!({ "jsonrpc": "2.0", "id": 2, "method": "eth_unsubscribe", "params": [others.1] });
    assert_eq!(others.0.ask(&end)["result"], true, "it heard nothing before");
    let gone = json!({ "code": -32000, "message": "subscription not found" });
    assert_eq!(others.0.ask(&end)["error"], gone);
    let mut socket = WebSocket::connect(server.running.path());
    let odd =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["nonsense"] });
    let refused = socket.ask(&odd);
    assert_eq!(refused["error"]["message"], "no \"nonsense\" subscription in eth namespace");
    let over_http = call(server.running.path(), "eth_subscribe", json!(["newHeads"]));
    let refused = over_http.unwrap_err();
    assert_eq!(refused, json!({ "code": -32601, "message": "notifications not supported" }));
}

#[test]
fn clients_that_do_not_read_hold_up_nobody() {
    let server = Server::free();
    let long = json!({ "jsonrpc": "2.0", "id": 1, "method": "rpc_discover" });
    let (mut deaf, _) = subscribe(&server, &json!(["newPendingTransactions"]));
    // Answers of 100 kilobytes each, until neither side's buffers take more questions.
    let most = 1_000_000;
    let taken = deaf.flood(&long, most);
    assert!(taken < most, "questions are taken without end");
    for nonce in 0..20 {
        server.send(&server.rich.transaction(nonce, |_| ()));
        drive(&server.ledger);
    }
    let (mut heads, _) = subscribe(&server, &json!(["newHeads"]));
    let tip = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber" });
    assert_eq!(heads.ask(&tip)["result"], "0x14");
    assert_eq!(super::number(&server.call("eth_blockNumber", json!([]))), 20);
}

#[test]
fn filters_tell_what_is_new_once() {
    let server = Server::free();
    let account = Account::new();
    let (contract, _) = server.deploy(&account);
    let install = |method: &str, params: Value| server.call(method, params);
    let logs = install("eth_newFilter", json!([{ "address": contract }]));
    let past = install("eth_newFilter", json!([{ "toBlock": "0x1" }]));
    let blocks = install("eth_newBlockFilter", json!([]));
    let pending = install("eth_newPendingTransactionFilter", json!([]));
    let full = install("eth_newPendingTransactionFilter", json!([true]));
    let changes = |id: &Value| server.call("eth_getFilterChanges", json!([id]));
    for id in [&logs, &past, &blocks, &pending] {
        assert_eq!(changes(id), json!([]));
    }
    let hash = server.send(&account.transaction(1, |call| call.to = TxKind::Call(contract)));
    assert_eq!((changes(&pending), changes(&blocks)), (json!([hash]), json!([])));
    drive(&server.ledger);
    let tip = server.call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!((changes(&pending), changes(&blocks)), (json!([]), json!([tip["hash"]])));
    let found = changes(&logs);
    assert_eq!((&found[0]["transactionHash"], found.as_array().unwrap().len()), (&hash, 1));
    assert_eq!((changes(&logs), changes(&past)), (json!([]), json!([])));
    assert_eq!(server.call("eth_getFilterLogs", json!([logs])), found);
    let told = changes(&full);
    assert_eq!((&told[0]["hash"], &told[0]["blockNumber"]), (&hash, &json!("0x2")));
    // What is final before anybody asks was pending too.
    let next = server.send(&account.transaction(2, |call| call.to = TxKind::Call(contract)));
    drive(&server.ledger);
    assert_eq!(changes(&pending), json!([next]));
    let told = changes(&full);
    assert_eq!((&told[0]["hash"], &told[0]["blockNumber"]), (&next, &json!("0x3")));
    assert_eq!(told.as_array().unwrap().len(), 1);
    assert_eq!(
        server.error("eth_newFilter", json!([{ "fromBlock": "0x10", "toBlock": "0x5" }])),
        (-32602, "invalid block range params".to_owned())
    );
    assert_eq!(server.call("eth_uninstallFilter", json!([logs])), json!(true));
    assert_eq!(server.call("eth_uninstallFilter", json!([logs])), json!(false));
    for method in ["eth_getFilterChanges", "eth_getFilterLogs"] {
        assert_eq!(server.error(method, json!([logs])), (-32000, "filter not found".to_owned()));
    }
    assert_eq!(server.error("eth_getFilterLogs", json!([blocks])).0, -32000);
}
