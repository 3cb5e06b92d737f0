//! `windlass run`: a network for as long as a command runs, and nothing of it afterwards, however the
//! command, the program, its group or its platform end.

use std::{collections::BTreeMap, path::Path};

use rustix::process::Signal;
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Home, Platform, Run, world};
use windlass_model::{
    network::{Network, NetworkState, Operation, OperationKind},
    receipt::ReleasedKind,
};

use crate::support::{PATIENCE, chain_id, no_leaks};

/// Waits until the test lets it go.
const WAIT: &str = "while [ ! -e \"$0/go\" ]; do sleep 0.05; done";

fn waits_and(then: &str) -> String {
    format!("{WAIT}; {then}")
}

fn endpoint(environment: &BTreeMap<String, String>) -> Endpoint {
    assert_eq!(environment["WINDLASS_RPC_URL"], environment["ETH_RPC_URL"]);
    Endpoint::new(&environment["WINDLASS_RPC_URL"])
}

/// Waits until the command runs, and sees that its network works.
async fn up(home: &Home, run: &mut Run) -> (BTreeMap<String, String>, Vec<String>) {
    let environment = run.environment().await;
    let id = chain_id(&endpoint(&environment)).await;
    assert_eq!(environment["WINDLASS_CHAIN_ID"], id.to_string());
    (environment, home.installations())
}

/// Ends what the killed program's command left behind: it is nobody's by then.
fn end_command(run: &Run) {
    world::kill(run.command_pid());
}

#[tokio::test]
async fn a_command_has_a_network_and_its_exit_code_is_the_answer() {
    let home = Home::new();
    let mut run = home.run(&[], &waits_and("echo done; exit 7"));
    let (environment, installations) = up(&home, &mut run).await;
    let endpoint = endpoint(&environment);
    let addresses: Vec<&str> = environment["WINDLASS_ACCOUNTS"].split(',').collect();
    let keys: Vec<&str> = environment["WINDLASS_PRIVATE_KEYS"].split(',').collect();
    assert_eq!((addresses.len(), keys.len()), (10, 10));
    assert_eq!(keys[0], environment["WINDLASS_PRIVATE_KEY"]);
    for (address, key) in addresses.iter().zip(keys) {
        let balance = endpoint.ok("eth_getBalance", json!([address, "latest"])).await;
        assert_eq!(balance, json!("0x21e19e0c9bab2400000"), "10,000 ether");
        let secret = hex::decode(&key[2..]).expect("hex").try_into().expect("32 bytes");
        let mut account = Account::of_key(secret, chain_id(&endpoint).await);
        assert_eq!(account.address.to_string().to_lowercase(), *address);
        let value = "1000000000000000000".parse().expect("a number");
        account.send(&endpoint, Call { value, ..Call::default() }).await;
    }
    // Commands inside find the same platform.
    let data_dir = Path::new(&environment["WINDLASS_DATA_DIR"]);
    assert_eq!(home.platforms(), [data_dir]);
    assert_eq!(world::mode(data_dir), 0o700);
    run.go_on();
    assert_eq!(run.ended().await, 7);
    assert_eq!(run.stdout(), "done\n", "stdout is the command's");
    assert_eq!(run.stderr(), "", "without a terminal nothing is told");
    assert!(home.platforms().is_empty(), "nothing is left when it returns");
    home.is_left_clean(&installations).await;
    // Nothing is left to be told either.
    let next = home.windlass(&["status"]).await;
    assert!(!next.stderr.contains("earlier"), "{}", next.stderr);
}

