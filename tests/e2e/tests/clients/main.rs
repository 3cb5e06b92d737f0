//! The clients that people use, each against a real network with its endpoint and no other setting.

mod alloy;
mod alloy_news;

use std::path::Path;

use windlass_e2e::{Platform, run_tool};

const FOLDER: &str = "tests/e2e/clients";

async fn check(program: &str, script: &str) {
    let platform = Platform::start().await;
    let (network, _) = platform.create("clients", 4).await;
    let endpoint = network.endpoint.expect("a usable network has an endpoint");
    let script = format!("{FOLDER}/{script}");
    let finished = run_tool(program, &[&script], &[("ENDPOINT", &endpoint)]).await;
    let said = format!("{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(finished.code, Some(0), "{script}:\n{said}");
    assert!(finished.stdout.contains("all steps passed"), "{script}:\n{said}");
}

#[tokio::test]
async fn viem() {
    check("node", "viem.mjs").await;
}

#[tokio::test]
async fn ethers() {
    check("node", "ethers.mjs").await;
}

#[tokio::test]
async fn web3py() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
    check(&python.to_string_lossy(), "web3_client.py").await;
}

/// The one that is a library of this language: no program of its own to run.
#[tokio::test]
async fn alloy() {
    let platform = Platform::start().await;
    let (network, _) = platform.create("clients", 4).await;
    let endpoint = network.endpoint.expect("a usable network has an endpoint");
    Box::pin(alloy::run(&endpoint)).await.expect("Alloy gets on with the network");
}

#[tokio::test]
async fn cast() {
    check("bash", "cast.sh").await;
}

#[tokio::test]
async fn hardhat() {
    check("bash", "hardhat.sh").await;
}

#[tokio::test]
async fn forge() {
    check("bash", "forge.sh").await;
}

#[tokio::test]
async fn openzeppelin() {
    check("node", "openzeppelin.mjs").await;
}

#[tokio::test]
async fn metamask() {
    check("node", "metamask.mjs").await;
}

/// The key of 1, so that there is something to send.
const FUNDED: (&str, &str) = (
    "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf",
    "0x0000000000000000000000000000000000000000000000000000000000000001",
);

#[tokio::test]
async fn geth_anvil_and_ethereumjs_do_the_same() {
    let platform = Platform::start().await;
    let (address, key) = FUNDED;
    let file = platform.data_dir.with_extension("toml");
    let spec = format!(
        "name = \"same\"\nvalidators = 1\nmin_block_interval_ms = 0\n\
         [alloc.\"{address}\"]\nbalance = \"1000000000000000000000\"\n"
    );
    std::fs::write(&file, spec).expect("the spec can be written");
    let created = platform.cli_text(&["apply", "-f", &file.to_string_lossy()]).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    let endpoint = platform.show("same").await.endpoint.expect("it is usable");
    let environment = [("ENDPOINT", endpoint.as_str()), ("FUNDED_KEY", key)];
    let script = "tests/e2e/differential/differential.mjs";
    let finished = run_tool("node", &[script], &environment).await;
    let said = format!("{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(finished.code, Some(0), "{script}:\n{said}");
    assert!(finished.stdout.contains("all steps passed"), "{script}:\n{said}");
}
