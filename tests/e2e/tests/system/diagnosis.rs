//! What an operator is told of consensus while a validator hangs, and what a scraper reads.

use std::{collections::BTreeMap, fs, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Platform, call_node, node_socket, world};
use windlass_model::{
    consensus::{ConsensusReport, NetworkConsensus, NoBlockCode},
    governance::NetworkValidator,
    network::{Health, Network},
};

use crate::support::{PATIENCE, chain_id, healthy, one_tip};

const HUNG: usize = 3;

async fn consensus(platform: &Platform) -> NetworkConsensus {
    platform.run(&["network", "consensus", "night"]).await
}

fn reports(all: &NetworkConsensus) -> Vec<&ConsensusReport> {
    all.nodes.iter().filter_map(|node| node.report.as_ref()).collect()
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid is positive");
    kill_process(pid, signal).expect("the process is there");
}

/// Sends a transaction through a node that works, and waits until all that work have it.
async fn transact(platform: &Platform, network: &Network, account: &mut Account) {
    let socket = node_socket(&platform.data_dir, network.nodes[0].id.as_str());
    let raw = account.sign(Call::default());
    let sent = call_node(&socket, "eth_sendRawTransaction", json!([raw])).await;
    let hash = sent.expect("it answers").expect("it takes the transaction");
    world::eventually("the transaction is final", PATIENCE, async || {
        let receipt = call_node(&socket, "eth_getTransactionReceipt", json!([hash])).await?.ok()?;
        (!receipt.is_null()).then_some(())
    })
    .await;
}

/// What a validator is missing since, as each of the others says; `None` while not all say so.
fn missing(all: &NetworkConsensus, key: &str) -> Option<Vec<u64>> {
    let others: Vec<_> = reports(all).into_iter().filter(|one| one.node_key != key).collect();
    let since = others.iter().map(|report| {
        let one = report.validators.iter().find(|one| one.link.node_key == key)?;
        Some(one.missing.as_ref()?.since_ms)
    });
    since.collect::<Option<Vec<_>>>().filter(|since| since.len() == 3)
}

/// Reads Prometheus' text format: the values by name and labels.
fn measurements(text: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let mut typed: Vec<&str> = Vec::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (word, name) = (words.next().expect("a word"), words.next().expect("a name"));
            assert!(["HELP", "TYPE"].contains(&word), "{line}");
            let about = words.next().unwrap_or_default();
            if word == "TYPE" {
                assert!(["gauge", "counter", "histogram"].contains(&about), "{line}");
                assert!(!typed.contains(&name), "{name} is described twice");
                typed.push(name);
                family = name;
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let stem = name.split('{').next().expect("there is one");
        assert!(stem.starts_with(family), "{stem} stands under {family}");
        assert!(stem.chars().all(|one| one.is_ascii_alphanumeric() || one == '_'), "{line}");
        assert!(name.contains("{node=\""), "{line}");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(values.insert(name.to_owned(), value).is_none(), "{name} is there twice");
    }
    values
}

/// What all four say when nothing is missing and nothing to do.
async fn quiet(platform: &Platform) -> NetworkConsensus {
    world::eventually("nothing is missing", PATIENCE, async || {
        let all = consensus(platform).await;
        let well = |report: &&ConsensusReport| {
            let why = report.no_block.as_ref().map(|why| why.code);
            why == Some(NoBlockCode::NothingToDo)
                && report.validators.iter().all(|one| one.missing.is_none())
                && report.validators.iter().filter(|one| one.link.round_trip_us.is_some()).count()
                    == 3
        };
        (reports(&all).iter().filter(|report| well(report)).count() == 4).then_some(all)
    })
    .await
}