#[tokio::test]
async fn the_dev_template_is_what_tools_expect() {
    let home = Home::new();
    let mut run = home.run(&["--template", "dev", "--json"], &waits_and("exit 0"));
    let (environment, installations) = up(&home, &mut run).await;
    assert_eq!(environment["WINDLASS_CHAIN_ID"], "31337");
    let first = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    assert!(environment["WINDLASS_ACCOUNTS"].starts_with(first), "{environment:?}");
    let balance = endpoint(&environment).ok("eth_getBalance", json!([first, "latest"])).await;
    assert_eq!(balance, json!("0x21e19e0c9bab2400000"));
    run.go_on();
    assert_eq!(run.ended().await, 0);
    let told: Value = serde_json::from_str(&run.stderr()).expect("one line of JSON");
    assert_eq!(told["exit_code"], 0);
    let released = told["receipt"]["released"].as_array().expect("a receipt");
    assert!(released.iter().any(|line| line["kind"] == "process"), "{told}");
    home.is_left_clean(&installations).await;
}

#[tokio::test]
async fn what_cannot_be_run_has_the_code_of_a_shell_and_leaves_nothing() {
    let home = Home::new();
    let check = async |arguments: &[&str], code: i32, said: &str| {
        let finished = home.windlass(arguments).await;
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{arguments:?}: {}", finished.stderr);
        home.is_left_clean(&[]).await;
    };
    check(&["run", "--", "/no/such/command"], 127, "cannot be started").await;
    check(&["run", "--", "/"], 126, "cannot be started").await;
    check(&["run"], 2, "COMMAND").await;
    check(&["run", "true"], 2, "invalid_request").await;
    check(&["run", "--template", "devs", "--", "true"], 2, "dev, test, private and consortium")
        .await;
    check(&["run", "--validators", "101", "--", "true"], 2, "invalid_spec").await;
    check(&["run", "--validators", "0", "--json", "--", "true"], 2, "\"invalid_spec\"").await;
    let spec = home.path().join("a.toml");
    std::fs::write(&spec, "name = \"trade\"\nvalidatos = 4\n").expect("it can be written");
    let spec = spec.to_string_lossy();
    check(&["run", "-f", &spec, "--", "true"], 2, "a.toml:2").await;
    check(&["--url", "http://127.0.0.1:9", "run", "--", "true"], 5, "no token").await;
}

#[tokio::test]
async fn signals_reach_the_command() {
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        let ignored =
            "run the tests without `nohup`, and not with `&` in a script: commands honour both";
        assert!(!world::ignores(signal), "{ignored}");
    }
    let home = Home::new();
    let trap = format!("trap 'exit 5' TERM; {WAIT}");
    let mut run = home.run(&[], &trap);
    let (_, installations) = up(&home, &mut run).await;
    world::signal(run.pid(), Signal::TERM);
    assert_eq!(run.ended().await, 5, "the command decides");
    home.is_left_clean(&installations).await;

    let mut run = home.run(&[], WAIT);
    let (_, installations) = up(&home, &mut run).await;
    world::signal(run.pid(), Signal::HUP);
    assert_eq!(run.ended().await, 128 + 1, "{}", run.stderr());
    home.is_left_clean(&installations).await;

    // A signal to the whole group, before there is a command.
    let mut run = home.run(&["--validators", "4"], WAIT);
    world::eventually("a platform begins", PATIENCE, async || {
        (!home.platforms().is_empty()).then_some(())
    })
    .await;
    world::interrupt_group(run.pid());
    assert_eq!(run.ended().await, 128 + 2, "{}", run.stderr());
    home.is_left_clean(&installations).await;
}

#[tokio::test]
async fn nothing_is_left_when_the_program_is_killed() {
    let home = Home::new();
    let mut run = home.run(&["--validators", "4"], WAIT);
    let (environment, installations) = up(&home, &mut run).await;
    world::kill(run.pid());
    home.is_left_clean(&installations).await;
    end_command(&run);
    shows_receipt(&home, &environment["WINDLASS_NETWORK"]).await;
}

#[tokio::test]
async fn nothing_is_left_when_its_group_is_killed() {
    let home = Home::new();
    let mut run = home.run(&[], WAIT);
    let (environment, installations) = up(&home, &mut run).await;
    world::kill_group(run.pid());
    home.is_left_clean(&installations).await;
    assert!(!world::is_alive(run.command_pid()), "the command is of the group");
    shows_receipt(&home, &environment["WINDLASS_NETWORK"]).await;
}

