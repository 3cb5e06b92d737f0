//! The methods over a real socket, on the real chain in memory.

mod bad;
mod client;
mod execution_apis;
mod news;
mod pages;
mod reach;
mod simulate;
mod trace;

use std::os::unix::fs::MetadataExt as _;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use serde_json::{Value, json};
use windlass_chain::genesis::Fees;

use super::*;
use crate::seam::Ledger as _;
use crate::status::{Identity, StatusTip};
use crate::testing::{Account, CHAIN_ID, Driver, drive, init_code, ledger, runtime};

struct Server {
    ledger: NodeLedger,
    status: StatusBoard,
    rich: Account,
    directory: tempfile::TempDir,
    running: RpcServer,
}

impl Server {
    fn start(fees: Fees) -> Self {
        let rich = Account::new();
        let ledger = ledger(fees, &[rich.address()]);
        let identity = Identity {
            node_key: B256::repeat_byte(1),
            consensus_key: B256::repeat_byte(2),
            genesis_hash: ledger.genesis().hash(),
            chain_id: CHAIN_ID,
            validators: vec![B256::repeat_byte(1), B256::repeat_byte(3)],
        };
        let status = StatusBoard::new(identity, StatusTip::default());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rpc.sock");
        let running = serve(&path, ledger.clone(), status.clone(), Beside::default()).unwrap();
        Self { ledger, status, rich, directory, running }
    }

    fn free() -> Self {
        Self::start(Fees::Free)
    }

