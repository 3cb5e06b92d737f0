//! Networks whose time is over, organizations that have as much as they may have, and what was used.

use std::{fs, time::Duration};

use futures::future::join_all;
use serde_json::json;
use windlass_e2e::{Account, Call, Endpoint, Platform, RpcError, world};
use windlass_model::{
    ErrorCode,
    api::Accepted,
    budget::{EndStage, HourOfUse, OrganizationBudget},
    condition::Cause,
    network::{Network, NetworkState, Operation, OperationKind, OperationState},
};

use crate::{
    endpoint_keys::{Listener, call},
    support::{create, healthy, no_leaks, one_process_each},
};

/// Calls to one endpoint at once.
const AT_ONCE: usize = 20;

#[tokio::test]
async fn a_network_whose_time_is_over_is_stopped_and_rescued_or_destroyed() {
    let platform = Platform::start().await;
    let spec = "validators = 1\nttl_s = 60\n";
    let kept = create(&platform, "kept", spec).await;
    let let_go = create(&platform, "let-go", spec).await;
    let endpoint = Platform::endpoint(&kept);
    let mut account = Account::new(kept.spec.chain_id);
    let hash = account.send(&endpoint, Call::default()).await;
    let block = endpoint.receipt(&hash).await["blockHash"].clone();

    let stage = |wanted: EndStage| {
        move |network: &Network| network.end.as_ref().is_some_and(|end| end.stage == wanted)
    };
    platform.until("kept", "told that its end is near", stage(EndStage::Soon)).await;
    platform
        .until("kept", "stopped for its end", |network| {
            stage(EndStage::Over)(network) && network.state == NetworkState::Stopped
        })
        .await;
    platform
        .until("let-go", "stopped for its end", |network| network.state == NetworkState::Stopped)
        .await;
    assert_eq!(platform.node_pids(), Vec::<u32>::new());
    let (_, refused) = platform.refused(&["network", "start", "kept"]).await;
    assert_eq!(refused.code, ErrorCode::NetworkEnded);
    assert!(refused.hint.contains("network extend kept"), "{}", refused.hint);

    let back: Accepted = platform.run(&["network", "extend", "kept", "--by", "1h"]).await;
    assert_eq!(back.operation.expect("it is brought back").kind, OperationKind::Start);
    let network = healthy(&platform, "kept").await;
    assert_eq!(network.end.expect("an end").stage, EndStage::Ahead);
    one_process_each(&platform);
    assert_eq!(endpoint.receipt(&hash).await["blockHash"], block, "it is the same chain");
    let forever: Accepted = platform.run(&["network", "extend", "kept", "--forever"]).await;
    assert!(forever.network.end.is_none() && forever.operation.is_none());

    // Nobody rescues the other one: a minute after it was stopped nothing is left of it.
    world::eventually("let-go is gone", Duration::from_mins(2), async || {
        let networks: Vec<Network> = platform.run(&["network", "ls"]).await;
        networks.iter().all(|network| network.id != let_go.id).then_some(())
    })
    .await;
    let operations: Vec<Operation> = platform.run(&["operation", "ls"]).await;
    let destroy = operations.iter().find(|one| one.kind == OperationKind::Destroy);
    assert!(destroy.is_some_and(|one| one.receipt.is_some()), "{destroy:?}");
    platform.destroy("kept").await;
    no_leaks(&platform).await;

    // What both used is known when they are gone.
    let used = world::eventually("what was used", Duration::from_mins(2), async || {
        let used: Vec<HourOfUse> = platform.run(&["usage"]).await;
        let of = |network: &Network| used.iter().any(|hour| hour.network == network.id);
        (of(&kept) && of(&let_go)).then_some(used)
    })
    .await;
    for network in [&kept, &let_go] {
        let hours = used.iter().filter(|hour| hour.network == network.id);
        let cpu_ms: u64 = hours.clone().map(|hour| hour.used.cpu_ms).sum();
        let memory: u64 = hours.map(|hour| hour.used.memory_mib_s).sum();
        assert!(cpu_ms > 0 && memory > 0, "{}: {used:?}", network.name);
    }
    let requests: u64 = used.iter().map(|hour| hour.used.requests).sum();
    assert!(requests >= 4, "a client's at least: {used:?}");
}

#[tokio::test]
async fn a_quota_is_seen_set_and_kept_to() {
    let platform = Platform::start().await;
    create(&platform, "first", "validators = 1\n").await;
    let budget: OrganizationBudget =
        platform.run(&["quota", "set", "--networks", "1", "--longest-ttl", "7d"]).await;
    assert_eq!((budget.used.networks, budget.used.nodes), (1, 1));
    assert_eq!((budget.quota.networks, budget.quota.longest_ttl_s), (Some(1), Some(604_800)));
    assert!(budget.quota.nodes.is_some(), "what is not named stays");
    let (_, refused) =
        platform.refused(&["network", "create", "second", "--validators", "1"]).await;
    assert_eq!(refused.code, ErrorCode::QuotaExceeded);
    assert!(refused.detail.contains("may have 1 networks"), "{}", refused.detail);
    let shown: OrganizationBudget = platform.run(&["quota", "set", "--networks", "none"]).await;
    assert_eq!(shown.quota.networks, None);
    let second: Accepted =
        platform.run(&["network", "create", "second", "--validators", "1"]).await;
    assert_eq!(second.network.spec.ttl_s, 604_800, "what one gets that asks for none");
}