#[tokio::test]
async fn what_a_dead_platform_leaves_is_swept_by_the_next_command() {
    let home = Home::new();
    let mut run = home.run(&["--validators", "4"], WAIT);
    let (environment, installations) = up(&home, &mut run).await;
    let found = world::processes(&home.private());
    let platform = found.iter().find(|process| process.is("up")).expect("there is a platform");
    let count = |verb: &str| found.iter().filter(|process| process.is(verb)).count();
    assert_eq!((count("node"), count("gateway")), (4, 1));
    world::kill(platform.pid);
    world::kill_group(run.pid());
    world::eventually("every process ends by itself", PATIENCE, async || {
        world::processes(&home.private()).is_empty().then_some(())
    })
    .await;
    assert_eq!(home.platforms().len(), 1, "its directory is left");
    let receipt = shows_receipt(&home, &environment["WINDLASS_NETWORK"]).await;
    let kinds = [ReleasedKind::Directory, ReleasedKind::Key, ReleasedKind::Port];
    for kind in kinds.map(|kind| json!(kind)) {
        let released = receipt["released"].as_array().expect("a receipt has lines");
        assert!(released.iter().any(|line| line["kind"] == kind), "{kind} in {receipt}");
    }
    home.is_left_clean(&installations).await;
}

fn kill_platforms(home: &Home) {
    let found = world::processes(&home.private());
    for platform in found.iter().filter(|process| process.is("up")) {
        world::kill(platform.pid);
    }
}

/// Killed wherever it is on its way up, alone or with its platform.
#[tokio::test]
async fn nothing_is_left_whenever_it_is_killed() {
    let home = Home::new();
    for milestone in
        ["lock", "windlass.db", "platform.json", "workloads/gateway", "workloads/node-"]
    {
        for victims in ["the group", "the group and its platform"] {
            let mut run = home.run(&[], WAIT);
            let came = world::eventually(milestone, PATIENCE, async || {
                let platforms = home.platforms();
                let there = platforms.iter().flat_map(|platform| world::tree(platform));
                let begins = |path: &Path| path.to_string_lossy().contains(milestone);
                there.into_iter().any(|path| begins(&path)).then(|| home.installations())
            });
            let installations = came.await;
            world::kill_group(run.pid());
            if victims != "the group" {
                kill_platforms(&home);
            }
            assert_eq!(run.ended().await, -1, "{milestone}, {victims}");
            world::eventually("the next command leaves nothing", PATIENCE, async || {
                home.windlass(&["network", "ls"]).await;
                home.platforms().is_empty().then_some(())
            })
            .await;
            home.is_left_clean(&installations).await;
        }
    }
}

/// The next command shows the receipt of a network, once.
async fn shows_receipt(home: &Home, network: &str) -> Value {
    let told = home.windlass(&["network", "ls", "--json"]).await.stderr;
    let lines = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut swept = lines.filter_map(|line| line.get("swept").cloned());
    let receipt = swept.find(|receipt| receipt["name"] == network);
    let receipt = receipt.unwrap_or_else(|| panic!("no receipt of {network}: {told}"));
    let again = home.windlass(&["network", "ls"]).await.stderr;
    assert!(!again.contains(network), "{again}");
    receipt
}

