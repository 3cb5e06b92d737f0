//! A ledger whose pages are not what was written.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use windlass_e2e::{Account, Call, Platform, world};
use windlass_model::{ErrorCode, network::Health};

use crate::support::{chain_id, healthy, no_fork, one_tip};

const PAGE: usize = 4_096;

fn garble(ledger: &Path) {
    let mut bytes = fs::read(ledger).expect("there is a ledger");
    // The first page is the file's header, which has a spare copy of what it says.
    bytes.iter_mut().skip(PAGE).for_each(|byte| *byte ^= 0xa5);
    fs::write(ledger, bytes).expect("it can be written");
}

#[tokio::test]
async fn a_damaged_ledger_is_fetched_from_the_peers_and_if_that_does_not_last_is_told() {
    let platform = Platform::start().await;
    platform.create("torn", 4).await;
    let network = healthy(&platform, "torn").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    for _ in 0..5 {
        let hash = account.send(&endpoint, Call::default()).await;
        endpoint.receipt(&hash).await;
    }
    let victim = network.nodes.get(2).expect("there are four").id.clone();
    let data = platform.workload(victim.as_str()).join("data");
    let _stopped: Value = platform.run(&["network", "stop", "torn"]).await;
    garble(&data.join("ledger.redb"));

    // A quorum is sound, so the network starts, and the fourth gets its ledger from the others.
    let _started: Value = platform.run(&["network", "start", "torn"]).await;
    let aside = data.with_extension("damaged").join("ledger.redb");
    world::eventually("it is put aside", Duration::from_secs(20), async || {
        aside.exists().then_some(())
    })
    .await;
    let mended = platform
        .until("torn", "it runs again, in silence until the next epoch", |network| {
            let why = network.reason.as_ref().map(|reason| reason.message.as_str());
            network.health == Health::Degraded
                && why.is_some_and(|why| why.starts_with("3 of 4 validators vote; validator-2: "))
        })
        .await;
    let height = endpoint.height().await;
    assert_eq!(one_tip(&platform, &mended, height).await.number, height);

    // What is damaged again at once is not the ledger's fault.
    let _stopped: Value = platform.run(&["network", "stop", "torn"]).await;
    garble(&data.join("ledger.redb"));
    let _started: Value = platform.run(&["network", "start", "torn"]).await;
    let started = platform
        .until("torn", "the damage is told", |network| {
            network.nodes.get(2).is_some_and(|node| node.reason.is_some())
        })
        .await;
    let reason = started.nodes.get(2).and_then(|node| node.reason.clone()).expect("it has one");
    assert_eq!(reason.code, ErrorCode::LedgerDamaged, "{reason:?}");
    assert!(reason.remedy.contains(&*data.to_string_lossy()), "{reason:?}");
    let shown = platform.cli_text(&["network", "show", "torn"]).await;
    assert!(shown.stdout.contains(&reason.remedy), "{}", shown.stdout);
    let hash = account.send(&Platform::endpoint(&started), Call::default()).await;
    endpoint.receipt(&hash).await;

    // What the remedy says helps.
    fs::rename(&data, data.with_extension("again")).expect("it can be moved");
    platform
        .until("torn", "the node runs again", |network| {
            network.nodes.get(2).is_some_and(|node| node.pid.is_some())
        })
        .await;
    let height = endpoint.height().await;
    assert_eq!(one_tip(&platform, &started, height).await.number, height);
    no_fork(&platform, &started, height).await;
    platform.destroy("torn").await;
}
