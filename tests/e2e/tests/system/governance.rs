//! Members change their network's validators while it runs.

use std::{fs, time::Duration};

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::{SolCall, SolValue, sol};
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::{api::Accepted, network::Network};

use crate::support::{PATIENCE, chain_id, healthy, no_fork, one_tip, status_of};

sol! {
    struct Action {
        uint8 kind;
        bytes arguments;
    }

    struct Validator {
        uint32 id;
        uint32 member;
        uint8 state;
        bool active;
        string name;
        bytes32 nodeKey;
        bytes32 consensusKey;
        address account;
        string endpoint;
    }

    function propose(Action[] actions, bool force, string reason) external returns (uint256 id);
    function validators() external view returns (Validator[] all);
}

/// Where the contract lies in every network.
const GOVERNANCE: &str = "0x57696e646c617373000000000000000000000001";

const SUSPEND_VALIDATOR: u8 = 6;
const RESUME_VALIDATOR: u8 = 7;

/// A network of five validators of one organization, which decides alone by this account.
async fn create(platform: &Platform, name: &str, account: Address) -> Network {
    let spec = platform.data_dir.with_extension("toml");
    let text = format!(
        "chain_id = 77001\nepoch_length = 16\n[[members]]\norganization = \"acme\"\nvalidators = 5\n\
         account = \"{account:#x}\"\n"
    );
    fs::write(&spec, text).expect("a spec can be written");
    let path = spec.to_string_lossy().into_owned();
    let created: Accepted = platform.run(&["network", "create", name, "-f", &path]).await;
    created.network
}

async fn validators(endpoint: &Endpoint) -> Vec<Validator> {
    let call = json!({ "to": GOVERNANCE, "data": Bytes::from(validatorsCall {}.abi_encode()) });
    let answer = endpoint.ok("eth_call", json!([call, "latest"])).await;
    let output: Bytes = serde_json::from_value(answer).expect("bytes");
    validatorsCall::abi_decode_returns(&output).expect("the contract's answer")
}

/// Proposes one action on a validator; the only member's proposal is approved by itself.
async fn decide(account: &mut Account, endpoint: &Endpoint, kind: u8, validator: u32) {
    let action = Action { kind, arguments: validator.abi_encode().into() };
    let call = proposeCall { actions: vec![action], force: false, reason: String::new() };
    let to = Some(GOVERNANCE.parse().expect("an address"));
    let call = Call { to, input: call.abi_encode().into(), gas: 2_000_000, ..Call::default() };
    let hash = account.send(endpoint, call).await;
    let receipt = endpoint.receipt(&hash).await;
    assert_eq!(receipt.get("status"), Some(&json!("0x1")), "{receipt}");
}

/// Waits until every node says that so many validators decide.
async fn seats(platform: &Platform, network: &Network, count: u64) -> Vec<Value> {
    let what = format!("{count} validators decide, say all nodes");
    world::eventually(&what, PATIENCE, async || {
        let mut all = Vec::new();
        for node in &network.nodes {
            let status = status_of(platform, node.id.as_str()).await?;
            all.push((status.get("validators")?.as_u64()? == count).then_some(status)?);
        }
        Some(all)
    })
    .await
}

#[tokio::test]
async fn a_validator_is_suspended_and_resumed_under_load() {
    let platform = Platform::start().await;
    let mut member = Account::new(77_001);
    create(&platform, "council", member.address).await;
    let network = healthy(&platform, "council").await;
    let endpoint = Platform::endpoint(&network);
    assert_eq!(chain_id(&endpoint).await, 77_001);
    let seated = validators(&endpoint).await;
    assert_eq!(seated.len(), 5);
    let fifth = network.nodes.last().expect("there are five");
    let key = fifth.node_key.clone().expect("it has a key");
    let key: alloy_primitives::B256 = key.parse().expect("32 bytes in hex");
    let out = seated.iter().find(|one| one.nodeKey == key).expect("it is in the contract").id;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let changes = async {
        decide(&mut member, &endpoint, SUSPEND_VALIDATOR, out).await;
        let told = seats(&platform, &network, 4).await;
        let silent: Vec<&Value> = told.iter().filter_map(|one| one.get("notVoting")).collect();
        let said = silent.iter().filter(|why| why.to_string().contains("not a validator"));
        assert_eq!(said.count(), 1, "the suspended one says so: {silent:?}");

        // Of the four that are left one may fail, and the fifth is no substitute.
        world::kill(network.nodes.first().and_then(|node| node.pid).expect("it runs"));
        healthy(&platform, "council").await;
        decide(&mut member, &endpoint, RESUME_VALIDATOR, out).await;
        seats(&platform, &network, 5).await;
        drop(stop);
    };
    let (sent, ()) = tokio::join!(load(&endpoint, stopped), changes);
    assert!(sent.len() > 5, "{} transactions were sent meanwhile", sent.len());
    for hash in &sent {
        endpoint.receipt(hash).await;
    }

    // Idle is idle again, and everybody has one chain.
    let tip = one_tip(&platform, &network, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(one_tip(&platform, &network, 1).await, tip, "no block without work");
    no_fork(&platform, &network, tip.number).await;
    platform.destroy("council").await;
}

/// Sends transactions, one after the other, until it is told to stop; all that were acknowledged.
async fn load(endpoint: &Endpoint, mut stopped: tokio::sync::oneshot::Receiver<()>) -> Vec<String> {
    let mut account = Account::new(77_001);
    let mut sent = Vec::new();
    while matches!(stopped.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)) {
        sent.push(account.send(endpoint, Call::default()).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent
}

#[tokio::test]
async fn a_change_of_validators_takes_effect_on_an_idle_network() {
    let platform = Platform::start().await;
    let mut member = Account::new(77_001);
    create(&platform, "quiet", member.address).await;
    let network = healthy(&platform, "quiet").await;
    let endpoint = Platform::endpoint(&network);
    // Nothing but the decision is sent: the rest of the epoch is run out without it.
    let out = validators(&endpoint).await.last().expect("there are five").id;
    decide(&mut member, &endpoint, SUSPEND_VALIDATOR, out).await;
    seats(&platform, &network, 4).await;
    platform.destroy("quiet").await;
}

#[tokio::test]
async fn every_member_has_an_account_whose_key_goes_with_the_network() {
    let platform = Platform::start().await;
    let spec = platform.data_dir.with_extension("toml");
    let text = "kind = \"consortium\"\n[[members]]\norganization = \"acme\"\nvalidators = 1\n\
                [[members]]\norganization = \"bank\"\nvalidators = 1\n";
    fs::write(&spec, text).expect("a spec can be written");
    let path = spec.to_string_lossy().into_owned();
    let before = world::tree(&platform.data_dir.join("keys"));
    let _created: Accepted = platform.run(&["network", "create", "pair", "-f", &path]).await;
    let keys = fs::read_dir(platform.data_dir.join("keys")).expect("a vault").count();
    assert_eq!(keys, 6, "two of each validator, one of each member");
    platform.destroy("pair").await;
    assert_eq!(world::tree(&platform.data_dir.join("keys")), before);
}
