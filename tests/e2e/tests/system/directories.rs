//! Data directories that can't be used, or not any more: read-only, full, another user's, newer.
//! Each is told with exit code, code, what and hint; nothing panics and nothing is left.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    time::Duration,
};

use windlass_e2e::{Account, Call, Finished, Mount, Platform, run_tool, world};
use windlass_model::{
    Problem,
    api::Accepted,
    network::{Network, Operation, OperationState},
};

use crate::support::{chain_id, healthy, one_tip};

const UP: [&str; 5] = ["up", "--json", "--listen", "127.0.0.1:0", "--data-dir"];
/// What a network of four needs, with its platform; twice as much is given.
const ROOMY_KB: u64 = 24 * 1024;

#[track_caller]
fn check(said: &Finished, exit: i32, code: &str, detail: &str) {
    let problem = said.stderr.lines().find_map(|line| serde_json::from_str::<Problem>(line).ok());
    let problem = problem.unwrap_or_else(|| panic!("no problem: {said:?}"));
    assert_eq!((said.code, problem.code.as_str()), (Some(exit), code), "{said:?}");
    assert!(problem.detail.contains(detail) && !problem.hint.is_empty(), "{problem:?}");
    assert!(!said.stderr.contains("panicked"), "{said:?}");
    assert!(said.stdout.is_empty(), "{said:?}");
}

/// Processes of ours that name the path.
fn left(path: &Path) -> Vec<world::Process> {
    let mut found = world::processes(path);
    found.retain(|process| ["up", "node", "gateway"].iter().any(|verb| process.is(verb)));
    found
}

/// What a network leaves in a data directory: keys, and workloads beside the gateway.
fn remains(platform: &Platform) -> Vec<PathBuf> {
    let mut found = world::tree(&platform.data_dir.join("keys"));
    let workloads = platform.data_dir.join("workloads");
    let gateway = workloads.join("gateway");
    found.extend(world::tree(&workloads).into_iter().filter(|path| !path.starts_with(&gateway)));
    found
}

async fn up(directory: &Path) -> Finished {
    let mut arguments = UP.to_vec();
    let directory = directory.to_string_lossy().into_owned();
    arguments.push(&directory);
    run_tool("target/debug/windlass", &arguments, &[]).await
}

async fn up_on(mount: &Mount, directory: &Path) -> Finished {
    let mut arguments = UP.to_vec();
    let directory = directory.to_string_lossy().into_owned();
    arguments.push(&directory);
    mount.windlass(&arguments).await
}

#[tokio::test]
async fn one_on_a_read_only_mount() {
    let Some(mount) = Mount::new(256) else { return };
    let directory = mount.path().join("d");
    fs::create_dir(mount.seen(&directory)).expect("it can be made");
    mount.remount("ro").await;
    for directory in [directory.clone(), mount.path().join("absent")] {
        let said = up_on(&mount, &directory).await;
        check(&said, 1, "data_directory_unusable", "read-only");
    }
    assert_eq!(world::tree(&mount.seen(mount.path())), [mount.seen(&directory)]);
    assert_eq!(left(mount.path()), Vec::<world::Process>::new());
}

#[tokio::test]
async fn one_of_another_user() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).expect("it can be made");
    // Only root gives a directory away; for everybody else `/` is another's.
    let theirs = if chown(&theirs, Some(65_534), Some(65_534)).is_ok() {
        theirs
    } else {
        PathBuf::from("/")
    };
    check(&up(&theirs).await, 1, "data_directory_unusable", "belongs to the user");
    assert!(world::tree(folder.path()).iter().all(|path| *path == theirs), "something was made");
    assert!(!theirs.join("lock").exists() && !theirs.join("token").exists());
}