/// A scraper reads what the nodes measure while one of them, of this key, hangs.
async fn measured(platform: &Platform, network: &Network, key: &str) {
    let path = "/v1/organizations/default/networks/night/metrics";
    let (status, text) = platform.api("GET", path, Some(&platform.token)).await;
    assert_eq!(status, 200, "{text}");
    let values = measurements(&text);
    let value =
        |name: String| values.get(&name).copied().unwrap_or_else(|| panic!("{name}: {text}"));
    for (index, node) in network.nodes.iter().enumerate() {
        let (node, up) = (&node.name, if index == HUNG { 0.0 } else { 1.0 });
        assert!((value(format!("windlass_node_up{{node=\"{node}\"}}")) - up).abs() < 0.1);
        if index == HUNG {
            continue;
        }
        let of = |name: &str| value(format!("{name}{{node=\"{node}\"}}"));
        assert!(of("windlass_block_height") >= 2.0);
        assert!(of("windlass_ledger_bytes") > 4_096.0);
        assert!(of("process_resident_memory_bytes") > 1e6 && of("process_cpu_seconds_total") > 0.0);
        assert!((of("windlass_missing_validators") - 1.0).abs() < 0.1);
        let labels = format!("{{node=\"{node}\",node_key=\"{key}\"}}");
        let gone = value(format!("windlass_validator_missing_seconds{labels}"));
        assert!((0.0..600.0).contains(&gone), "{gone}");
        let since = value(format!("windlass_validator_missing_since_timestamp_seconds{labels}"));
        assert!(since > of("process_start_time_seconds"), "{since}");
        assert!(value(format!("windlass_validator_voted_for_last_block{labels}")) < 0.1);
        let whole = |name: &str| {
            let family = format!("{name}{{node=\"{node}\",");
            values.iter().filter(|(name, _)| name.starts_with(&family)).map(|(_, one)| one).sum()
        };
        let (leaders, voters): (f64, f64) =
            (whole("windlass_validator_leads"), whole("windlass_validator_voted_for_last_block"));
        assert!((leaders - 1.0).abs() < 0.1, "{leaders} lead");
        assert!((voters - 3.0).abs() < 0.1, "{voters} voted");
        let reasons: f64 = whole("windlass_no_block");
        assert!(reasons < 1.1, "no more than one reason is given");
        assert!(value(format!("windlass_peer_round_trip_seconds{labels}")) < 10.0);
        assert!(value(format!("windlass_peer_clock_offset_seconds{labels}")).abs() < 10.0);
    }
    assert!(values.keys().any(|name| name.starts_with("windlass_p2p_")), "{text}");
}

/// Every node is asked whom it saw vote twice, and the one that hangs is named.
async fn asked(platform: &Platform, network: &Network) {
    let said: Value = platform.run(&["network", "evidence", "night"]).await;
    assert_eq!((&said["evidence"], &said["refused"]), (&json!([]), &json!([])), "{said}");
    let silent = said["unreachable"].as_array().expect("a list");
    assert!(matches!(&silent[..], [one] if one["node"] == network.nodes[HUNG].name), "{said}");
    let (_, problem) = platform.refused(&["network", "evidence", "night", "0x12"]).await;
    assert_eq!(problem.code, windlass_model::ErrorCode::InvalidRequest);
    let socket = node_socket(&platform.data_dir, network.nodes[0].id.as_str());
    let proven = call_node(&socket, "windlass_proveValidators", json!([])).await;
    let proven = proven.expect("it answers").expect("it proves");
    assert!(proven["genesis"].is_string() && proven["changes"] == json!([]), "{proven}");
}

