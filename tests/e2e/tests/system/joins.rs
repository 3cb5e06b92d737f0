//! Nodes come and go while a network lives: by the command line, as a new user would.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform, call_node, node_socket, world};
use windlass_model::{
    governance::{NetworkMember, ProposalState},
    network::{Health, Node, NodeRole},
    receipt::ReleasedKind,
};

use crate::{
    proof::verify,
    support::{PATIENCE, create, does, healthy, no_fork, no_leaks, one_tip, quantity, status_of},
};

/// Proposes or votes, and tells where the proposal is then.
async fn ballot(platform: &Platform, line: &str) -> ProposalState {
    does(platform, line).await.ballot.expect("it tells what came of it").proposal.state
}

async fn nodes(platform: &Platform, network: &str) -> Vec<Node> {
    platform.run(&["network", "node", "ls", network]).await
}

/// Waits until so many nodes say that they vote, of so many validators.
async fn seats(platform: &Platform, network: &str, count: usize) -> Vec<Node> {
    let what = format!("{count} nodes vote");
    world::eventually(&what, PATIENCE, async || {
        let nodes = nodes(platform, network).await;
        let voting = nodes.iter().filter(|node| node.voting == Some(true)).count();
        let told = platform.show(network).await.voting_validators;
        (voting == count && told == u32::try_from(count).ok()).then_some(nodes)
    })
    .await
}

/// Waits until each of these nodes is connected with all the others.
async fn met(platform: &Platform, nodes: &[Node]) {
    world::eventually("all nodes are connected", PATIENCE, async || {
        for node in nodes {
            let status = status_of(platform, node.id.as_str()).await?;
            let peers = status.get("peers")?.as_array()?.iter();
            let connected = peers.filter(|peer| peer["connected"] == true).count();
            (connected + 1 == nodes.len()).then_some(())?;
        }
        Some(())
    })
    .await;
}

