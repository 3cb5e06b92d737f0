//! A process that is killed while it makes blocks final loses none that it has told of.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use alloy_primitives::{B256, TxKind, U256};
use windlass_chain::Chain;
use windlass_chain::check::check;
use windlass_chain::store::RedbStore;

use crate::common::{NOBODY, advance, counter, deploy, deployer, free, nonce, wallet};

const ROUNDS: u64 = 100;
/// Rounds in which blocks are so large that the log goes on in its other part again and again.
const LARGE_ROUNDS: u64 = 15;
const LARGE_BYTES: usize = 60_000;
/// Where the child finds its ledger, and how many bytes its transactions have.
const LEDGER: &str = "WINDLASS_KILL_LEDGER";
const BYTES: &str = "WINDLASS_KILL_BYTES";

fn open(path: &Path) -> Chain {
    Chain::open(RedbStore::open(path).unwrap(), &free()).unwrap()
}

/// What the killed process does; as a test of its own it does nothing.
#[test]
fn a_child_makes_blocks_final_until_it_is_killed() {
    let Some(path) = std::env::var_os(LEDGER) else { return };
    let bytes = std::env::var_os(BYTES).and_then(|bytes| bytes.to_str()?.parse().ok());
    let data = vec![0; bytes.expect("it is told")];
    let chain = open(Path::new(&path));
    let counter = deploy(&chain, &deployer(&counter()));
    loop {
        let next = nonce(&chain, wallet(1).address);
        let count = wallet(1).eip1559(next, TxKind::Call(counter), U256::ZERO, &[]);
        let pay = wallet(1).legacy(next + 1, TxKind::Call(NOBODY), 1, &data);
        let (block, _) = advance(&chain, vec![count, pay]);
        let mut out = std::io::stdout().lock();
        writeln!(out, "final {} {}", block.number(), block.hash()).unwrap();
        out.flush().unwrap();
    }
}

/// Runs the child until it has told of a block, and some time longer; the last block of which it told.
#[expect(clippy::disallowed_methods, reason = "a process is killed after some time")]
fn run_and_kill(path: &Path, bytes: usize, longer: Duration) -> (u64, B256) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::a_child_makes_blocks_final_until_it_is_killed", "--exact", "--nocapture"])
        .env(LEDGER, path)
        .env(BYTES, bytes.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = |line: String| {
        let mut words = line.strip_prefix("final ")?.split(' ').map(str::to_owned);
        Some((words.next()?.parse().unwrap(), words.next()?.parse().unwrap()))
    };
    let mut last = lines.by_ref().find_map(|line| told(line.unwrap())).expect("it tells of one");
    std::thread::sleep(longer);
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be cut off.
    while let Some(Ok(line)) = lines.next() {
        if let Some(next) = Some(line).filter(|line| line.len() > 70).and_then(told) {
            last = next;
        }
    }
    last
}

#[test]
#[expect(clippy::print_stdout, reason = "how often it was killed where it counts")]
fn a_killed_process_loses_no_block_that_it_has_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let mut lost_nothing_new = 0;
    for round in 0..ROUNDS {
        // From at once to a few blocks later, at no regular distance.
        let longer = Duration::from_micros(round * 7_919 % 30_000);
        let (number, hash) = run_and_kill(&path, 100, longer);
        let chain = open(&path);
        let tip = chain.tip();
        assert!(tip.number >= number, "round {round}: {} after {number}", tip.number);
        assert_eq!(chain.block(number).unwrap().unwrap().hash(), hash, "round {round}");
        lost_nothing_new += u64::from(tip.number > number);
        drop(chain);
        if round % 25 == 24 {
            let found = check(&RedbStore::open(&path).unwrap(), &mut |_| ()).unwrap();
            assert_eq!(found.faults, Vec::<String>::new(), "round {round}");
            assert_eq!(found.tip, tip);
        }
    }
    println!("{lost_nothing_new} of {ROUNDS} were killed between a block and the word of it");
}

#[test]
fn one_that_is_killed_while_its_log_goes_to_the_table_does_not_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    for round in 0..LARGE_ROUNDS {
        let longer = Duration::from_micros(100_000 + round * 77_919 % 400_000);
        let (number, hash) = run_and_kill(&path, LARGE_BYTES, longer);
        let chain = open(&path);
        assert!(
            chain.tip().number >= number,
            "round {round}: {} after {number}",
            chain.tip().number
        );
        assert_eq!(chain.block(number).unwrap().unwrap().hash(), hash, "round {round}");
    }
    let found = check(&RedbStore::open(&path).unwrap(), &mut |_| ()).unwrap();
    assert_eq!(found.faults, Vec::<String>::new());
    let (blocks, part) = (usize::try_from(found.tip.number).unwrap(), 4 << 20);
    let parts = blocks * LARGE_BYTES / part;
    assert!(parts > 2, "{parts} parts of the log were filled");
}
