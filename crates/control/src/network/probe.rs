//! Questions to nodes and endpoints, by which a network shows that it works.

use std::{net::SocketAddr, time::Duration};

use futures::future::join_all;
use serde_json::Value;
use windlass_engine::{Engine, EngineError, RpcRequest};
use windlass_model::{
    key::DEFAULT,
    network::{BlockRef, NodeEvidence},
};

use crate::{
    gateway,
    network::{Reconciler, observe::Observation},
    store::rows::{NetworkRow, NodeRow, StoredTransaction},
    world::{Message, RpcError, Target, WireError, World, rpc, rpc_first},
};

/// How long a node has for an answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What the gateway answers where it has the network, and the key is not one of its.
const KEY_IS_WRONG: u16 = 401;

/// And where more is asked of it than the rate of the organization allows.
const LIMIT_EXCEEDED: i64 = -32005;

/// What the nodes have shown.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    pub(crate) nodes: Vec<NodeEvidence>,
    pub(crate) test_transaction: String,
    pub(crate) test_block: BlockRef,
}

/// What the endpoint has shown.
#[derive(Clone, Debug)]
pub(crate) struct EndpointProof {
    pub(crate) url: String,
    pub(crate) chain_id: u64,
    pub(crate) block: u64,
}

/// Why a question has no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("{node} does not answer")]
    Node {
        node: String,
        #[source]
        source: RpcError,
    },
    #[error("the endpoint does not answer")]
    Endpoint(#[source] RpcError),
    #[error("an answer makes no sense")]
    Engine(#[from] EngineError),
    #[error("{node} does not have {what} yet")]
    Missing { node: String, what: &'static str },
    #[error("the nodes have different first blocks: {one} and {other}")]
    Disagree { one: String, other: String },
    #[error("the endpoint {url} is not one")]
    Url { url: String },
    #[error("the gateway could not be asked")]
    Gateway(#[source] WireError),
    #[error("the gateway answers {status} to a request without a key, and not 401")]
    Keyless { status: u16 },
}

/// Where a node answers, if it runs.
pub(crate) fn target(
    observed: &Observation,
    engine: &dyn Engine,
    node: &NodeRow,
) -> Option<Target> {
    let instance = observed.instance(node)?;
    instance.running()?;
    instance.sockets.get(engine.rpc_socket()).cloned().map(Target::Socket)
}

/// One question to one node.
pub(crate) async fn ask(
    world: &World,
    target: &Target,
    request: &RpcRequest,
) -> Result<Value, RpcError> {
    rpc(&*world.wire, target, "/", (request.method, &request.params), ANSWER_TIMEOUT).await
}

/// One question to the first of some nodes that answers.
pub(crate) async fn ask_first(
    world: &World,
    targets: &[Target],
    request: &RpcRequest,
) -> Result<Value, RpcError> {
    rpc_first(&*world.wire, targets, (request.method, &request.params), ANSWER_TIMEOUT).await
}

/// Sends the test transaction to every node: it is the same one however often it is sent, and
/// whoever proposes has it. An answer says nothing that the next report doesn't say.
pub(crate) async fn send_test(
    reconciler: &Reconciler,
    observed: &Observation,
    engine: &dyn Engine,
    test: &StoredTransaction,
) {
    let wire = &*reconciler.world.wire;
    let targets: Vec<Target> =
        observed.record.nodes.iter().filter_map(|node| target(observed, engine, node)).collect();
    let sent = join_all(targets.iter().map(|target| {
        rpc(wire, target, "/", (test.method.as_str(), &test.params), ANSWER_TIMEOUT)
    }));
    for error in sent.await.into_iter().filter_map(Result::err) {
        tracing::debug!(network = %observed.record.network.id, %error, "test transaction");
    }
}

/// Asks every node for the first block, and the first node for the receipt.
pub(crate) async fn collect(
    reconciler: &Reconciler,
    observed: &Observation,
    engine: &dyn Engine,
) -> Result<Proof, ProbeError> {
    let world = &reconciler.world;
    let nodes = &observed.record.nodes;
    let hash = observed
        .record
        .network
        .status
        .test_transaction
        .as_ref()
        .map(|test| test.hash.clone())
        .unwrap_or_default();
    let asked = nodes.iter().enumerate().map(|(index, node)| {
        let hash = hash.as_str();
        async move {
            let receipt = if index == 0 {
                test_block(world, observed, engine, node, hash).await?
            } else {
                None
            };
            let evidence = first_block(world, observed, engine, node).await?;
            Ok::<_, ProbeError>((evidence, receipt))
        }
    });
    let mut evidence: Vec<NodeEvidence> = Vec::new();
    let mut test_block = None;
    for answer in join_all(asked).await {
        let (node, receipt) = answer?;
        test_block = test_block.or(receipt);
        if let Some(first) = evidence.first()
            && first.first_block != node.first_block
        {
            return Err(ProbeError::Disagree {
                one: first.first_block.hash.clone(),
                other: node.first_block.hash,
            });
        }
        evidence.push(node);
    }
    let missing = || ProbeError::Missing {
        node: nodes.first().map(|node| node.name.clone()).unwrap_or_default(),
        what: "the receipt of the test transaction",
    };
    let test_block = test_block.ok_or_else(missing)?;
    Ok(Proof { nodes: evidence, test_transaction: hash, test_block })
}

async fn test_block(
    world: &World,
    observed: &Observation,
    engine: &dyn Engine,
    node: &NodeRow,
    hash: &str,
) -> Result<Option<BlockRef>, ProbeError> {
    let answer = ask_node(world, observed, engine, (node, &engine.receipt_request(hash))).await?;
    Ok(engine.read_receipt(&answer)?)
}

async fn first_block(
    world: &World,
    observed: &Observation,
    engine: &dyn Engine,
    node: &NodeRow,
) -> Result<NodeEvidence, ProbeError> {
    let answer = ask_node(world, observed, engine, (node, &engine.block_request(1))).await?;
    let block = engine
        .read_block(&answer)?
        .ok_or_else(|| ProbeError::Missing { node: node.name.clone(), what: "the first block" })?;
    let key = |public: Option<[u8; 32]>| public.map(hex::encode).unwrap_or_default();
    Ok(NodeEvidence {
        node: node.name.clone(),
        node_key: key(node.node_key.public),
        consensus_key: key(node.consensus_key.public),
        first_block: BlockRef { number: block.number, hash: block.hash },
    })
}

async fn ask_node(
    world: &World,
    observed: &Observation,
    engine: &dyn Engine,
    (node, request): (&NodeRow, &RpcRequest),
) -> Result<Value, ProbeError> {
    let missing = || ProbeError::Missing { node: node.name.clone(), what: "a process" };
    let target = target(observed, engine, node).ok_or_else(missing)?;
    ask(world, &target, request)
        .await
        .map_err(|source| ProbeError::Node { node: node.name.clone(), source })
}

/// Calls the endpoint like a client.
pub(crate) async fn endpoint(
    world: &World,
    engine: &dyn Engine,
    url: &str,
    timeout: Duration,
) -> Result<EndpointProof, ProbeError> {
    let wire = &*world.wire;
    let (target, path) = split(url).ok_or_else(|| ProbeError::Url { url: url.to_owned() })?;
    let call = async |request: RpcRequest| {
        let question = (request.method, &request.params);
        rpc(wire, &target, path, question, timeout).await.map_err(ProbeError::Endpoint)
    };
    let block = engine.read_height(&call(engine.height_request()).await?)?;
    let status = engine.read_status(&call(engine.status_request()).await?)?;
    Ok(EndpointProof { url: url.to_owned(), chain_id: status.chain_id, block })
}

/// Calls the network's endpoint as well as it can be: like a client, or, where its keys are known to their
/// users only or are limited in rate, or clients have used up what the organization may ask, so that the
/// gateway shows that it serves it. What a client would have been answered is `None` then. A network that
/// was never shown to work has to answer like a client.
pub(crate) async fn served(
    world: &World,
    engine: &dyn Engine,
    (base, network): (&str, &NetworkRow),
    patience: Duration,
) -> Result<Option<EndpointProof>, ProbeError> {
    let unlimited = network.key(DEFAULT).is_some_and(|key| key.body.limit.is_none());
    if let Some(url) = gateway::endpoint(base, network).filter(|_| unlimited) {
        match endpoint(world, engine, &url, patience).await {
            Err(ProbeError::Endpoint(RpcError::Refused { code: LIMIT_EXCEEDED, .. }))
                if network.status.evidence.is_some() => {}
            called => return called.map(Some),
        }
    }
    let url = gateway::url_with(base, &network.id, "");
    serves_without_key(world, &url, patience).await.map(|()| None)
}

/// Whether the gateway serves the network, as far as that is seen without a key.
async fn serves_without_key(world: &World, url: &str, timeout: Duration) -> Result<(), ProbeError> {
    let (target, path) = split(url).ok_or_else(|| ProbeError::Url { url: url.to_owned() })?;
    let message =
        Message { target, method: "POST", path: path.to_owned(), body: b"{}".to_vec(), timeout };
    let reply = world.wire.exchange(message).await.map_err(ProbeError::Gateway)?;
    if reply.status == KEY_IS_WRONG {
        Ok(())
    } else {
        Err(ProbeError::Keyless { status: reply.status })
    }
}

/// `http://127.0.0.1:4711/n/…` as address and path.
fn split(url: &str) -> Option<(Target, &str)> {
    let rest = url.strip_prefix("http://")?;
    let at = rest.find('/')?;
    let address: SocketAddr = rest.get(..at)?.parse().ok()?;
    Some((Target::Address(address), rest.get(at..)?))
}
