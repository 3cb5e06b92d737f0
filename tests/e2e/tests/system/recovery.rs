//! More than a third of the disks are lost: the network stands still, its members agree, and it begins
//! anew.

use std::{fs, path::PathBuf};

use alloy_primitives::{Address, U256};
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::{
    api::Accepted,
    network::{Network, NetworkState},
};

use crate::{
    proof::verify,
    support::{healthy, one_tip},
};

pub(crate) const CHAIN_ID: u64 = 77_009;
const RICH: u64 = 1_000_000;

/// Counts its calls in slot 0.
const COUNTER: &str = "5f5460010160005500";

/// Four members with a validator each; the last has its key elsewhere.
fn spec(delta: &Account, rich: &Account) -> String {
    let member = |name: &str, account: String| {
        format!("[[members]]\norganization = \"{name}\"\nvalidators = 1\n{account}")
    };
    let members = ["acme", "beta", "gamma"].map(|name| member(name, String::new()));
    let delta = member("delta", format!("account = \"{:#x}\"\n", delta.address));
    format!(
        "kind = \"consortium\"\nchain_id = {CHAIN_ID}\n\
         [alloc.\"{:#x}\"]\nbalance = \"{RICH}\"\n{}{delta}",
        rich.address,
        members.concat()
    )
}

/// The files of a recovery, in a folder.
pub(crate) struct Files {
    pub(crate) folder: tempfile::TempDir,
}

impl Files {
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// The options that name a recovery file and an export.
    pub(crate) fn pair(&self, file: &str, export: &str) -> [String; 4] {
        ["--file".to_owned(), self.path(file), "--export".to_owned(), self.path(export)]
    }
}

pub(crate) async fn run(platform: &Platform, words: &[&str], options: &[String]) -> Value {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    platform.run(&[words, &options].concat()).await
}

pub(crate) async fn refused(
    platform: &Platform,
    words: &[&str],
    options: &[String],
) -> (String, String) {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (_, problem) = platform.refused(&[words, &options].concat()).await;
    (problem.code.as_str().to_owned(), problem.detail)
}

/// Exports and proposes, and has these members sign whose keys are here.
async fn propose(platform: &Platform, files: &Files, name: &str, members: &[&str]) {
    let export = files.path(&format!("{name}.export"));
    run(platform, &["network", "export", "trade", "-o"], &[export]).await;
    propose_from(platform, files, name, members).await;
}

/// The same from an export that is there.
async fn propose_from(platform: &Platform, files: &Files, name: &str, members: &[&str]) {
    let (file, export) = (format!("{name}.json"), format!("{name}.export"));
    let to = ["--export".to_owned(), files.path(&export), "-o".to_owned(), files.path(&file)];
    let proposed = run(platform, &["network", "recovery", "propose"], &to).await;
    assert_eq!((&proposed["needed"], &proposed["signed"]), (&json!(3), &json!(0)), "{proposed}");
    for member in members {
        let words = ["network", "recovery", "sign", "trade", "--as", *member];
        run(platform, &words, &files.pair(&file, &export)).await;
    }
}

/// Signs with a key that the platform has not got.
async fn sign_elsewhere(platform: &Platform, files: &Files, name: &str, key: &Account) -> Value {
    let pair = files.pair(&format!("{name}.json"), &format!("{name}.export"));
    let signature = signature_elsewhere(platform, &pair, key).await;
    let words = ["network", "recovery", "add", "--signature", &signature];
    run(platform, &words, &pair).await
}

/// The signature on a file, by such a key.
pub(crate) async fn signature_elsewhere(
    platform: &Platform,
    pair: &[String],
    key: &Account,
) -> String {
    let printed = run(platform, &["network", "recovery", "sign", "--print"], pair).await;
    assert_eq!(printed["domain"]["chainId"], json!(CHAIN_ID), "{printed}");
    let shown = run(platform, &["network", "recovery", "show"], pair).await;
    let digest = hex::decode(&shown["digest"].as_str().expect("it has one")[2..]).expect("hex");
    key.sign_digest(digest.try_into().expect("32 bytes"))
}

async fn storage(endpoint: &Endpoint, contract: Address) -> u64 {
    let slot = endpoint.ok("eth_getStorageAt", json!([contract, "0x0", "latest"])).await;
    let value: U256 = slot.as_str().expect("hex").parse().expect("a number");
    value.to()
}