    fn call(&self, method: &str, params: Value) -> Value {
        client::call(self.running.path(), method, params)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn error(&self, method: &str, params: Value) -> (i64, String) {
        let error = client::call(self.running.path(), method, params).unwrap_err();
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    fn send(&self, transaction: &Bytes) -> Value {
        self.call("eth_sendRawTransaction", json!([transaction]))
    }

    /// Deploys the test contract; answers its address and the deployment's receipt.
    fn deploy(&self, from: &Account) -> (Address, Value) {
        let creation = from.transaction(0, |transaction| {
            (transaction.to, transaction.input) = (TxKind::Create, init_code());
        });
        let hash = self.send(&creation);
        drive(&self.ledger);
        let receipt = self.call("eth_getTransactionReceipt", json!([hash]));
        (receipt["contractAddress"].as_str().unwrap().parse().unwrap(), receipt)
    }
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

#[test]
fn an_account_without_money_deploys_calls_and_reads() {
    let server = Server::free();
    let poor = Account::new();
    let (contract, receipt) = server.deploy(&poor);
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["type"], "0x2");
    assert_eq!(receipt["from"], json!(poor.address()));
    assert_eq!(receipt["to"], Value::Null);
    assert_eq!(receipt["effectiveGasPrice"], "0x0");
    assert_eq!(receipt["gasUsed"], receipt["cumulativeGasUsed"]);
    assert_eq!(contract, poor.address().create(0));
    let code = server.call("eth_getCode", json!([contract, "latest"]));
    assert_eq!(code, json!(Bytes::from(runtime())));

    let call = poor.transaction(1, |transaction| transaction.to = TxKind::Call(contract));
    let hash = server.send(&call);
    assert_eq!(server.call("eth_getTransactionReceipt", json!([hash])), Value::Null);
    assert_eq!(server.call("eth_getTransactionByHash", json!([hash]))["blockHash"], Value::Null);
    let nonce = |tag| server.call("eth_getTransactionCount", json!([poor.address(), tag]));
    assert_eq!((nonce("latest"), nonce("pending")), (json!("0x1"), json!("0x2")));
    drive(&server.ledger);
    assert_eq!((nonce("latest"), nonce("pending")), (json!("0x2"), json!("0x2")));

    let slot = server.call("eth_getStorageAt", json!([contract, "0x0", "latest"]));
    assert_eq!(slot, json!(B256::with_last_byte(1)));
    let before = server.call("eth_getStorageAt", json!([contract, "0x0", "0x1"]));
    assert_eq!(before, json!(B256::ZERO));
    let read = json!({ "to": contract, "data": "0x03" });
    assert_eq!(server.call("eth_call", json!([read])), json!(B256::with_last_byte(1)));
    assert_eq!(server.call("eth_call", json!([read, "0x1"])), json!(B256::ZERO));

    let logs =
        server.call("eth_getLogs", json!([{ "fromBlock": "earliest", "address": contract }]));
    assert_eq!(logs.as_array().unwrap().len(), 1);
    assert_eq!(logs[0]["transactionHash"], hash);
    assert_eq!(logs[0]["topics"], json!([B256::with_last_byte(0x42)]));
    assert_eq!(logs[0]["data"], json!(B256::with_last_byte(42)));
    assert_eq!((&logs[0]["blockNumber"], &logs[0]["logIndex"]), (&json!("0x2"), &json!("0x0")));
    let receipt = server.call("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["logs"], logs);
    let other = json!([{ "fromBlock": "0x0", "topics": [B256::with_last_byte(0x43)] }]);
    assert_eq!(server.call("eth_getLogs", other), json!([]));
    let by_hash = json!([{ "blockHash": receipt["blockHash"], "topics": [null] }]);
    assert_eq!(server.call("eth_getLogs", by_hash), logs);
}

#[test]
fn blocks_and_transactions_are_found_in_every_way() {
    let server = Server::free();
    let poor = Account::new();
    server.deploy(&poor);
    let payment = server.rich.transaction(0, |transaction| transaction.value = U256::from(5));
    let hash = server.send(&payment);
    drive(&server.ledger);

    assert_eq!(server.call("eth_blockNumber", json!([])), "0x2");
    let block = server.call("eth_getBlockByNumber", json!(["latest", true]));
    for tag in ["safe", "finalized", "pending", "0x2"] {
        assert_eq!(server.call("eth_getBlockByNumber", json!([tag, true])), block, "{tag}");
    }
    assert_eq!(server.call("eth_getBlockByHash", json!([block["hash"], true])), block);
    assert_eq!(block["extraData"].as_str().unwrap().len(), 66);
    assert_eq!(block["withdrawals"], json!([]));
    assert_eq!(block["baseFeePerGas"], "0x0");
    let transaction = &block["transactions"][0];
    assert_eq!(transaction["hash"], hash);
    assert_eq!(transaction["from"], json!(server.rich.address()));
    assert_eq!(transaction["value"], "0x5");
    assert_eq!(&server.call("eth_getTransactionByHash", json!([hash])), transaction);
    let at = |method: &str, block: &Value| server.call(method, json!([block, "0x0"]));
    let by_number = at("eth_getTransactionByBlockNumberAndIndex", &block["number"]);
    let by_hash = at("eth_getTransactionByBlockHashAndIndex", &block["hash"]);
    assert_eq!((&by_number, &by_hash), (transaction, transaction));
    let raw = server.call("eth_getRawTransactionByHash", json!([hash]));
    assert_eq!(raw, json!(payment));
    assert_eq!(json!(keccak256(&payment)), hash);

    let mut other = keccak256(&payment);
    other[31] ^= 1;
    assert_eq!(server.call("eth_getTransactionByHash", json!([other])), Value::Null);
    assert_eq!(server.call("eth_getTransactionReceipt", json!([other])), Value::Null);

    let short = server.call("eth_getBlockByNumber", json!(["0x2", false]));
    assert_eq!(short["transactions"], json!([hash]));
    let receipts = server.call("eth_getBlockReceipts", json!(["0x2"]));
    let receipt = server.call("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipts, json!([receipt]));
    for (method, id) in [
        ("eth_getBlockTransactionCountByNumber", &block["number"]),
        ("eth_getBlockTransactionCountByHash", &block["hash"]),
    ] {
        assert_eq!(server.call(method, json!([id])), "0x1");
    }
    let balance = server.call("eth_getBalance", json!([Address::repeat_byte(9), "latest"]));
    assert_eq!(balance, "0x5");
    let genesis = server.call("eth_getBlockByNumber", json!(["earliest", false]));
    assert_eq!(genesis["hash"], json!(server.ledger.genesis().hash()));

    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x3", false])),
        ("eth_getBlockByHash", json!([B256::ZERO, false])),
        ("eth_getBlockReceipts", json!(["0x99"])),
        ("eth_getTransactionByHash", json!([B256::ZERO])),
        ("eth_getTransactionReceipt", json!([B256::ZERO])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0x1"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0xffffffffffffffff"])),
        ("eth_getBlockTransactionCountByNumber", json!(["0x3"])),
    ] {
        assert_eq!(server.call(method, params), Value::Null, "{method}");
    }
}

#[test]
fn calls_revert_halt_and_are_estimated_as_clients_expect() {
    let server = Server::free();
    let (contract, _) = server.deploy(&Account::new());
    let reverting = json!([{ "to": contract, "data": "0x01" }]);
    for method in ["eth_call", "eth_estimateGas"] {
        let error = client::call(server.running.path(), method, reverting.clone()).unwrap_err();
        assert_eq!(error["code"], 3, "{method}: {error}");
        assert_eq!(error["message"], "execution reverted: nope");
        let data = hex::decode(error["data"].as_str().unwrap()).unwrap();
        assert_eq!(data[..4], [0x08, 0xc3, 0x79, 0xa0]);
    }
    let storing = json!([{ "to": contract, "from": server.rich.address() }]);
    let gas = number(&server.call("eth_estimateGas", storing));
    assert!((43_000..50_000).contains(&gas), "{gas}");
    let transfer =
        json!([{ "to": Address::repeat_byte(7), "from": server.rich.address(), "value": "0x1" }]);
    assert_eq!(server.call("eth_estimateGas", transfer), "0x5208");
    let creation = json!([{ "data": init_code() }]);
    assert_eq!(server.call("eth_call", creation), json!(Bytes::from(runtime())));

    let (code, text) = server.error("eth_call", json!([{ "to": contract, "data": "0x02" }]));
    assert_eq!((code, text.as_str()), (-32000, "out of gas"));
    let poor = json!([{ "to": contract, "from": Address::repeat_byte(5), "value": "0x1" }]);
    let (code, text) = server.error("eth_call", poor);
    assert_eq!(code, -32000);
    assert!(text.contains("insufficient funds"), "{text}");
}

#[test]
fn calls_that_burn_their_gas_do_not_hold_up_others() {
    let server = Server::free();
    let (contract, _) = server.deploy(&Account::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let burning = json!([{ "to": contract, "data": "0x02" }]);
                let (code, text) = server.error("eth_call", burning);
                assert_eq!(code, -32000);
                assert!(text == "out of gas" || text.contains("timeout"), "{text}");
            });
        }
        for nonce in 0..20 {
            let hash = server.send(&server.rich.transaction(nonce, |_| ()));
            assert_eq!(drive(&server.ledger), 1);
            let receipt = server.call("eth_getTransactionReceipt", json!([hash]));
            assert_eq!(receipt["status"], "0x1");
        }
    });
}

