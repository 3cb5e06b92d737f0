//! What a network has done is proven to whoever has its genesis document, from files alone.

use std::{fs, path::Path};

use serde_json::Value;
use windlass_e2e::{Account, Call, Platform, binary, run_tool};
use windlass_model::api::Accepted;

use crate::support::{healthy, quantity};

/// Runs `windlass verify` in an empty home, where no platform is; what it answers, or its error.
pub(crate) async fn verify(home: &Path, arguments: &[&str]) -> Result<Value, Value> {
    let mut words = vec!["verify", "--json"];
    words.extend(arguments);
    let program = binary();
    let home = home.to_string_lossy();
    let ended = run_tool(&program.to_string_lossy(), &words, &[("HOME", &home)]).await;
    let text = if ended.code == Some(0) { &ended.stdout } else { &ended.stderr };
    let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if ended.code == Some(0) { Ok(value) } else { Err(value) }
}

#[tokio::test]
async fn what_happened_is_proven_after_the_platform_is_gone() {
    let platform = Platform::start().await;
    let spec = platform.data_dir.with_extension("toml");
    fs::write(&spec, "chain_id = 77003\nepoch_length = 8\nvalidators = 5\n").expect("a spec");
    let _created: Accepted =
        platform.run(&["network", "create", "trade", "-f", &spec.to_string_lossy()]).await;
    let network = healthy(&platform, "trade").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(77_003);
    let first = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&first).await;

    let home = tempfile::tempdir().expect("a folder");
    let file = |name: &str| home.path().join(name).to_string_lossy().into_owned();
    let save = async |words: &[&str], name: &str| {
        let path = file(name);
        let mut all = words.to_vec();
        all.extend(["-o", path.as_str()]);
        let _file: Value = platform.run(&all).await;
    };
    // Before a validator goes, and in the epoch after.
    save(&["proof", "tx", "trade", &first], "first.json").await;
    let suspend = ["network", "propose", "trade", "suspend-validator", "validator-4"];
    let _accepted: Accepted = platform.run(&suspend).await;
    platform
        .until("trade", "the next epoch", |network| {
            network.tip.as_ref().is_some_and(|tip| tip.number >= 7)
        })
        .await;
    let second = account.send(&endpoint, Call::default()).await;
    let block = endpoint.receipt(&second).await.get("blockNumber").and_then(quantity);
    save(&["proof", "tx", "trade", &second], "second.json").await;
    let governance = "0x57696e646c617373000000000000000000000001";
    save(&["proof", "account", "trade", governance, "--slot", "0"], "set.json").await;
    save(&["network", "genesis", "trade"], "genesis.json").await;
    let unknown = format!("0x{}", "11".repeat(32));
    let (exit, problem) = platform.refused(&["proof", "tx", "trade", &unknown]).await;
    assert_eq!((exit, problem.code.as_str()), (3, "not_provable"));
    platform.destroy("trade").await;
    drop(platform);

    let genesis = ["--genesis".to_owned(), file("genesis.json")];
    let against = [genesis[0].as_str(), genesis[1].as_str()];
    let check = async |name: &str| {
        let path = file(name);
        verify(home.path(), &[&[path.as_str()][..], &against].concat()).await
    };
    let proven = check("first.json").await.expect("it holds");
    assert_eq!(proven["transaction"]["hash"], first);
    assert_eq!(proven["transaction"]["succeeded"], true);
    assert_eq!(proven["certificate"]["validators"], 5);
    let proven = check("second.json").await.expect("it holds");
    assert_eq!(proven["transaction"]["hash"], second);
    assert_eq!(proven["block"]["number"].as_u64(), block);
    assert_eq!(proven["certificate"]["validators"], 4, "a change of validators is proven too");
    let proven = check("set.json").await.expect("it holds");
    assert_eq!(proven["account"]["exists"], true);

    // A checkpoint is trusted instead of the genesis, and nothing else is.
    let (second_file, checkpoint) = (file("second.json"), file("checkpoint.json"));
    let write = [&second_file, against[0], against[1], "--checkpoint-out", &checkpoint];
    verify(home.path(), &write).await.expect("it holds");
    let from_checkpoint = [&second_file, "--checkpoint", &checkpoint];
    verify(home.path(), &from_checkpoint).await.expect("it holds");
    let other =
        fs::read_to_string(file("second.json")).expect("a file").replace("\"0x02", "\"0x03");
    fs::write(file("forged.json"), other).expect("a file");
    let refused = check("forged.json").await.expect_err("it was changed");
    assert_eq!(refused["code"], "proof_invalid", "{refused}");
}