#[tokio::test]
async fn one_of_a_newer_version() {
    let mut platform = Platform::start().await;
    platform.create("kept", 1).await;
    let down = platform.cli(&["down"]).await;
    assert_eq!(down.code, 0, "{:?}", down.said);
    platform.ended().await;

    let form = platform.data_dir.join("installation.json");
    let known = fs::read_to_string(&form).expect("it is there");
    let newer = known.replace("\"format\": 1", "\"format\": 2");
    assert_ne!(newer, known);
    fs::write(&form, newer).expect("it can be written");
    check(&up(&platform.data_dir).await, 1, "data_directory_newer", "newer version");
    fs::write(&form, known).expect("it can be written");

    let database = platform.data_dir.join("windlass.db");
    let known = fs::read(&database).expect("it is there");
    fs::write(&database, of_newer_schema(&known)).expect("it can be written");
    check(&up(&platform.data_dir).await, 1, "data_directory_newer", "schema version 99");
    assert_eq!(left(&platform.data_dir), Vec::<world::Process>::new());
    fs::write(&database, known).expect("it can be written");

    platform.up().await;
    let started: Accepted = platform.run(&["network", "start", "kept"]).await;
    assert_eq!(started.network.name.as_str(), "kept", "refused, it was left as it was");
}

/// The database with 99 in the place of schema version 2. A table's rows stand at the end of its
/// page, the first one last: (size, rowid, header of two bytes, type of a literal 1), and before
/// it the second: (size, rowid, header, type of a byte, the byte).
fn of_newer_schema(database: &[u8]) -> Vec<u8> {
    const ROWS: [u8; 9] = [3, 2, 2, 1, 2, 2, 1, 2, 9];
    let mut newer = database.to_vec();
    let mut found = 0;
    for page in newer.chunks_mut(4096).filter(|page| page.ends_with(&ROWS)) {
        let value = page.len() - ROWS.len() + 4;
        if let Some(byte) = page.get_mut(value) {
            *byte = 99;
            found += 1;
        }
    }
    assert_eq!(found, 1, "one page holds the schema's versions");
    newer
}

#[tokio::test]
async fn one_on_a_disk_that_is_full_before_up() {
    let Some(mount) = Mount::new(4) else { return };
    let directory = mount.path().join("d");
    // With every KiB more, another write is the one that finds no space.
    for (refusals, kilobytes) in (8..=400).step_by(8).enumerate() {
        let said = up_to_its_end(&mount, &directory).await;
        if said.code == Some(0) {
            assert!(refusals > 4, "it ran in {kilobytes} KiB after {refusals} refusals");
            return;
        }
        check(&said, 6, "disk_full", "");
        assert_eq!(left(mount.path()), Vec::<world::Process>::new());
        mount.remount(&format!("size={kilobytes}k")).await;
    }
    panic!("400 KiB are not enough for a platform");
}