#[test]
fn fees_are_what_the_network_takes() {
    let free = Server::free();
    assert_eq!(free.call("eth_gasPrice", json!([])), "0x0");
    assert_eq!(free.call("eth_maxPriorityFeePerGas", json!([])), "0x0");

    let paid = Server::start(Fees::Eip1559 { floor_wei: 1_000 });
    let price = number(&paid.call("eth_gasPrice", json!([])));
    assert!(price >= 1_000_000 + 1_000, "{price}");
    let poor = Account::new();
    let offer = |transaction: &mut alloy_consensus::TxEip1559| {
        transaction.max_fee_per_gas = 3_000_000_000;
        transaction.max_priority_fee_per_gas = 7;
        transaction.gas_limit = 21_000;
    };
    let (code, text) = paid.error("eth_sendRawTransaction", json!([poor.transaction(0, offer)]));
    assert_eq!(code, -32000);
    assert_eq!(
        text,
        "insufficient funds for gas * price + value: balance 0, tx cost 63000000000000, overshot \
         63000000000000"
    );
    let too_cheap = paid.rich.transaction(0, |transaction| transaction.max_fee_per_gas = 999);
    let (_, text) = paid.error("eth_sendRawTransaction", json!([too_cheap]));
    assert_eq!(text, "transaction underpriced: gas fee cap 999, minimum needed 1000");

    let hash = paid.send(&paid.rich.transaction(0, offer));
    drive(&paid.ledger);
    let receipt = paid.call("eth_getTransactionReceipt", json!([hash]));
    let history = paid.call("eth_feeHistory", json!(["0x5", "latest", [0, 50, 100]]));
    assert_eq!(history["oldestBlock"], "0x0");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(history["gasUsedRatio"], json!([0.0, 0.0007]));
    assert_eq!(history["reward"], json!([["0x0", "0x0", "0x0"], ["0x7", "0x7", "0x7"]]));
    let effective = number(&history["baseFeePerGas"][1]) + 7;
    assert_eq!(number(&receipt["effectiveGasPrice"]), effective);
    assert_eq!(paid.call("eth_feeHistory", json!([1, "latest"]))["oldestBlock"], "0x1");
}

