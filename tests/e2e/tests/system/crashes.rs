//! The platform is killed at every step that can be seen from outside, and comes back.
//!
//! A create and a destroy leave marks in the data directory: keys, directories, files, sockets,
//! locks. One that is left alone shows how many different sets of marks there are; then the same is
//! done again and again, and each time the platform is killed when another number of marks is there.

use std::{fs, path::Path, time::Duration};

use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::{
    api::Accepted,
    network::{Network, NetworkState, Operation, OperationState},
};

use crate::support::{chain_id, healthy, no_leaks, one_process_each, one_tip};

/// How many marks there are: everything in the data directory but the platform's own files, and
/// each node process.
fn marks(platform: &Platform) -> usize {
    let below = |folder: &str| world::tree(&platform.data_dir.join(folder));
    let shallow = |path: &Path| {
        let inner = path.strip_prefix(&platform.data_dir).unwrap_or(path);
        inner.components().count() <= 4 && !inner.to_string_lossy().contains("gateway")
    };
    let keys = below("keys").len();
    let files = below("workloads").into_iter().filter(|path| shallow(path)).count();
    keys + files
}

/// Kills the platform as soon as the marks have come to (or gone down to) a number, or when the
/// operation is over, whatever comes first.
async fn kill_at(platform: &mut Platform, reached: impl Fn(usize) -> bool) {
    let began = world::now();
    while !reached(marks(platform)) && began.elapsed() < Duration::from_secs(5) {
        tokio::task::yield_now().await;
    }
    platform.kill();
}

async fn last_operation(platform: &Platform, name: &str) -> Option<Operation> {
    let operations: Vec<Operation> = platform.run(&["operation", "ls"]).await;
    operations.into_iter().find(|operation| operation.network_name.as_str() == name)
}

#[tokio::test]
async fn killed_at_any_step_of_a_create_it_carries_the_create_to_its_end() {
    let mut platform = Platform::start().await;
    platform.create("whole", 4).await;
    let all = marks(&platform);
    platform.destroy("whole").await;
    let rounds = 8;
    for round in 0..rounds {
        let name = format!("cut-{round}");
        let target = all * round / rounds;
        let accepted: Accepted =
            platform.run(&["network", "create", &name, "--validators", "4", "--no-wait"]).await;
        kill_at(&mut platform, |now| now >= target).await;
        let survivors = platform.node_pids();
        platform.up().await;
        let id = accepted.operation.expect("a create is an operation").id;
        let operation: Operation = platform.run(&["operation", "wait", id.as_str()]).await;
        assert_eq!(operation.state, OperationState::Succeeded, "round {round}: {operation:?}");
        one_process_each(&platform);
        let network = healthy(&platform, &name).await;
        assert_eq!(network.state, NetworkState::Usable);
        for pid in survivors {
            assert!(world::is_alive(pid), "round {round}: {pid} ran and was not adopted");
        }
        let endpoint = Platform::endpoint(&network);
        let mut account = Account::new(chain_id(&endpoint).await);
        let hash = account.send(&endpoint, Call::default()).await;
        endpoint.receipt(&hash).await;
        platform.destroy(&name).await;
        assert_eq!(marks(&platform), 0, "round {round}: something is left");
    }
    no_leaks(&platform).await;
}

#[tokio::test]
async fn killed_at_any_step_of_a_destroy_it_carries_the_destroy_to_its_end() {
    let mut platform = Platform::start().await;
    let rounds = 6;
    for round in 0..rounds {
        let name = format!("gone-{round}");
        platform.create(&name, 4).await;
        let full = marks(&platform);
        let pids = platform.node_pids();
        let target = full * (rounds - round) / rounds;
        let accepted: Accepted =
            platform.run(&["network", "destroy", &name, "-y", "--no-wait"]).await;
        kill_at(&mut platform, |now| now <= target).await;
        platform.up().await;
        let id = accepted.operation.expect("a destroy is an operation").id;
        let operation: Operation = platform.run(&["operation", "wait", id.as_str()]).await;
        assert_eq!(operation.state, OperationState::Succeeded, "round {round}: {operation:?}");
        let receipt = operation.receipt.expect("a destroy has a receipt");
        assert!(receipt.released.len() >= 12, "the receipt is whole: {receipt:?}");
        assert!(pids.iter().all(|pid| !world::is_alive(*pid)), "round {round}: a process is left");
        assert_eq!(marks(&platform), 0, "round {round}: something is left");
        let (code, _) = platform.refused(&["network", "show", &name]).await;
        assert_eq!(code, 3);
    }
    no_leaks(&platform).await;
}

#[tokio::test]
async fn a_create_that_was_interrupted_is_destroyed_without_a_trace() {
    let mut platform = Platform::start().await;
    let _accepted: Accepted =
        platform.run(&["network", "create", "half", "--validators", "4", "--no-wait"]).await;
    kill_at(&mut platform, |now| now > 10).await;
    platform.up().await;
    let operation = platform.destroy("half").await;
    assert_eq!(operation.state, OperationState::Succeeded);
    let create = last_operation(&platform, "half").await.expect("operations outlive networks");
    assert!(create.finished_at_ms.is_some());
    assert_eq!(marks(&platform), 0);
    no_leaks(&platform).await;
}