/// Takes the disks of all nodes but the first, and waits until the others have found it again.
async fn lose_disks(platform: &Platform, network: &Network) {
    let lost: Vec<_> = network.nodes.iter().skip(1).collect();
    for node in &lost {
        fs::remove_dir_all(platform.workload(node.id.as_str()).join("data")).expect("it is there");
        world::kill(node.pid.expect("it runs"));
    }
    let silent = platform
        .until("trade", "three validators keep silent", |network| {
            network.nodes.iter().filter(|node| node.voting == Some(false)).count() == 3
        })
        .await;
    for node in silent.nodes.iter().skip(1) {
        let why = node.not_voting.as_deref().unwrap_or_default();
        assert!(why.contains("journal"), "{why}");
    }
}

pub(crate) fn set_aside(platform: &Platform, network: &Network) -> Vec<PathBuf> {
    let listed = network
        .nodes
        .iter()
        .flat_map(|node| fs::read_dir(platform.workload(node.id.as_str())).expect("a directory"));
    let paths = listed.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.to_string_lossy().contains("/data-of-")).collect()
}

/// The record of a key's votes, by node.
fn records(platform: &Platform, name: &str) -> Vec<String> {
    let keys = fs::read_dir(platform.data_dir.join("keys")).expect("the vault");
    let paths = keys.map(|entry| entry.expect("an entry").path().join(name));
    let mut found: Vec<String> = paths
        .filter_map(|path| Some(format!("{} {}", path.display(), fs::read_to_string(&path).ok()?)))
        .collect();
    found.sort();
    found
}

/// A network with a contract and money that has moved, and who has to do with it.
struct Scene {
    platform: Platform,
    files: Files,
    network: Network,
    endpoint: Endpoint,
    rich: Account,
    delta: Account,
    contract: Address,
    height: u64,
}

const RECOVER: [&str; 4] = ["network", "recover", "trade", "-y"];

impl Scene {
    async fn new() -> Self {
        let platform = Platform::start().await;
        let files = Files { folder: tempfile::tempdir().expect("a folder") };
        let delta = Account::new(CHAIN_ID);
        let mut rich = Account::new(CHAIN_ID);
        fs::write(files.path("spec.toml"), spec(&delta, &rich)).expect("a spec");
        let path = files.path("spec.toml");
        let _created: Accepted = platform.run(&["network", "create", "trade", "-f", &path]).await;
        platform.create("other", 1).await;
        let network = healthy(&platform, "trade").await;
        let endpoint = Platform::endpoint(&network);
        let length = u8::try_from(COUNTER.len() / 2).expect("short");
        let init = hex::decode(format!("60{length:02x}80600a5f395ff3fe{COUNTER}")).expect("hex");
        let deploy = Call { to: None, input: init.into(), gas: 200_000, ..Call::default() };
        let deployed = rich.send(&endpoint, deploy).await;
        let contract = endpoint.receipt(&deployed).await["contractAddress"].clone();
        let contract = contract.as_str().expect("an address").parse().expect("hex");
        for _ in 0..3 {
            let hash = rich.send(&endpoint, count(contract)).await;
            endpoint.receipt(&hash).await;
        }
        let older = files.path("older.export");
        run(&platform, &["network", "export", "trade", "-o"], &[older]).await;
        let pay = Call { value: U256::from(7), ..Call::default() };
        let paid = rich.send(&endpoint, pay).await;
        endpoint.receipt(&paid).await;
        let height = endpoint.height().await;
        one_tip(&platform, &network, height).await;
        run(&platform, &["network", "genesis", "trade", "-o"], &[files.path("old.json")]).await;
        Self { platform, files, network, endpoint, rich, delta, contract, height }
    }

    /// Nothing is lost: whatever members sign, a network that works is left alone.
    async fn is_left_alone(&self) {
        let Self { platform, files, .. } = self;
        propose(platform, files, "early", &["acme", "beta", "gamma"]).await;
        let early = files.pair("early.json", "early.export");
        let (code, detail) = refused(platform, &RECOVER, &early).await;
        assert_eq!(code, "recovery_refused", "{detail}");
        assert!(detail.contains("can make blocks by itself: 4 of its 4 validators"), "{detail}");
        let forced = [&RECOVER[..], &["--force"]].concat();
        let (code, detail) = refused(platform, &forced, &early).await;
        assert!(code == "recovery_refused" && detail.contains("all of them have to"), "{detail}");
    }

    /// The network takes a transaction, makes no block of it, and says why.
    async fn stands_still(&mut self) -> String {
        lose_disks(&self.platform, &self.network).await;
        let waiting = self.rich.send(&self.endpoint, count(self.contract)).await;
        let is_told = |network: &Network| {
            network.reason.as_ref().is_some_and(|one| one.message.contains("no block can be made"))
        };
        self.platform.until("trade", "it says why it stands still", is_told).await;
        assert_eq!(self.endpoint.height().await, self.height);
        waiting
    }

