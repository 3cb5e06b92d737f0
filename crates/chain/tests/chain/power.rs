//! The power is cut at any operation of the disk: the ledger opens at the same final block or a
//! later one, whole, and goes on.

use std::sync::mpsc::channel;

use crate::common::{advance, free, wallet};
use alloy_primitives::{Address, TxKind, U256};
use windlass_chain::store::{SimulatedDisk, StoreError};
use windlass_chain::{At, Block, Chain, NoSenders, Tip, ValidateError};

const NOBODY: Address = Address::repeat_byte(0x77);

/// Numbers that follow from a seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The blocks that every run makes again, so that only the disk differs; each has a transaction with so
/// many bytes.
fn blocks(count: u64, bytes: usize) -> Vec<Block> {
    let chain = Chain::open(SimulatedDisk::default().open().unwrap(), &free()).unwrap();
    (0..count)
        .map(|nonce| {
            let transfer = wallet(1).legacy(nonce, TxKind::Call(NOBODY), 1, &vec![0; bytes]);
            advance(&chain, vec![transfer]).0
        })
        .collect()
}

fn finalize(chain: &Chain, block: &Block) -> Result<(), ValidateError> {
    chain.validate(block.parent_hash(), block, &NoSenders)?;
    chain.finalize(block).map(drop)
}

/// What must hold of a ledger that was opened: the tip is one of the blocks and its state is that
/// block's.
fn check(chain: &Chain, blocks: &[Block], least: u64) -> Tip {
    let tip = chain.tip();
    assert!(tip.number >= least, "block {least} was final, and the tip is {}", tip.number);
    if let Some(last) = tip.number.checked_sub(1) {
        let block = &blocks[usize::try_from(last).unwrap()];
        assert_eq!(chain.block(tip.number).unwrap().as_ref(), Some(block));
        let account = chain.state(At::Latest).unwrap().account(NOBODY).unwrap().unwrap();
        assert_eq!(account.balance, U256::from(tip.number));
    }
    tip
}

/// One run: power cuts at operations that the seed says, at most so many ahead, until all blocks are
/// final. How many cuts there were.
fn run(seed: u64, blocks: &[Block], most: u64, disk: &SimulatedDisk) -> u64 {
    let mut numbers = Numbers(seed);
    let mut cuts = 0;
    let mut acknowledged = 0;
    let mut is_made = false;
    loop {
        disk.fail_after(1 + numbers.next() % most);
        if let Ok(chain) = disk.open().map_err(drop).and_then(|store| {
            Chain::open(store, &free()).map_err(|error| {
                assert!(disk.has_failed(), "it does not open: {error}");
            })
        }) {
            is_made = true;
            let tip = check(&chain, blocks, acknowledged);
            let first = usize::try_from(tip.number).unwrap();
            let made = blocks[first..].iter().try_for_each(|block| {
                finalize(&chain, block)?;
                acknowledged = block.number();
                Ok::<_, ValidateError>(())
            });
            if made.is_ok() {
                return cuts;
            }
        }
        if !is_made && !disk.has_failed() {
            // A file has its name only when it is whole: what is left of one that is not is removed.
            disk.erase();
            continue;
        }
        assert!(disk.has_failed(), "only a power cut may end a run");
        disk.crash(|| numbers.next());
        cuts += 1;
    }
}

#[test]
fn no_power_cut_takes_a_final_block() {
    let blocks = blocks(12, 0);
    let cuts: u64 = (0..500).map(|seed| run(seed, &blocks, 90, &SimulatedDisk::default())).sum();
    assert!(cuts > 600, "there were {cuts} cuts only");
    // These fill both parts of the log at the head of the file twice. Opening takes what they have to its
    // place, in some hundred operations.
    let blocks = self::blocks(40, 60_000);
    let cuts: u64 = (0..80).map(|seed| run(seed, &blocks, 250, &SimulatedDisk::default())).sum();
    assert!(cuts > 40, "there were {cuts} cuts only");
}

#[test]
fn a_small_block_is_a_small_write() {
    let blocks = blocks(600, 0);
    let disk = SimulatedDisk::default();
    let chain = Chain::open(disk.open().unwrap(), &free()).unwrap();
    let written = disk.written_bytes();
    for block in &blocks {
        finalize(&chain, block).unwrap();
    }
    let each = (disk.written_bytes() - written) / blocks.len();
    assert!(each < 16 << 10, "{each} bytes are written for each block");
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let blocks = blocks(12, 0);
    let run = || {
        for seed in 0..60 {
            let disk = SimulatedDisk::default();
            disk.lie();
            run(seed, &blocks, 60, &disk);
        }
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
}

#[test]
fn a_full_disk_stops_the_ledger_which_goes_on_when_there_is_space() {
    // More than both parts of the log have room for.
    let blocks = blocks(400, 0);
    let disk = SimulatedDisk::default();
    let store = disk.open().unwrap();
    let (tell, told) = channel();
    store.on_failure(move |error| tell.send(error).unwrap());
    let chain = Chain::open(store, &free()).unwrap();
    finalize(&chain, &blocks[0]).unwrap();
    disk.bound(Some(0));
    let failed = blocks[1..].iter().find_map(|block| finalize(&chain, block).err().map(|_| block));
    let stopped_at = failed.expect("the disk is full").number();
    assert_eq!(chain.tip().number, stopped_at - 1, "what failed is not final");
    assert!(matches!(told.try_recv(), Ok(StoreError::Io(_))), "it was told before");
    // A write that failed leaves the store closed: the node ends, and is started again.
    finalize(&chain, &blocks[usize::try_from(stopped_at - 1).unwrap()]).unwrap_err();
    drop(chain);
    disk.bound(None);
    let chain = Chain::open(disk.open().unwrap(), &free()).unwrap();
    let tip = check(&chain, &blocks, stopped_at - 1);
    for block in &blocks[usize::try_from(tip.number).unwrap()..] {
        finalize(&chain, block).unwrap();
    }
    check(&chain, &blocks, 200);
}
