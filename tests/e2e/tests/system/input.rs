//! Bad input: each is refused with a code, what was wrong and what to do, and changes nothing.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform};
use windlass_model::{
    Problem,
    api::Accepted,
    network::{Network, OperationState},
};

use crate::support::chain_id;

fn check(answer: &(i32, Problem), exit: i32, code: &str) {
    let (found, problem) = answer;
    assert_eq!((*found, problem.code.as_str()), (exit, code), "{problem:?}");
    assert!(!problem.detail.is_empty() && !problem.hint.is_empty(), "{problem:?}");
}

async fn nothing_exists(platform: &Platform) {
    let networks: Vec<Network> = platform.run(&["network", "ls"]).await;
    assert!(networks.is_empty(), "a refused create left {networks:?}");
    assert!(platform.node_pids().is_empty());
}

#[tokio::test]
async fn names_and_numbers_that_cannot_be() {
    let platform = Platform::start().await;
    let long = "a".repeat(41);
    for name in ["", &long, "Trade", "tra de", "../x", "träde", "2trade", "trade-"] {
        let answer = platform.refused(&["network", "create", name, "--validators", "1"]).await;
        check(&answer, 2, "invalid_name");
    }
    let none = platform.refused(&["network", "create", "x", "--validators", "0"]).await;
    check(&none, 2, "invalid_spec");
    let many = platform.refused(&["network", "create", "x", "--validators", "1000"]).await;
    assert!(["invalid_spec", "insufficient_memory"].contains(&many.1.code.as_str()), "{many:?}");
    check(&platform.refused(&["network", "show", "nothing"]).await, 3, "network_not_found");
    check(
        &platform.refused(&["network", "destroy", "nothing", "-y"]).await,
        3,
        "network_not_found",
    );
    nothing_exists(&platform).await;
}

#[tokio::test]
async fn specs_that_are_wrong_say_where() {
    let platform = Platform::start().await;
    let file = platform.data_dir.with_extension("toml");
    let path = file.to_string_lossy().into_owned();
    for (spec, line, field, hint) in [
        ("name = \"x\"\nvalidator = 4\n", 2, "validator", "validators"),
        ("name = \"x\"\nchain_id = \"four\"\n", 2, "chain_id", ""),
        ("name = \"x\"\n\n[fees]\npolicy = \"gratis\"\n", 0, "", ""),
        ("name = \"x\"\nvalidators = [\n", 0, "", ""),
    ] {
        fs::write(&file, spec).expect("the spec can be written");
        let answer = platform.refused(&["network", "create", "-f", &path]).await;
        check(&answer, 2, "invalid_spec");
        let location = answer.1.location.clone().expect("the place is known");
        assert_eq!(location.file.as_deref(), Some(path.as_str()));
        if line > 0 {
            assert_eq!(location.line, Some(line), "{spec}");
            assert_eq!(location.field.as_deref(), Some(field), "{spec}");
        }
        assert!(answer.1.hint.contains(hint), "{}", answer.1.hint);
    }
    let absent = platform.refused(&["network", "create", "-f", "/nowhere/spec.toml"]).await;
    assert_eq!(absent.0, 2, "{absent:?}");
    nothing_exists(&platform).await;
}

#[tokio::test]
async fn a_name_a_chain_id_and_a_destroy_happen_once() {
    let platform = Platform::start().await;
    let accepted: Accepted =
        platform.run(&["network", "create", "three", "--validators", "3"]).await;
    assert!(accepted.warnings.iter().any(|text| text.contains("fault") || text.contains("fail")));
    check(&platform.refused(&["network", "create", "three"]).await, 4, "name_taken");
    let file = platform.data_dir.with_extension("toml");
    let spec =
        format!("name = \"twin\"\nvalidators = 1\nchain_id = {}\n", accepted.network.spec.chain_id);
    fs::write(&file, spec).expect("the spec can be written");
    let path = file.to_string_lossy().into_owned();
    check(&platform.refused(&["network", "create", "-f", &path]).await, 4, "chain_id_taken");

    // A destroy of a network that is on its way, twice.
    let _accepted: Accepted =
        platform.run(&["network", "create", "short", "--validators", "4", "--no-wait"]).await;
    let first: Accepted = platform.run(&["network", "destroy", "short", "-y", "--no-wait"]).await;
    let second = platform.cli(&["network", "destroy", "short", "-y", "--no-wait"]).await;
    let id = first.operation.expect("a destroy is an operation").id;
    match second.result {
        Some(result) => {
            let again: Accepted = serde_json::from_value(result).expect("an answer of its form");
            assert_eq!(again.operation.map(|operation| operation.id), Some(id.clone()));
        }
        None => assert_eq!(second.code, 3, "it was gone already: {:?}", second.said),
    }
    let waited: windlass_model::network::Operation =
        platform.run(&["operation", "wait", id.as_str()]).await;
    assert_eq!(waited.state, OperationState::Succeeded);
    check(&platform.refused(&["network", "show", "short"]).await, 3, "network_not_found");
    check(&platform.refused(&["network", "destroy", "short", "-y"]).await, 3, "network_not_found");
}