    /// Blocks that a node has are not given up because somebody has an older export.
    async fn keeps_its_blocks(&self) {
        let Self { platform, files, height, .. } = self;
        propose_from(platform, files, "older", &["acme", "beta", "gamma"]).await;
        let older = files.pair("older.json", "older.export");
        let (code, detail) = refused(platform, &RECOVER, &older).await;
        assert_eq!(code, "recovery_refused", "{detail}");
        let expected = format!("has block {height}, and the export ends with block {}", height - 1);
        assert!(detail.contains(&expected), "{detail}");
    }

    /// Three of four members agree, one with a key that is elsewhere.
    async fn is_agreed_on(&self) {
        let Self { platform, files, .. } = self;
        propose(platform, files, "agreed", &["acme", "beta"]).await;
        let (export, old) = (files.path("agreed.export"), files.path("old.json"));
        let checked = verify(files.folder.path(), &[&export, "--genesis", &old]).await;
        assert_eq!(checked.expect("it holds")["block"]["number"], json!(self.height));
        let agreed = files.pair("agreed.json", "agreed.export");
        let (code, detail) = refused(platform, &RECOVER, &agreed).await;
        assert_eq!(code, "recovery_refused");
        assert!(detail.contains("2 of the 4 active members"), "{detail}");
        assert!(detail.contains("which is 3 (not yet: gamma, delta)"), "{detail}");
        let signed = sign_elsewhere(platform, files, "agreed", &self.delta).await;
        assert_eq!((&signed["signed"], &signed["suffices"]), (&json!(3), &json!(true)), "{signed}");
        refuse_other_files(platform, files).await;
    }

    /// Killed in the middle, the platform goes on.
    async fn begins_anew(&mut self) -> Network {
        let agreed = self.files.pair("agreed.json", "agreed.export");
        let unwaited = [&RECOVER[..], &["--no-wait"]].concat();
        let begun = run(&self.platform, &unwaited, &agreed).await;
        assert_eq!(begun["operation"]["kind"], json!("recover"), "{begun}");
        self.platform.crash().await;
        let anew = self
            .platform
            .until("trade", "it has begun anew", |network| {
                network.state == NetworkState::Usable && network.operation.is_none()
            })
            .await;
        let recovered = anew.recovered.clone().expect("it says so");
        assert_eq!(Some(&recovered.predecessor), self.network.genesis_hash.as_ref());
        assert_eq!((recovered.block.number, recovered.members), (self.height, 4));
        assert_eq!(
            (&recovered.signed_by[..], recovered.forced),
            (&["acme", "beta", "delta"].map(str::to_owned)[..], false)
        );
        assert_ne!(anew.genesis_hash, self.network.genesis_hash);
        let shown = self.platform.cli_text(&["network", "show", "trade"]).await;
        assert!(shown.stdout.contains("recovered   at Unix time"), "{}", shown.stdout);
        self.endpoint = Platform::endpoint(&anew);
        anew
    }

    /// All is there, what waited too, and blocks are made. A transaction of the new network.
    async fn goes_on(&mut self, waiting: &str) -> String {
        let endpoint = &self.endpoint;
        endpoint.receipt(waiting).await;
        assert_eq!(storage(endpoint, self.contract).await, 4);
        let hash = self.rich.send(endpoint, count(self.contract)).await;
        let receipt = endpoint.receipt(&hash).await;
        assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
        assert_eq!(storage(endpoint, self.contract).await, 5);
        let of = |address: Address| json!([address, "latest"]);
        let rich = self.rich.address;
        assert_eq!(endpoint.number("eth_getTransactionCount", of(rich)).await, 7);
        assert_eq!(endpoint.number("eth_getBalance", of(rich)).await, RICH - 7);
        assert_eq!(endpoint.number("eth_getBalance", of(Address::repeat_byte(0x77))).await, 7);
        assert_eq!(endpoint.number("eth_chainId", json!([])).await, CHAIN_ID);
        assert!(endpoint.height().await < self.height, "heights begin anew");
        let is_new = |network: &Network| {
            network.tip.as_ref().is_some_and(|tip| (1..self.height).contains(&tip.number))
        };
        self.platform.until("trade", "its tip is the new chain's", is_new).await;
        hash
    }

    /// Whoever verifies takes the new document.
    async fn is_proven(&self, hash: &str) {
        let Self { platform, files, .. } = self;
        let home = files.folder.path();
        run(platform, &["network", "genesis", "trade", "-o"], &[files.path("new.json")]).await;
        run(platform, &["proof", "tx", "trade", hash, "-o"], &[files.path("proof.json")]).await;
        let (proof, new, old) =
            (files.path("proof.json"), files.path("new.json"), files.path("old.json"));
        let proven = verify(home, &[&proof, "--genesis", &new]).await.expect("it holds");
        assert_eq!(proven["transaction"]["hash"], json!(hash));
        verify(home, &[&proof, "--genesis", &old]).await.expect_err("it is of another network");
    }
}