#[tokio::test]
async fn a_validator_that_hangs_is_named_with_the_time_and_measured() {
    let platform = Platform::start().await;
    platform.create("night", 4).await;
    let network = healthy(&platform, "night").await;
    let mut account = Account::new(chain_id(&Platform::endpoint(&network)).await);
    one_tip(&platform, &network, 1).await;

    let quiet = quiet(&platform).await;
    let leaders: Vec<_> = reports(&quiet).iter().map(|report| report.leader.clone()).collect();
    assert!(leaders[0].is_some() && leaders.iter().all(|one| *one == leaders[0]), "{leaders:?}");
    let before_ms = reports(&quiet).iter().map(|report| report.at_ms).max().expect("four");

    let pid = network.nodes[HUNG].pid.expect("it runs");
    signal(pid, Signal::STOP);
    transact(&platform, &network, &mut account).await;
    let key = network.nodes[HUNG].node_key.clone().expect("it has keys");
    let since = world::eventually("the others miss it", PATIENCE, async || {
        missing(&consensus(&platform).await, &key)
    })
    .await;
    let all = consensus(&platform).await;
    let now_ms = reports(&all)[0].at_ms;
    assert!(since.iter().all(|since| (before_ms..=now_ms).contains(since)), "{since:?}");
    let hung = &all.nodes[HUNG];
    assert!(hung.report.is_none() && hung.unreachable.is_some(), "{hung:?}");
    let text = platform.cli_text(&["network", "consensus", "night"]).await;
    let name = &network.nodes[HUNG].name;
    assert!(text.stdout.contains(&format!("\n  {name} since ")), "{text:?}");
    assert!(text.stdout.contains("MISSING"), "{text:?}");
    let validators: Vec<NetworkValidator> = platform.run(&["network", "validators", "night"]).await;
    let missed: Vec<_> = validators.iter().filter(|one| one.missing.is_some()).collect();
    assert!(matches!(missed[..], [one] if one.node_key == key), "{missed:?}");
    platform
        .until("night", "it says who hangs", |network| network.health == Health::Degraded)
        .await;

    measured(&platform, &network, &key).await;
    asked(&platform, &network).await;

    // It may have been ended and replaced meanwhile.
    if world::is_alive(pid) {
        signal(pid, Signal::CONT);
    }
    let network = healthy(&platform, "night").await;
    world::eventually("nobody is missing", Duration::from_mins(1), async || {
        transact(&platform, &network, &mut account).await;
        let all = consensus(&platform).await;
        let all = reports(&all);
        let whole =
            |report: &&ConsensusReport| report.validators.iter().all(|one| one.missing.is_none());
        (all.iter().filter(|report| whole(report)).count() == 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_network_of_which_too_few_vote_says_so_before_anybody_needs_a_block() {
    let platform = Platform::start().await;
    platform.create("night", 4).await;
    let network = healthy(&platform, "night").await;
    for (lost, expect) in [(0, Health::Degraded), (1, Health::Unavailable)] {
        let node = &network.nodes[lost];
        fs::remove_dir_all(platform.workload(node.id.as_str()).join("data")).expect("it is there");
        world::kill(node.pid.expect("it runs"));
        let says = format!("{} of 4 validators vote", 3 - lost);
        let said = |network: &Network| {
            let reason = network.reason.as_ref().map(|reason| &reason.message);
            network.health == expect
                && reason.is_some_and(|why| why.contains(&says) && why.contains(&node.name))
        };
        platform.until("night", "it says that one does not vote", said).await;
    }
    let validators = platform.cli_text(&["network", "validators", "night"]).await.stdout;
    assert_eq!(validators.matches(" SILENT ").count(), 2, "{validators}");
    assert!(
        validators.contains("\nvalidator-1: this validator's consensus journal"),
        "{validators}"
    );
    let text = platform.cli_text(&["network", "consensus", "night"]).await.stdout;
    assert!(text.contains("2 of 4 validators vote, 3 are needed; silent: validator-0"), "{text}");
}

#[tokio::test]
async fn a_network_that_does_not_run_has_no_consensus_to_show() {
    let platform = Platform::start().await;
    platform.create("night", 1).await;
    platform.cli(&["network", "stop", "night"]).await;
    let (_, problem) = platform.refused(&["network", "consensus", "night"]).await;
    assert_eq!(problem.code, windlass_model::ErrorCode::NetworkStopped);
    let (status, _) =
        platform.api("GET", "/v1/organizations/default/networks/night/metrics", None).await;
    assert_eq!(status, 401);
}