/// Asks an endpoint often at once: how many of the calls were answered, and what the others were.
async fn ask_at_once(endpoint: &Endpoint) -> (usize, Vec<RpcError>) {
    let calls = (0..AT_ONCE).map(|_| endpoint.call("eth_chainId", json!([])));
    let (answered, refused): (Vec<_>, Vec<_>) =
        join_all(calls).await.into_iter().partition(Result::is_ok);
    (answered.len(), refused.into_iter().filter_map(Result::err).collect())
}

#[tokio::test]
async fn networks_of_an_organization_share_its_rate_of_requests() {
    let platform = Platform::start().await;
    let first = Platform::endpoint(&create(&platform, "first", "validators = 1\n").await);
    let second = Platform::endpoint(&create(&platform, "second", "validators = 1\n").await);
    let mut listener = Listener::open(&second.url).await;
    let set = async |limit: &str| -> OrganizationBudget {
        platform.run(&["quota", "set", "--requests", limit]).await
    };
    assert_eq!(set("1").await.quota.requests_per_s, Some(1));
    let (of_first, of_second) = tokio::join!(ask_at_once(&first), ask_at_once(&second));
    for (_, refused) in [&of_first, &of_second] {
        let error = refused.first().expect("both are beyond one a second");
        assert_eq!(error.code, -32005, "{error:?}");
        let says = "all networks of the organization together take 1 calls a second";
        assert!(error.message.contains(says), "{}", error.message);
    }
    assert!(of_first.0 + of_second.0 >= 1, "one is taken");
    let both = json!([call("eth_chainId", &json!([])), call("eth_blockNumber", &json!([]))]);
    let answers = listener.ask(&both).await;
    assert_eq!(answers[1]["error"]["code"], -32005, "{answers}");

    // What the platform does with its networks goes on.
    let _stopped: Accepted = platform.run(&["network", "stop", "first"]).await;
    let started: Accepted = platform.run(&["network", "start", "first"]).await;
    assert_eq!(started.operation.expect("it is started").state, OperationState::Succeeded);
    let (_, refused) = platform.refused(&["quota", "set", "--requests", "0"]).await;
    assert!(refused.detail.contains("requests_per_s"), "{}", refused.detail);
    assert_eq!(set("none").await.quota.requests_per_s, None);
    let all = tokio::join!(ask_at_once(&first), ask_at_once(&second));
    assert_eq!(all, ((AT_ONCE, vec![]), (AT_ONCE, vec![])));
    let answers = listener.ask(&both).await;
    assert!(answers[1]["result"].is_string(), "{answers}");
}

#[tokio::test]
async fn a_network_that_has_its_limit_on_disk_takes_no_transactions_until_it_is_raised() {
    let platform = Platform::start().await;
    let spec = |mib: u32| format!("validators = 1\n[node_limits]\ndisk_mib = {mib}\n");
    let network = create(&platform, "small", &spec(1)).await;
    let endpoint = Platform::endpoint(&network);
    let account = Account::new(network.spec.chain_id);
    let refused = loop {
        // Whatever it is made with may be below the limit yet.
        let nonce = endpoint.number("eth_getTransactionCount", json!([account.address, "latest"]));
        let raw = account.sign_with(Call::default(), nonce.await, network.spec.chain_id);
        match endpoint.call("eth_sendRawTransaction", json!([raw])).await {
            Ok(hash) => drop(endpoint.receipt(hash.as_str().expect("a hash")).await),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code, -32005, "{refused:?}");
    assert!(refused.message.contains("node_limits.disk_mib"), "{}", refused.message);
    platform
        .until("small", "that it takes no transactions is told", |network| {
            network.conditions.iter().any(|one| one.cause == Cause::DiskBudgetSpent)
        })
        .await;
    let height = endpoint.height().await;
    let file = platform.data_dir.join("spec.toml");
    fs::write(&file, format!("name = \"small\"\n{}", spec(1_024))).expect("a file is written");
    let applied: Accepted = platform.run(&["apply", "-f", &file.display().to_string()]).await;
    assert_eq!(applied.operation.expect("it is changed").state, OperationState::Succeeded);
    assert_eq!(endpoint.height().await, height);
    let mut account = Account::new(network.spec.chain_id);
    let hash = account.send(&endpoint, Call::default()).await;
    assert_eq!(endpoint.receipt(&hash).await["status"], "0x1");
}