fn count(contract: Address) -> Call {
    Call { to: Some(contract), gas: 100_000, ..Call::default() }
}

#[tokio::test]
async fn a_network_that_lost_most_of_its_disks_begins_anew_as_its_members_agree() {
    let mut scene = Scene::new().await;
    scene.is_left_alone().await;
    let waiting = scene.stands_still().await;
    scene.keeps_its_blocks().await;
    scene.is_agreed_on().await;
    let before = records(&scene.platform, "voted");
    assert_eq!(before.len(), 5, "four here, one of the other network: {before:?}");
    let anew = scene.begins_anew().await;
    let hash = scene.goes_on(&waiting).await;
    one_tip(&scene.platform, &anew, scene.endpoint.height().await).await;
    scene.is_proven(&hash).await;

    // The old votes are as they were, and so are the old disks, under another name.
    let Scene { platform, files, .. } = scene;
    assert_eq!(records(&platform, "voted"), before);
    let genesis = anew.genesis_hash.clone().expect("it has one");
    let fresh = records(&platform, &format!("voted-{}", genesis.trim_start_matches("0x")));
    assert_eq!(fresh.len(), 4, "{fresh:?}");
    assert_eq!(set_aside(&platform, &anew).len(), 4);

    // Once is enough, and a destroy leaves nothing.
    let agreed = files.pair("agreed.json", "agreed.export");
    let (code, detail) = refused(&platform, &RECOVER, &agreed).await;
    assert!(code == "recovery_refused" && detail.contains("already"), "{detail}");
    finds_its_export_again(&platform, &files, &anew).await;
    let receipt = platform.destroy("trade").await.receipt.expect("it has one");
    let shelved = |name: &str| name.contains("/exports/");
    assert!(receipt.released.iter().any(|line| shelved(&line.name)), "{receipt:?}");
    let left = fs::read_dir(platform.data_dir.join("exports")).expect("a folder").count();
    assert_eq!(left, 0, "nothing is left of uploads either");
}

/// The platform's copy of the export is lost, and then a node's disk: the same files put it back.
async fn finds_its_export_again(platform: &Platform, files: &Files, network: &Network) {
    let exports = platform.data_dir.join("exports").join(network.id.as_str());
    fs::remove_dir_all(&exports).expect("it is there");
    let node = &network.nodes[3];
    fs::remove_dir_all(platform.workload(node.id.as_str()).join("data")).expect("it is there");
    let now = platform.show("trade").await;
    world::kill(now.nodes[3].pid.expect("it runs"));
    let says_so = |network: &Network| {
        let reason = network.nodes[3].reason.as_ref();
        reason.is_some_and(|reason| reason.message.contains(".export"))
    };
    platform.until("trade", "the node lacks the export", says_so).await;
    let agreed = files.pair("agreed.json", "agreed.export");
    let begun = run(platform, &[&RECOVER[..], &["--no-wait"]].concat(), &agreed).await;
    assert_eq!(begun["operation"]["kind"], json!("recover"), "{begun}");
    let is_back = |network: &Network| {
        network.operation.is_none()
            && network.nodes.iter().all(|node| node.tip.is_some() && node.pid.is_some())
    };
    platform.until("trade", "the node is back", is_back).await;
    assert_eq!(fs::read_dir(&exports).expect("a folder").count(), 1);
}

/// One byte changed, another network's export, and an export of another moment.
async fn refuse_other_files(platform: &Platform, files: &Files) {
    let recover = &RECOVER;
    let mut bytes = fs::read(files.path("agreed.export")).expect("the export");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(files.path("forged.export"), &bytes).expect("a file");
    let (code, detail) =
        refused(platform, recover, &files.pair("agreed.json", "forged.export")).await;
    assert_eq!(code, "export_invalid", "{detail}");
    let (code, detail) =
        refused(platform, recover, &files.pair("agreed.json", "older.export")).await;
    assert_eq!(code, "recovery_invalid", "{detail}");
    let foreign = ["network", "export", "other", "-o"];
    run(platform, &foreign, &[files.path("other.export")]).await;
    let (code, detail) =
        refused(platform, recover, &files.pair("agreed.json", "other.export")).await;
    assert_eq!(code, "recovery_invalid", "{detail}");
    let elsewhere = ["network", "recover", "other", "-y"];
    let (code, detail) =
        refused(platform, &elsewhere, &files.pair("agreed.json", "agreed.export")).await;
    assert_eq!(code, "recovery_invalid", "{detail}");
}