#[tokio::test]
async fn nodes_and_gateway_outlive_the_platform_and_are_adopted() {
    let mut platform = Platform::start().await;
    platform.create("adopt", 4).await;
    let before = healthy(&platform, "adopt").await;
    let endpoint = Platform::endpoint(&before);
    let mut account = Account::new(chain_id(&endpoint).await);
    let all = |platform: &Platform| -> Vec<u32> {
        let own = platform.pid();
        let found = world::processes(&platform.data_dir);
        found.into_iter().map(|process| process.pid).filter(|pid| *pid != own).collect()
    };
    let pids = all(&platform);
    assert_eq!(pids.len(), 5, "four nodes and the gateway");

    platform.kill();
    // Nobody is there, and clients do not notice.
    let hash = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&hash).await;
    platform.up().await;
    let after = healthy(&platform, "adopt").await;
    assert_eq!(all(&platform), pids, "the same processes");
    assert!(after.nodes.iter().all(|node| node.restarts == 0));
    let hash = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&hash).await;

    // A node that dies while the platform is away is started again, once.
    platform.kill();
    let first = after.nodes.first().and_then(|node| node.pid).expect("the node runs");
    world::kill(first);
    platform.up().await;
    let back = healthy(&platform, "adopt").await;
    assert_ne!(back.nodes.first().and_then(|node| node.pid), Some(first));
    one_process_each(&platform);
    one_tip(&platform, &back, 2).await;
}

#[tokio::test]
async fn the_gateway_is_started_again_at_its_port() {
    let platform = Platform::start().await;
    platform.create("door", 1).await;
    let network = healthy(&platform, "door").await;
    let endpoint = Platform::endpoint(&network);
    let gateway = world::processes(&platform.data_dir)
        .into_iter()
        .find(|process| process.is("gateway"))
        .expect("there is a gateway");
    world::kill(gateway.pid);
    answers_again(&endpoint).await;
}

#[tokio::test]
async fn a_gateway_that_hangs_holds_up_no_destroy_and_is_replaced() {
    let platform = Platform::start().await;
    platform.create("gone", 1).await;
    platform.create("stays", 1).await;
    let gone = Platform::endpoint(&healthy(&platform, "gone").await);
    let stays = Platform::endpoint(&healthy(&platform, "stays").await);
    let gateway = || {
        let found = world::processes(&platform.data_dir);
        found.into_iter().find(|process| process.is("gateway")).map(|process| process.pid)
    };
    let hung = gateway().expect("there is a gateway");
    let pid = i32::try_from(hung).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.expect("a pid is a positive number");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("it runs");
    let operation = platform.destroy("gone").await;
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
    answers_again(&stays).await;
    assert_ne!(gateway(), Some(hung), "it was replaced");
    let answer = gone.try_post(r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#).await;
    assert_eq!(answer, Some(404), "no route is left behind");
}

async fn answers_again(endpoint: &Endpoint) {
    world::eventually("the endpoint answers again", Duration::from_secs(30), async || {
        endpoint.try_call("eth_chainId", serde_json::json!([])).await?.ok()
    })
    .await;
}

#[tokio::test]
async fn stopping_the_platform_keeps_networks_and_down_does_not() {
    let mut platform = Platform::start().await;
    platform.create("stay", 1).await;
    let pids = platform.node_pids();
    let own = i32::try_from(platform.pid()).expect("a pid is small");
    let own = rustix::process::Pid::from_raw(own).expect("a pid is positive");
    rustix::process::kill_process(own, rustix::process::Signal::TERM).expect("it runs");
    assert_eq!(platform.ended().await, 0, "a clean end");
    assert_eq!(platform.node_pids(), pids);
    assert!(!platform.data_dir.join("platform.json").exists());

    platform.up().await;
    assert_eq!(platform.node_pids(), pids);
    let _late: Accepted =
        platform.run(&["network", "create", "late", "--validators", "1", "--no-wait"]).await;
    let down = platform.cli(&["down"]).await;
    assert_eq!(down.code, 0, "a network that is being created is waited for: {:?}", down.said);
    platform.ended().await;
    assert_eq!(world::processes(&platform.data_dir), Vec::<world::Process>::new());
    let (code, problem) = platform.refused(&["status"]).await;
    assert_eq!((code, problem.code.as_str()), (6, "platform_not_running"));

    platform.up().await;
    let network: Network = platform.show("stay").await;
    assert_eq!(network.state, NetworkState::Stopped);
    assert_eq!(platform.show("late").await.state, NetworkState::Stopped);
    let started: Accepted = platform.run(&["network", "start", "stay"]).await;
    assert_eq!(started.network.state, NetworkState::Usable);
    let lock = fs::metadata(platform.data_dir.join("lock")).expect("the lock file is there");
    assert!(lock.is_file());
}
