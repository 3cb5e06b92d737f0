//! The clients that people use, each against a real network with its endpoint and no other setting.

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