/// Sends transactions, one after the other, until it is told to stop; all that were acknowledged.
async fn load(
    endpoint: &Endpoint,
    chain_id: u64,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) -> Vec<String> {
    let mut account = Account::new(chain_id);
    let mut sent = Vec::new();
    while matches!(stopped.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)) {
        sent.push(account.send(endpoint, Call::default()).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent
}

/// The newest block; none while the node that was asked is lost, as clients are told to ask again.
async fn height(endpoint: &Endpoint) -> Option<u64> {
    quantity(&endpoint.try_call("eth_blockNumber", json!([])).await?.ok()?)
}

async fn moves_on(endpoint: &Endpoint) {
    let before =
        world::eventually("a node answers", PATIENCE, async || height(endpoint).await).await;
    world::eventually("blocks are made", PATIENCE, async || {
        height(endpoint).await.filter(|height| *height > before + 2)
    })
    .await;
}

async fn grow_and_shrink(platform: &Platform, endpoint: &Endpoint, stop: impl Sized) {
    let added = does(platform, "node add trade --member acme --count 3").await;
    assert_eq!(added.nodes, ["validator-4", "validator-5", "validator-6"]);
    let next = added.next.expect("it says how they are voted in");
    let told = nodes(platform, "trade").await;
    assert!(told[4..].iter().all(|node| node.role == NodeRole::Observer), "{told:?}");
    assert!(told[4..].iter().all(|node| node.voting == Some(false)), "{told:?}");

    let (_, next) = next.split_once("windlass network ").expect("it is a command");
    assert_eq!(ballot(platform, next).await, ProposalState::Approved);
    let told = seats(platform, "trade", 7).await;
    assert!(told.iter().all(|node| node.role == NodeRole::Validator), "{told:?}");
    let (exit, problem) =
        platform.refused(&["network", "node", "rm", "trade", "validator-5", "-y"]).await;
    assert_eq!((exit, problem.code.as_str()), (4, "node_votes"), "{problem:?}");

    // Of seven two may fail, a new one among them.
    for node in [&told[0], &told[4]] {
        world::kill(node.pid.expect("it runs"));
    }
    moves_on(endpoint).await;
    healthy(platform, "trade").await;

    let file = platform.data_dir.with_extension("json");
    let action =
        |name: &str| format!("{{\"action\":\"remove_validator\",\"validator\":\"{name}\"}}");
    let actions: Vec<String> = added.nodes.iter().map(|name| action(name)).collect();
    fs::write(&file, format!("{{\"actions\":[{}]}}", actions.join(","))).expect("a file");
    let propose = format!("propose trade -f {}", file.to_string_lossy());
    assert_eq!(ballot(platform, &propose).await, ProposalState::Approved);
    seats(platform, "trade", 4).await;
    for name in &added.nodes {
        let removed = does(platform, &format!("node rm trade {name} -y")).await;
        let receipt = removed.receipt.expect("a removal hands back a receipt");
        let count = |kind| receipt.released.iter().filter(|one| one.kind == kind).count();
        assert_eq!((count(ReleasedKind::Process), count(ReleasedKind::Key)), (1, 2), "{receipt:?}");
    }
    moves_on(endpoint).await;
    drop(stop);
}

#[tokio::test]
async fn four_validators_become_seven_and_four_again_under_load() {
    let platform = Platform::start().await;
    let spec = "chain_id = 77010\nepoch_length = 16\n[[members]]\norganization = \"acme\"\n\
                validators = 4\n";
    let network = create(&platform, "trade", spec).await;
    let endpoint = Platform::endpoint(&network);
    let before: Vec<_> = network.nodes.iter().map(|node| node.pid).collect();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (sent, ()) =
        tokio::join!(load(&endpoint, 77_010, stopped), grow_and_shrink(&platform, &endpoint, stop));
    assert!(sent.len() > 20, "{} transactions were sent meanwhile", sent.len());
    for hash in &sent {
        let receipt = endpoint.receipt(hash).await;
        assert_eq!(receipt["status"], "0x1", "{hash} is not lost");
    }
    let network = healthy(&platform, "trade").await;
    assert_eq!(network.nodes.len(), 4);
    let after: Vec<_> = network.nodes.iter().map(|node| node.pid).collect();
    assert_eq!(after[1..], before[1..], "nobody was restarted but the one that was killed");
    let tip = one_tip(&platform, &network, 1).await;
    no_fork(&platform, &network, tip.number).await;
    platform.destroy("trade").await;
    no_leaks(&platform).await;
}

/// Three organizations: the first has two validators.
const CONSORTIUM: &str = "kind = \"consortium\"\nchain_id = 77011\nepoch_length = 8\n\
    [[members]]\norganization = \"acme\"\nvalidators = 2\n\
    [[members]]\norganization = \"beta\"\nvalidators = 1\n\
    [[members]]\norganization = \"gamma\"\nvalidators = 1\n";

async fn organizations(platform: &Platform) -> Vec<String> {
    let members: Vec<NetworkMember> = platform.run(&["network", "members", "ring"]).await;
    members.into_iter().map(|one| one.organization).collect()
}

#[tokio::test]
async fn a_consortium_takes_a_member_in_and_removes_its_first() {
    let platform = Platform::start().await;
    let network = create(&platform, "ring", CONSORTIUM).await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(77_011);
    let first = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&first).await;

    // Its node is there, and nobody lets it in yet.
    let added = does(&platform, "node add ring --member delta").await;
    let told = nodes(&platform, "ring").await;
    assert_eq!((told[4].role, told[4].name.as_str()), (NodeRole::Unnamed, "validator-4"));
    assert_eq!(platform.show("ring").await.health, Health::Healthy);
    let next = added.next.expect("it says how it is voted in");
    let (_, next) = next.split_once("windlass network ").expect("it is a command");
    assert_eq!(ballot(&platform, next).await, ProposalState::InProgress);
    assert_eq!(ballot(&platform, "vote ring 1 yes --as beta").await, ProposalState::Approved);
    met(&platform, &seats(&platform, "ring", 5).await).await;
    assert_eq!(organizations(&platform).await, ["acme", "beta", "gamma", "delta"]);

    // The new member proposes, and votes with the others against the first.
    let propose = "propose ring --as delta --reason left remove-member acme";
    assert_eq!(ballot(&platform, propose).await, ProposalState::InProgress);
    ballot(&platform, "vote ring 2 yes --as beta").await;
    assert_eq!(ballot(&platform, "vote ring 2 yes --as gamma").await, ProposalState::Approved);
    let told = seats(&platform, "ring", 3).await;
    assert_eq!(organizations(&platform).await, ["beta", "gamma", "delta"]);
    for node in &told[..2] {
        assert_eq!(node.role, NodeRole::Unnamed, "{node:?}");
    }
    // What is sent to a node that nobody lets in any more would wait there for ever.
    world::eventually("clients reach the new validators", PATIENCE, async || {
        let status = endpoint.try_call("windlass_status", json!([])).await?.ok()?;
        (status.get("named")? == true && status.get("validators")? == 3).then_some(())
    })
    .await;
    let second = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&second).await;
    world::eventually("the first member's nodes say that they are out", PATIENCE, async || {
        let mut alone = true;
        for node in &told[..2] {
            let status = status_of(&platform, node.id.as_str()).await?;
            let peers = status.get("peers")?.as_array()?.iter();
            alone &= status.get("named")? == false
                && peers.filter(|peer| peer["connected"] == true).count() == 0;
        }
        alone.then_some(())
    })
    .await;
    // They take nothing that nobody would get, and get no block any more.
    let socket = node_socket(&platform.data_dir, told[0].id.as_str());
    let raw = json!([Account::new(77_011).sign(Call::default())]);
    let refused = call_node(&socket, "eth_sendRawTransaction", raw).await.expect("it answers");
    assert_eq!(refused.expect_err("nobody would get it").code, -32_050);
    let tip = async |node: &Node| {
        let status = status_of(&platform, node.id.as_str()).await.expect("it runs");
        status["tip"]["number"].as_u64().expect("a number")
    };
    let out = [tip(&told[0]).await, tip(&told[1]).await];
    for _ in 0..3 {
        endpoint.receipt(&account.send(&endpoint, Call::default()).await).await;
    }
    world::eventually("the others go on", PATIENCE, async || {
        (tip(&told[2]).await > out[0] + 2).then_some(())
    })
    .await;
    assert_eq!([tip(&told[0]).await, tip(&told[1]).await], out);
    let network = platform.show("ring").await;
    assert_eq!(network.health, Health::Healthy, "{network:?}");

    proven(&platform, &first).await;
    for node in ["validator-0", "validator-1"] {
        does(&platform, &format!("node rm ring {node} -y")).await;
    }
    healthy(&platform, "ring").await;
    platform.destroy("ring").await;
}