/// Runs a platform that ends by itself if there is no space, and is told to end if there is.
async fn up_to_its_end(mount: &Mount, directory: &Path) -> Finished {
    let announced = mount.seen(&directory.join("platform.json"));
    let running = up_on(mount, directory);
    tokio::pin!(running);
    let runs = world::eventually("the platform listens", Duration::from_mins(1), async || {
        let own = world::processes(directory).into_iter().find(|process| process.is("up"));
        own.filter(|_| announced.exists())
    });
    tokio::select! {
        // The platform's end is the answer whichever comes first; nothing is dropped that runs.
        said = &mut running => said,
        own = runs => {
            let pid = i32::try_from(own.pid).ok().and_then(rustix::process::Pid::from_raw);
            let pid = pid.expect("a pid is a positive number");
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
            let said = running.await;
            for left in left(directory) {
                world::kill(left.pid);
            }
            Finished { stdout: String::new(), ..said }
        }
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let mut platform = Platform::start().await;
    platform.kill();
    platform.up_logging_to(Path::new("/dev/full")).await;
    platform.create("unlogged", 1).await;
    platform.destroy("unlogged").await;
}

#[tokio::test]
async fn a_create_on_a_full_disk_is_refused_whole() {
    let Some(mount) = Mount::new(ROOMY_KB) else { return };
    let platform = Platform::start_on(mount).await;
    let mount = platform.mount.as_ref().expect("it is on a disk of its own");
    mount.fill(0);
    let (exit, problem) = platform.refused(&["network", "create", "full"]).await;
    assert_eq!((exit, problem.code.as_str()), (6, "disk_full"), "{problem:?}");
    assert!(problem.hint.contains("free space"), "{problem:?}");
    let networks: Vec<Network> = platform.run(&["network", "ls"]).await;
    let operations: Vec<Operation> = platform.run(&["operation", "ls"]).await;
    assert!(networks.is_empty() && operations.is_empty(), "{networks:?} {operations:?}");
    assert_eq!(remains(&platform), Vec::<PathBuf>::new(), "something is half done");
    mount.free();
    platform.create("full", 4).await;
    healthy(&platform, "full").await;
    assert!(!platform.log().contains("panicked"), "{}", platform.log());
}

#[tokio::test]
async fn a_create_that_runs_out_of_space_says_so_and_goes_on_when_there_is_some() {
    let Some(mount) = Mount::new(ROOMY_KB) else { return };
    let platform = Platform::start_on(mount).await;
    let mount = platform.mount.as_ref().expect("it is on a disk of its own");
    // Enough to declare a network; then for its keys or not; then for some of a ledger.
    let mut stuck = 0;
    for kilobytes in [160, 300, 800] {
        mount.fill(kilobytes);
        let name = format!("with-{kilobytes}");
        let begun = platform.cli(&["network", "create", &name, "--no-wait"]).await;
        let Some(result) = begun.result else {
            let code = begun.problem.map(|problem| problem.code.as_str());
            assert_eq!(code, Some("disk_full"), "{:?}", begun.said);
            mount.free();
            continue;
        };
        let accepted: Accepted = serde_json::from_value(result).expect("an answer of its form");
        stuck += 1;
        let id = accepted.operation.expect("a create is an operation").id;
        let what = format!("{name} says that the disk is full");
        world::eventually(&what, Duration::from_mins(1), async || {
            let operation: Operation = platform.run(&["operation", "show", id.as_str()]).await;
            assert_eq!(operation.state, OperationState::Running, "{operation:?}");
            let reason = operation.reason?;
            assert!(!reason.remedy.is_empty(), "{reason:?}");
            (reason.code.as_str() == "disk_full").then_some(())
        })
        .await;
        mount.free();
        let ended: Operation = platform.run(&["operation", "wait", id.as_str()]).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        assert_eq!(ended.reason, None);
        healthy(&platform, &name).await;
        platform.destroy(&name).await;
        assert!(platform.node_pids().is_empty());
        assert_eq!(remains(&platform), Vec::<PathBuf>::new(), "{name} left something");
    }
    assert!(stuck > 1, "{stuck} networks were declared and found no space");
    assert!(!platform.log().contains("panicked"), "{}", platform.log());
}

#[tokio::test]
async fn a_network_whose_disk_fills_up_loses_nothing_and_goes_on() {
    let Some(mount) = Mount::new(ROOMY_KB) else { return };
    let platform = Platform::start_on(mount).await;
    let mount = platform.mount.as_ref().expect("it is on a disk of its own");
    platform.create("runs", 4).await;
    let network = healthy(&platform, "runs").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    let before = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&before).await;

    mount.fill(0);
    // What finds no space is not acknowledged, or is acknowledged and not lost.
    let mut acknowledged = Vec::new();
    for nonce in 1..40 {
        let raw = account.sign_with(Call::default(), nonce, chain_id_of(&network));
        let sent = endpoint.try_call("eth_sendRawTransaction", serde_json::json!([raw])).await;
        match sent {
            Some(Ok(hash)) => acknowledged.push(hash.as_str().expect("a hash").to_owned()),
            Some(Err(_)) | None => break,
        }
    }
    mount.free();
    let network = healthy(&platform, "runs").await;
    for hash in &acknowledged {
        endpoint.receipt(hash).await;
    }
    assert!(endpoint.receipt(&before).await.get("blockHash").is_some());
    one_tip(&platform, &network, 1).await;
    platform.destroy("runs").await;
}

fn chain_id_of(network: &Network) -> u64 {
    network.spec.chain_id
}
