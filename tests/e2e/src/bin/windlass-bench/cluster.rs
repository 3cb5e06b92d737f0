//! The nodes of a network without a platform, near each other or far apart.
//!
//! A platform makes the network, its keys and its genesis, and is stopped. The nodes then run from
//! copies of their directories, in whose `node.toml` each peer has the address of a relay: so every
//! connection between two nodes passes one that is as slow as wanted.

use std::{
    ffi::{OsStr, OsString},
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::Child,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use windlass_e2e::{
    Account, Call, Link, Platform, Relay, call_node, p2p_address, start_node, world,
};

/// How long a node may take until it is connected, and a transaction until it is final.
const PATIENCE: Duration = Duration::from_mins(1);

/// One node's process.
pub(crate) struct Node {
    directory: PathBuf,
    environment: Vec<(String, OsString)>,
    child: Option<Child>,
}

impl Node {
    /// One that somebody else runs.
    pub(crate) fn of(directory: PathBuf) -> Self {
        Self { directory, environment: Vec::new(), child: None }
    }

    pub(crate) fn start(&mut self) {
        self.child = Some(start_node(&self.directory, &self.environment));
    }

    /// Its process, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
        }
    }

    /// Asks it; `None` where it doesn't answer.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Option<Value> {
        call_node(&self.directory.join("rpc.sock"), method, params).await?.ok()
    }

    pub(crate) async fn status(&self) -> Option<Value> {
        self.ask("windlass_status", json!([])).await
    }

    /// Sends it a transaction and waits for the receipt there.
    pub(crate) async fn transact(&self, raw: &str) -> Value {
        let hash = self.ask("eth_sendRawTransaction", json!([raw])).await.expect("it is taken");
        let receipt = world::eventually("a receipt", PATIENCE, async || {
            let receipt = self.ask("eth_getTransactionReceipt", json!([hash])).await?;
            (!receipt.is_null()).then_some(receipt)
        })
        .await;
        assert_eq!(receipt["status"], "0x1", "a transaction failed: {receipt}");
        receipt
    }

    /// The newest block that it has.
    pub(crate) async fn height(&self) -> u64 {
        let status = self.status().await;
        status.and_then(|status| status["tip"]["number"].as_u64()).unwrap_or(0)
    }

    /// How long it took from the time of each block until this node had it final, in milliseconds,
    /// for as long as it is to be watched.
    pub(crate) async fn lags(&self, watched: impl Fn() -> bool) -> Vec<f64> {
        let (mut revision, mut last, mut lags) = (0, 0, Vec::new());
        while watched() {
            let params = json!([revision, 200]);
            let Some(status) = self.ask("windlass_awaitStatus", params).await else { continue };
            let now = unix_ms();
            let number = |value: &Value| value.as_u64().unwrap_or(0);
            revision = number(&status["revision"]);
            let tip = number(&status["tip"]["number"]);
            if tip > last && last > 0 {
                lags.push(now - whole(number(&status["tip"]["timestampMs"])));
            }
            last = last.max(tip);
        }
        lags
    }
}

/// The nodes of a network.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) account: Account,
    pub(crate) chain_id: u64,
    relays: Vec<Relay>,
    /// Held so that it goes last.
    _folder: TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
    }
}

impl Cluster {
    /// So many validators, each pair of them joined by such a link, with this in their environment.
    pub(crate) async fn start(
        platform: &Platform,
        spec: &str,
        link: Option<Link>,
        environment: &[(&str, &OsStr)],
    ) -> Self {
        let file = platform.data_dir.with_extension("toml");
        fs::write(&file, format!("name = \"far\"\n{spec}")).expect("the spec can be written");
        let created = ["network", "create", "-f", &file.to_string_lossy()];
        let _accepted: Value = platform.run(&created).await;
        let network = platform.show("far").await;
        let _stopped: Value = platform.run(&["network", "stop", "far"]).await;
        let folder = tempfile::Builder::new().prefix("wlb").tempdir().expect("a folder");
        let directories: Vec<PathBuf> = network
            .nodes
            .iter()
            .zip(0..)
            .map(|(node, index)| {
                let copy = folder.path().join(index.to_string());
                world::copy(&platform.workload(node.id.as_str()), &copy);
                copy
            })
            .collect();
        let chain_id = network.spec.chain_id;
        let mut cluster = Self {
            nodes: Vec::new(),
            account: Account::new(chain_id),
            chain_id,
            relays: Vec::new(),
            _folder: folder,
        };
        if let Some(link) = link {
            cluster.set_apart(&directories, link).await;
        }
        for directory in directories {
            let mut node = Node::of(directory);
            let environment = environment.iter().map(|(name, of)| ((*name).to_owned(), of.into()));
            node.environment = environment.collect();
            node.start();
            cluster.nodes.push(node);
        }
        cluster.connected().await;
        cluster
    }

    /// Puts a relay between each two nodes.
    async fn set_apart(&mut self, directories: &[PathBuf], link: Link) {
        let listening: Vec<SocketAddr> = directories.iter().map(|one| p2p_address(one)).collect();
        // Nobody listens there yet, and a relay might take the port.
        let _held: Vec<TcpListener> = listening
            .iter()
            .map(|own| TcpListener::bind(own).expect("the port of a node that is stopped"))
            .collect();
        for (directory, own) in directories.iter().zip(&listening) {
            let peers: Vec<_> = listening.iter().copied().filter(|peer| peer != own).collect();
            self.relays.extend(Relay::before(directory, &peers, link).await);
        }
    }

    /// Waits until each node is connected with all.
    pub(crate) async fn connected(&self) {
        for node in &self.nodes {
            world::eventually("a node is connected with all", PATIENCE, async || {
                let status = node.status().await?;
                let (seen, all) = (status.get("connectedValidators")?, status.get("validators")?);
                (seen == all).then_some(())
            })
            .await;
        }
    }

    /// Sends a transaction to a node and waits for its receipt there; how long that took.
    pub(crate) async fn transact(&mut self, to: usize) -> (Duration, Value) {
        let raw = self.account.sign(Call::default());
        let node = self.nodes.get(to).expect("there are as many");
        let begun = world::now();
        let receipt = node.transact(&raw).await;
        (begun.elapsed(), receipt)
    }
}

/// The time of day, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "blocks carry the time of day")]
fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1_000.0
}

/// A whole number below 2^53.
pub(crate) fn whole(number: u64) -> f64 {
    let high = u32::try_from(number >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(number & 0xffff_ffff).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}