/// A transaction that was made before the members changed is proven from files alone.
async fn proven(platform: &Platform, hash: &str) {
    let home = tempfile::tempdir().expect("a folder");
    let file = |name: &str| home.path().join(name).to_string_lossy().into_owned();
    let (proof, genesis) = (file("proof.json"), file("genesis.json"));
    let _file: Value = platform.run(&["proof", "tx", "ring", hash, "-o", &proof]).await;
    let _file: Value = platform.run(&["network", "genesis", "ring", "-o", &genesis]).await;
    let proven = verify(home.path(), &[&proof, "--genesis", &genesis]).await.expect("it holds");
    assert_eq!(proven["transaction"]["hash"], hash);
    assert_eq!(proven["transaction"]["succeeded"], true);
}

/// Asks until it is told to stop: how often, and what was no answer.
async fn ask(
    endpoint: &Endpoint,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) -> (usize, Vec<String>) {
    let (mut asked, mut failed) = (0, Vec::new());
    while matches!(stopped.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)) {
        let answer = endpoint.try_call("eth_blockNumber", json!([])).await;
        asked += 1;
        if !matches!(answer, Some(Ok(_))) {
            failed.push(format!("{answer:?}"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (asked, failed)
}

#[tokio::test]
async fn more_nodes_than_p2p_was_opened_for_come_and_somebody_answers_all_along() {
    let platform = Platform::start().await;
    let spec = "chain_id = 77012\n[[members]]\norganization = \"acme\"\nvalidators = 4\n";
    let network = create(&platform, "crowd", spec).await;
    let endpoint = Platform::endpoint(&network);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let grow = async {
        let added = does(&platform, "node add crowd --member acme --count 6").await;
        assert_eq!(added.nodes.len(), 6);
        let anew = async |node: &Node| {
            let line = "p2p is opened anew";
            let log = platform.cli_text(&["network", "logs", "crowd", "--node", &node.name]).await;
            log.stdout.contains(line)
        };
        world::eventually("each validator has opened p2p anew", PATIENCE, async || {
            let mut all = true;
            for node in &network.nodes {
                all &= anew(node).await;
            }
            all.then_some(())
        })
        .await;
        healthy(&platform, "crowd").await;
        drop(stop);
    };
    let ((asked, failed), ()) = tokio::join!(ask(&endpoint, stopped), grow);
    assert!(asked > 50, "{asked} were asked meanwhile");
    assert!(failed.is_empty(), "{} of {asked}: {:?}", failed.len(), failed.first());
    platform.destroy("crowd").await;
}