#[tokio::test]
async fn data_directories_that_cannot_be_used() {
    let mut platform = Platform::start().await;
    let second = platform.cli_text(&["up"]).await;
    assert_eq!(second.code, Some(4), "{second:?}");
    assert!(second.stderr.contains("platform_running"), "{}", second.stderr);
    platform.kill();

    let database = platform.data_dir.join("windlass.db");
    let sound = fs::read(&database).expect("there is a database");
    for name in ["windlass.db-wal", "windlass.db-shm"] {
        drop(fs::remove_file(platform.data_dir.join(name)));
    }
    let mut damaged = sound.clone();
    damaged.iter_mut().skip(100).for_each(|byte| *byte ^= 0xa5);
    fs::write(&database, &damaged).expect("the database can be written");
    let refused = platform.cli_text(&["up"]).await;
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains("store_unavailable"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    fs::write(&database, "no database at all").expect("the database can be written");
    let refused = platform.cli_text(&["up"]).await;
    assert!(refused.stderr.contains("data_directory_unusable"), "{}", refused.stderr);
    assert!(refused.stderr.contains("from a backup"), "{}", refused.stderr);
    fs::write(&database, &sound).expect("the database can be written");

    // A file where the directory should be.
    let file = platform.data_dir.with_extension("file");
    fs::write(&file, "").expect("a file can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode can be set");
    let path = file.to_string_lossy().into_owned();
    let (_, problem) = windlass_refused(&["up", "--json", "--data-dir", &path]).await;
    assert_eq!(problem.get("code"), Some(&json!("data_directory_unusable")), "{problem}");
}

async fn windlass_refused(arguments: &[&str]) -> (i32, Value) {
    let said = windlass_e2e::run_tool("target/debug/windlass", arguments, &[]).await;
    let problem = said.stderr.lines().find_map(|line| serde_json::from_str(line).ok());
    (said.code.unwrap_or(-1), problem.unwrap_or_else(|| panic!("no problem: {said:?}")))
}

#[tokio::test]
async fn json_rpc_that_is_wrong() {
    let platform = Platform::start().await;
    let (network, _) = platform.create("rpc", 1).await;
    let endpoint = Platform::endpoint(&network);
    let error = |text: &str| -> i64 {
        let body: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"));
        let code = body.get("error").and_then(|error| error.get("code")).and_then(Value::as_i64);
        code.unwrap_or_else(|| panic!("no error: {text}"))
    };
    let (_, text) = endpoint.post("{").await;
    assert_eq!(error(&text), -32700);
    let (_, text) = endpoint.post(r#"{"jsonrpc":"2.0","id":1}"#).await;
    assert_eq!(error(&text), -32600);
    for body in ["{}", r#"{"jsonrpc":"2.0","id":-1,"method":"eth_chainId"}"#] {
        let (_, text) = endpoint.post(body).await;
        assert_eq!(error(&text), -32600, "{body}");
    }
    let (_, text) = endpoint
        .post(r#"[{"jsonrpc":"2.0","id":true,"method":"eth_chainId"},{"jsonrpc":"2.0","id":2,"method":"eth_chainId"}]"#)
        .await;
    let answers: Vec<Value> = serde_json::from_str(&text).expect("a batch is answered by one");
    assert_eq!(answers.len(), 2, "{text}");
    assert!(text.contains("-32600") && text.contains(r#""id":2"#), "{text}");
    let refused = endpoint.call("eth_noSuchMethod", json!([])).await.expect_err("no such method");
    assert_eq!(refused.code, -32601);
    let refused = endpoint.call("eth_getBalance", json!(["x"])).await.expect_err("no address");
    assert_eq!(refused.code, -32602);

    let one = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
    let (status, text) = endpoint.post(format!("[{}]", vec![one; 100_000].join(","))).await;
    assert!(status == 413 || text.contains("error"), "{status} {}", text.len());
    // The gateway may answer and close while the rest is still on its way.
    let status = endpoint.try_post(vec![b' '; 40 << 20]).await;
    assert!(status.is_none_or(|status| status == 413), "an oversized body: {status:?}");
    assert!(endpoint.height().await > 0, "the network answers as before");

    let wrong_key =
        endpoint.url.rsplit_once('/').expect("the URL has a key").0.to_owned() + "/wrong";
    let (status, _) = Endpoint::new(&wrong_key).post(one).await;
    assert!(status == 401 || status == 404, "a wrong key answers {status}");
}

#[tokio::test]
async fn transactions_that_are_wrong() {
    let platform = Platform::start().await;
    let (network, _) = platform.create("tx", 1).await;
    let endpoint = Platform::endpoint(&network);
    let chain = chain_id(&endpoint).await;
    let mut account = Account::new(chain);
    let hash = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&hash).await;
    let value = Call { value: "1".parse().expect("a number"), ..Call::default() };
    let gas = Call { gas: 1 << 60, ..Call::default() };
    let little = Call { gas: 20_999, ..Call::default() };
    for (what, raw) in [
        ("chain id", account.sign_with(Call::default(), 1, chain + 1)),
        ("nonce too low", account.sign_with(Call::default(), 0, chain)),
        ("insufficient funds", account.sign_with(value, 1, chain)),
        ("gas", account.sign_with(gas, 1, chain)),
        ("intrinsic gas too low", account.sign_with(little, 1, chain)),
    ] {
        let refused = endpoint.call("eth_sendRawTransaction", json!([raw])).await;
        let error = refused.expect_err(what);
        assert_eq!(error.code, -32000, "{what}: {error:?}");
        assert!(error.message.contains(what), "{what}: {error:?}");
    }
    let garbage = endpoint.call("eth_sendRawTransaction", json!(["0x02c0"])).await;
    assert!(garbage.is_err());
    let again = account.sign_with(Call::default(), 1, chain);
    endpoint.ok("eth_sendRawTransaction", json!([again])).await;
    let known = endpoint.call("eth_sendRawTransaction", json!([again])).await;
    assert!(
        known
            .is_err_and(|error| error.message.contains("known") || error.message.contains("nonce"))
    );
}