#[test]
fn a_transaction_can_be_waited_for() {
    let server = Server::free();
    let first = server.rich.transaction(0, |_| ());
    {
        let _driver = Driver::start(&server.ledger);
        let receipt = server.call("eth_sendRawTransactionSync", json!([first]));
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(receipt["transactionHash"], json!(keccak256(&first)));
    }
    let second = server.rich.transaction(1, |_| ());
    let late =
        client::call(server.running.path(), "eth_sendRawTransactionSync", json!([second, 10]));
    let late = late.unwrap_err();
    assert_eq!((&late["code"], &late["data"]), (&json!(4), &json!(keccak256(&second))));
}

#[test]
fn a_node_tells_its_state_and_its_changes() {
    let server = Server::free();
    assert_eq!(server.call("eth_chainId", json!([])), "0x539");
    assert_eq!(server.call("net_version", json!([])), "1337");
    assert_eq!(server.call("net_listening", json!([])), true);
    assert_eq!(server.call("net_peerCount", json!([])), "0x0");
    assert_eq!(server.call("eth_accounts", json!([])), json!([]));
    assert_eq!(server.call("eth_syncing", json!([])), false);
    let version = server.call("web3_clientVersion", Value::Null);
    assert!(version.as_str().unwrap().starts_with("Windlass/v"), "{version}");
    let hashed = server.call("web3_sha3", json!(["0x68656c6c6f"]));
    assert_eq!(hashed, json!(keccak256("hello")));

    let status = server.call("windlass_status", json!([]));
    assert_eq!(status["genesisHash"], json!(server.ledger.genesis().hash()));
    assert_eq!((&status["quorum"], &status["validators"]), (&json!(2), &json!(2)));
    let revision = status["revision"].as_u64().unwrap();
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| server.call("windlass_awaitStatus", json!([revision, 20_000])));
        server.send(&server.rich.transaction(0, |_| ()));
        let newer = waiting.join().unwrap();
        assert!(newer["revision"].as_u64().unwrap() > revision);
        assert_eq!(newer["pendingTransactions"], 1);
    });
    server.status.update(|status| status.syncing = true);
    assert_eq!(server.call("eth_syncing", json!([]))["currentBlock"], "0x0");
    let same = server.call("windlass_awaitStatus", json!([u64::MAX, 5]));
    assert_eq!(same["syncing"], true);
    let counts = server.call("txpool_status", json!([]));
    assert_eq!(counts, json!({ "pending": "0x1", "queued": "0x0" }));
}

#[test]
fn a_proof_leads_to_the_state_root() {
    let server = Server::free();
    let proof = server.call("eth_getProof", json!([server.rich.address(), ["0x0"], "latest"]));
    assert_eq!(proof["nonce"], "0x0");
    assert_eq!(proof["storageProof"][0]["value"], "0x0");
    let root = server.call("eth_getBlockByNumber", json!(["latest", false]))["stateRoot"].clone();
    let first = hex::decode(proof["accountProof"][0].as_str().unwrap()).unwrap();
    assert_eq!(json!(keccak256(first)), root);
    drop(server.send(&server.rich.transaction(0, |_| ())));
    drive(&server.ledger);
    let old = server.call("eth_getProof", json!([server.rich.address(), [], "0x0"]));
    let genesis = server.call("eth_getBlockByNumber", json!(["0x0", false]));
    let root: Bytes = old["accountProof"][0].as_str().unwrap().parse().unwrap();
    assert_eq!(json!(keccak256(root)), genesis["stateRoot"], "that of another block");
}