#[tokio::test]
async fn a_platform_that_runs_is_used_and_keeps_nothing() {
    let platform = Platform::start().await;
    let home = Home::new();
    let data_dir = platform.data_dir.to_string_lossy().into_owned();
    let dev = ["--data-dir", data_dir.as_str(), "--template", "dev"];
    let mut run = home.run(&dev, &waits_and("exit 3"));
    let (environment, _) = up(&home, &mut run).await;
    let network = platform.show(&environment["WINDLASS_NETWORK"]).await;
    assert!(network.lease.is_some(), "{network:?}");
    assert!(home.platforms().is_empty(), "no other platform is started");
    // The next one finds the well-known chain id taken there.
    let mut private = home.run(&dev, &waits_and("exit 4"));
    let (environment, installations) = up(&home, &mut private).await;
    assert_eq!(environment["WINDLASS_CHAIN_ID"], "31337");
    assert_eq!(home.platforms().len(), 1);
    private.go_on();
    assert_eq!(private.ended().await, 4);
    run.go_on();
    assert_eq!(run.ended().await, 3);
    assert_eq!(networks(&platform).await, []);
    home.is_left_clean(&installations).await;

    // A program that is killed.
    let mut run = home.run(&["--data-dir", &data_dir], WAIT);
    up(&home, &mut run).await;
    world::kill_group(run.pid());
    gone(&platform).await;
    let operations: Vec<Operation> = platform.run(&["operation", "ls"]).await;
    let destroys = operations.iter().filter(|one| one.kind == OperationKind::Destroy);
    assert_eq!(destroys.filter(|one| one.receipt.is_some()).count(), 2, "{operations:?}");
    no_leaks(&platform).await;
}

#[tokio::test]
async fn a_platform_that_was_dead_destroys_what_nobody_holds() {
    let mut platform = Platform::start().await;
    let home = Home::new();
    let data_dir = platform.data_dir.to_string_lossy().into_owned();
    let mut run = home.run(&["--data-dir", &data_dir, "--validators", "4"], WAIT);
    let (environment, _) = up(&home, &mut run).await;
    // A restart changes nothing as long as the lease is held.
    platform.crash().await;
    let network = &environment["WINDLASS_NETWORK"];
    let shown = platform.until(network, "usable", |one| one.state == NetworkState::Usable).await;
    assert!(shown.operation.is_none(), "{shown:?}");
    platform.kill();
    assert_eq!(platform.node_pids().len(), 4);
    world::kill_group(run.pid());
    world::eventually("nodes end by themselves", PATIENCE, async || {
        platform.node_pids().is_empty().then_some(())
    })
    .await;
    platform.up().await;
    gone(&platform).await;
    no_leaks(&platform).await;
}

async fn networks(platform: &Platform) -> Vec<Network> {
    platform.run(&["network", "ls"]).await
}

/// Waits until the platform has no network and no lease.
async fn gone(platform: &Platform) {
    world::eventually("the network is gone", PATIENCE, async || {
        networks(platform).await.is_empty().then_some(())
    })
    .await;
    let leases = std::fs::read_dir(platform.data_dir.join("leases")).expect("there is a folder");
    assert_eq!(leases.count(), 0, "no lease is left");
}

#[tokio::test]
async fn ten_at_once_do_not_disturb_each_other() {
    let platform = Platform::start().await;
    let home = Home::new();
    let data_dir = platform.data_dir.to_string_lossy().into_owned();
    let kinds: [&[&str]; 3] = [
        &["--template", "dev"],
        &["--data-dir", &data_dir, "--private"],
        &["--data-dir", &data_dir],
    ];
    let begin = |number: usize| {
        home.run(kinds[number % kinds.len()], &waits_and(&format!("exit {number}")))
    };
    let mut runs: Vec<Run> = (0..10).map(begin).collect();
    let mut endpoints = Vec::new();
    for run in &mut runs {
        endpoints.push(up(&home, run).await.0["WINDLASS_RPC_URL"].clone());
    }
    endpoints.sort();
    endpoints.dedup();
    assert_eq!(endpoints.len(), 10);
    assert_eq!((home.platforms().len(), networks(&platform).await.len()), (7, 3));
    let installations = home.installations();
    // Killed ones, of either kind, among those that end in order.
    for run in runs.iter().skip(8) {
        world::kill_group(run.pid());
    }
    for run in runs.iter().take(8) {
        run.go_on();
    }
    for (number, run) in (0i32..8).zip(&mut runs) {
        assert_eq!(run.ended().await, number, "{}", run.stderr());
        assert_eq!(run.stderr(), "");
    }
    home.is_left_clean(&installations).await;
    gone(&platform).await;
    no_leaks(&platform).await;
}
