//! A key for reading changes nothing, however it asks.

use super::*;

const READS: &str = "Windlass-Scope: read";
const REFUSED: i64 = -32_051;

fn call(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": params })
}

#[test]
fn what_sends_is_refused_alone_in_a_batch_and_over_a_websocket() {
    let server = Server::free();
    let socket = server.running.path();
    let transfer = Account::new().transaction(0, |_transaction| {});
    let (send, sync) = ("eth_sendRawTransaction", "eth_sendRawTransactionSync");
    let params = json!([transfer]);
    let mut connection = client::WebSocket::connect_with(socket, READS);
    for method in [send, sync] {
        for answer in [
            client::ask_with(socket, READS, &call(method, &params)),
            client::ask_with(socket, "windlass-scope: another", &call(method, &params)),
            connection.ask(&call(method, &params)),
        ] {
            assert_eq!(answer["error"]["code"], REFUSED, "{answer}");
            assert_eq!(answer["id"], method);
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(&format!("{method} sends")), "{message}");
        }
    }
    let batch = json!([call("eth_chainId", &json!([])), call(send, &params)]);
    for answers in [client::ask_with(socket, READS, &batch), connection.ask(&batch)] {
        assert!(answers[0]["result"].is_string(), "{answers}");
        assert_eq!(answers[1]["error"]["code"], REFUSED, "{answers}");
    }
    assert_eq!(server.ledger.pending_len(), 0);

    // Reading is reading, and who says nothing may send.
    let polled = client::ask_with(socket, READS, &call("eth_newBlockFilter", &json!([])));
    assert!(polled["result"].is_string(), "{polled}");
    let subscribed = connection.ask(&call("eth_subscribe", &json!(["newHeads"])));
    assert!(subscribed["result"].is_string(), "{subscribed}");
    assert!(server.send(&transfer).is_string());
}

/// Of the machine whoever is at the socket hears, as the platform is; who comes through the gateway doesn't.
#[test]
fn a_client_is_not_told_of_the_machine() {
    let server = Server::free();
    let socket = server.running.path();
    let status = call("windlass_status", &json!([]));
    let waits = call("windlass_awaitStatus", &json!([0, 1]));
    for ask in [&status, &waits] {
        let told = client::ask_with(socket, "x-nothing: 1", ask);
        assert!(told["result"]["machine"]["residentBytes"].is_u64(), "{told}");
        for header in ["windlass-client: 1", READS] {
            let told = client::ask_with(socket, header, ask);
            assert!(told["result"]["genesisHash"].is_string(), "{told}");
            assert_eq!(told["result"].get("machine"), None, "{header}");
            let told = client::WebSocket::connect_with(socket, header).ask(ask);
            assert!(told["result"]["genesisHash"].is_string(), "{told}");
            assert_eq!(told["result"].get("machine"), None, "{header}");
        }
    }
}

/// A method that is added and sends has to be named as one.
#[test]
fn every_method_that_sends_is_known_as_one() {
    let server = Server::free();
    let node = Node::new(server.ledger.clone(), server.status, (PathBuf::new(), Beside::default()));
    let module = methods::all(node);
    let sends: Vec<_> = module.method_names().filter(|name| name.contains("send")).collect();
    assert_eq!(sends.len(), methods::SENDING.len(), "{sends:?}");
    assert!(sends.iter().all(|name| methods::SENDING.contains(name)), "{sends:?}");
}
