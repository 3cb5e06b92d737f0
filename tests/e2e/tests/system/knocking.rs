//! Ten thousand connections to a validator's p2p port from nobody that it knows.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use windlass_e2e::{Account, Call, Platform, p2p_address, world};

use crate::support::{chain_id, healthy, no_fork, one_tip};

/// How many connections are attempted of each kind, and by how many at once.
const EACH: usize = 2_500;
const AT_ONCE: usize = 50;
/// What a node may hold more afterwards, and have said.
const MORE_MEMORY: u64 = 64 << 20;
const MORE_DESCRIPTORS: usize = 64;
const MORE_LOG: usize = 64 << 10;

/// What comes after the connection.
#[derive(Clone, Copy, Debug)]
enum Knock {
    /// Nothing: it is closed at once.
    Bare,
    /// Bytes that mean nothing, many of them.
    Garbage,
    /// The length of a message that does not come.
    Half,
    /// The length of a message that nobody may send.
    Oversized,
}

async fn knock(port: SocketAddr, knock: Knock) {
    // It may be refused at any point: that is what is asked for.
    let Ok(Ok(mut stream)) = timeout(Duration::from_secs(5), TcpStream::connect(port)).await else {
        return;
    };
    let bytes = match knock {
        Knock::Bare => Vec::new(),
        Knock::Garbage => (0..=u8::MAX).cycle().take(4_096).collect(),
        Knock::Half => vec![200, 1, 7],
        Knock::Oversized => vec![0xff; 9],
    };
    if stream.write_all(&bytes).await.is_ok() {
        let mut rest = [0; 64];
        drop(timeout(Duration::from_millis(20), stream.read(&mut rest)).await);
    }
}

async fn knock_often(port: SocketAddr) {
    for kind in [Knock::Bare, Knock::Garbage, Knock::Half, Knock::Oversized] {
        let mut all = JoinSet::new();
        for _ in 0..AT_ONCE {
            all.spawn(async move {
                for _ in 0..EACH / AT_ONCE {
                    knock(port, kind).await;
                }
            });
        }
        all.join_all().await;
    }
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// What a node has written to its logs.
fn log_of(directory: &Path) -> String {
    let files = world::tree(directory);
    let logs = files.iter().filter(|path| path.to_string_lossy().contains(".log"));
    logs.filter_map(|path| fs::read_to_string(path).ok()).collect()
}

#[tokio::test]
async fn ten_thousand_strangers_at_the_door_of_a_validator_disturb_nothing() {
    let platform = Platform::start().await;
    platform.create("door", 4).await;
    let network = healthy(&platform, "door").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    let first = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&first).await;
    let node = network.nodes.first().expect("it has nodes");
    let (pid, directory) = (node.pid.expect("it runs"), platform.workload(node.id.as_str()));
    let port = p2p_address(&directory);
    let before = (world::usage(pid).1, descriptors(pid), log_of(&directory).len());

    let mut knocking = JoinSet::new();
    knocking.spawn(knock_often(port));
    let mut sent = 0;
    let mut most = 0;
    while knocking.try_join_next().is_none() {
        let hash = account.send(&endpoint, Call::default()).await;
        let receipt = endpoint.receipt(&hash).await;
        assert_eq!(receipt.get("status"), Some(&json!("0x1")));
        most = most.max(descriptors(pid));
        sent += 1;
    }
    assert!(sent > 0, "transactions went on");
    assert!(most < before.1 + 400, "{most} descriptors, {} before", before.1);

    // The gateway keeps some of its own connections for a while.
    let back = format!("no more than {} descriptors, {MORE_DESCRIPTORS} more", before.1);
    world::eventually(&back, Duration::from_mins(2), async || {
        (descriptors(pid) <= before.1 + MORE_DESCRIPTORS).then_some(())
    })
    .await;
    let after = (world::usage(pid).1, log_of(&directory));
    assert!(after.0 < before.0 + MORE_MEMORY, "{} bytes, {} before", after.0, before.0);
    let length = after.1.len();
    assert!(length < before.2 + MORE_LOG, "{length} bytes of logs, {} before", before.2);
    assert!(after.1.contains("connections to the p2p port were refused"), "it says so");
    println!("{sent} transactions meanwhile, at most {most} descriptors");

    let now = healthy(&platform, "door").await;
    assert_eq!(now.nodes.iter().map(|node| node.restarts).sum::<u32>(), 0, "nobody ended");
    let tip = one_tip(&platform, &now, sent).await;
    no_fork(&platform, &now, tip.number).await;
}