#[test]
fn web_socket_clients_get_the_same_answers() {
    let server = Server::free();
    let mut socket = client::WebSocket::connect(server.running.path());
    for id in 0..3 {
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "eth_chainId" });
        let expect = json!({ "jsonrpc": "2.0", "id": id, "result": "0x539" });
        assert_eq!(socket.ask(&body), expect);
    }
    let unknown = socket.ask(&json!({ "jsonrpc": "2.0", "id": 9, "method": "eth_nothing" }));
    assert_eq!(unknown["error"]["code"], -32601);
}

#[test]
fn the_end_of_a_server_does_not_wait_for_those_who_wait_for_news() {
    let server = Server::free();
    let path = server.running.path().to_owned();
    let (asked, asking) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let mut socket = client::WebSocket::connect(&path);
        let known = json!({ "jsonrpc": "2.0", "id": 1, "method": "windlass_status" });
        let revision = socket.ask(&known)["result"]["revision"].clone();
        asked.send(()).unwrap();
        let body = json!({
            "jsonrpc": "2.0", "id": 2, "method": "windlass_awaitStatus",
            "params": [revision.as_u64().unwrap() + 1_000, 30_000],
        });
        client::post(&path, body.to_string().as_bytes())
    });
    asking.recv().unwrap();
    server.running.stop();
    // It is told of the end, or cut off, or came too late to connect.
    if let Ok(answer) = waiting.join()
        && answer.body.contains("result")
    {
        assert!(answer.body.contains(r#""ending":true"#), "{}", answer.body);
    }
}

#[test]
fn the_socket_is_private_and_goes_with_the_server() {
    let server = Server::free();
    let path = server.running.path().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let names = |directory: &Path| {
        std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>()
    };
    assert_eq!(names(server.directory.path()), vec!["rpc.sock"]);
    // A connection that says nothing does not keep the server from ending.
    let _silent = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let Server { ledger, status, running, directory, .. } = server;
    running.stop();
    assert_eq!(names(directory.path()), Vec::<std::ffi::OsString>::new());

    // What a killed process leaves is replaced; what is not a socket is not.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let again = serve(&path, ledger.clone(), status.clone(), Beside::default()).unwrap();
    assert_eq!(client::call(&path, "net_version", json!([])), Ok(json!("1337")));
    drop(again);
    std::fs::write(&path, "precious").unwrap();
    let error = serve(&path, ledger.clone(), status.clone(), Beside::default()).unwrap_err();
    assert!(error.to_string().ends_with("is in the way of the socket and is not one"), "{error}");
    let long = directory.path().join("x".repeat(120)).join("rpc.sock");
    let error = serve(&long, ledger, status, Beside::default()).unwrap_err();
    assert!(error.to_string().contains("more than the 107"), "{error}");
}

#[test]
fn a_node_that_has_its_limit_on_disk_takes_no_transactions() {
    let server = Server::free();
    let disk = Some(DiskBudget::new(server.directory.path(), 1));
    let path = server.directory.path().join("full.sock");
    let beside = Beside { disk, network: None };
    let full = serve(&path, server.ledger.clone(), server.status.clone(), beside).unwrap();
    let transaction = server.rich.transaction(0, |_| {});
    let send = |path: &Path| client::call(path, "eth_sendRawTransaction", json!([transaction]));
    let error = send(full.path()).unwrap_err();
    assert_eq!(error["code"], -32005);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("MiB on disk") && message.contains("node_limits"), "{message}");
    assert_eq!(client::call(full.path(), "eth_blockNumber", json!([])), Ok(json!("0x0")));
    assert!(send(server.running.path()).is_ok(), "one that has no limit takes it");
}
