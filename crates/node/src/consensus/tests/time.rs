//! Nobody's clock decides what is valid.

use commonware_consensus::{
    Application as _,
    marshal::ancestry,
    simplex::types::Context,
    types::{Epoch, Round, View},
};
use commonware_cryptography::{Digested, Digestible as _, Signer as _};
use commonware_runtime::{Clock as _, Runner, Supervisor as _, deterministic};
use windlass_chain::{Block, Room};

use super::ledger::MemoryLedger;
use crate::{
    consensus::{
        application::{ChainApplication, unix_ms},
        bell::Bell,
        block::OrderedBlock,
        committees::Committees,
        idle::Progress,
        signer::HandleSigner,
        steady::Wall,
        work::Work,
    },
    seam::{Ledger as _, Proposal},
};

/// Judges a block that the change makes of an empty one which is `ahead_ms` ahead: the verdict, and
/// how long it took.
fn judge(epoch: u64, ahead_ms: u64, change: fn(&Block) -> Block) -> (bool, u64) {
    deterministic::Runner::default().start(|context| async move {
        let ledger = MemoryLedger::new(Vec::new());
        let genesis = OrderedBlock(ledger.genesis());
        let begun = unix_ms(context.current());
        let proposal =
            Proposal { now_ms: begun + ahead_ms, epoch: 0, allow_empty: true, room: Room::ALL };
        let block = ledger.propose(&genesis.0, proposal).expect("it is sound").expect("a block");
        let progress = Progress::new(Bell::default(), 0);
        let signer = HandleSigner::from_seed(1);
        let (key, others) = (signer.public_key(), Vec::new());
        let committees = Committees::new(genesis.0.hash(), key, others, vec![signer]);
        let mut application =
            ChainApplication::new(ledger, Work::Inline, committees, progress, Wall::of(&context));
        let parent = genesis.digest();
        let digested = |block: OrderedBlock| {
            let digest = block.digest();
            Digested::precomputed(block, digest)
        };
        let chain = [digested(OrderedBlock(change(&block))), digested(genesis)];
        let about = Context {
            round: Round::new(Epoch::new(epoch), View::new(1)),
            leader: HandleSigner::from_seed(1).public_key(),
            parent: (View::zero(), parent),
        };
        let judged =
            application.verify((context.child("judge"), about), ancestry::from_iter(chain));
        let verdict = Box::pin(judged).await;
        (verdict, unix_ms(context.current()) - begun)
    })
}

fn with_other_root(block: &Block) -> Block {
    let mut inner = block.as_inner().clone();
    inner.header.state_root.0[0] ^= 1;
    Block::new(inner)
}

#[test]
fn a_block_from_the_future_is_held_until_its_time() {
    assert_eq!(judge(0, 0, Block::clone), (true, 0));
    let (verdict, took_ms) = judge(0, 2_500, Block::clone);
    assert!(verdict && (2_000..2_500).contains(&took_ms), "{verdict} after {took_ms} ms");
}

#[test]
fn a_block_that_never_can_be_valid_is_refused() {
    assert!(!judge(0, 0, with_other_root).0, "another state root");
    assert!(!judge(1, 0, Block::clone).0, "another epoch");
}
