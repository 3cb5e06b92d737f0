//! What consensus asks of the chain: make a block, judge a block.
//!
//! A leader holds its proposal until there is something to put in: no empty blocks. The exception
//! is a notarised block whose finalisation got lost: after a while an empty block on top carries it
//! to finality; and when the validators are to change, the rest of the epoch is run out with empty
//! blocks, as fast as they come. Nobody's clock decides validity: a block from the future is held until its time
//! comes, since `false` is final in simplex.

use std::{
    collections::BTreeSet,
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use commonware_consensus::{
    Application, Epochable, marshal::ancestry::Ancestry, simplex::types::Context, types::Epoch,
};
use commonware_cryptography::{Digested, ed25519::PublicKey};
use commonware_macros::select;
use commonware_runtime::{Clock, Metrics, Spawner};
use futures::StreamExt;
use windlass_chain::Room;

use super::{
    bell::Bell,
    block::{MAX_BLOCK_BYTES, OrderedBlock},
    committees::Committees,
    digest::Digest,
    idle::Progress,
    room::{Fate, Made, Rooms},
    scheme::Scheme,
    steady::Wall,
    work::Work,
};
use crate::{
    diagnosis::Diagnosis,
    seam::{Ledger, Proposal, Verdict},
};

/// How long a notarised tip may wait for its finality before an empty block is made; shorter than
/// the leader's time, longer than the votes take.
pub const EMPTY_AFTER: Duration = Duration::from_millis(300);

/// How many blocks are remembered as executed.
const REMEMBERED: usize = 256;

/// The chain's side of consensus. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct ChainApplication<L> {
    ledger: L,
    work: Work,
    committees: Committees,
    progress: Progress,
    wall: Wall,
    bell: Bell,
    diagnosis: Diagnosis,
    rooms: Rooms,
    /// Blocks above the tip that the ledger has executed since it was opened: height, digest.
    executed: Arc<Mutex<BTreeSet<(u64, Digest)>>>,
}

/// Unix milliseconds of a clock.
pub fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl<L: Ledger> ChainApplication<L> {
    /// Over a ledger; the bell of `progress` rings when its work or the tip changes, and blocks get
    /// the time of `wall`.
    pub fn new(
        ledger: L,
        work: Work,
        committees: Committees,
        progress: Progress,
        wall: Wall,
    ) -> Self {
        let (bell, executed) = (progress.bell().clone(), Arc::default());
        let (diagnosis, rooms) = (Diagnosis::default(), Rooms::default());
        Self { ledger, work, committees, progress, wall, bell, diagnosis, rooms, executed }
    }

    /// The same, telling there why a block is not voted on.
    #[must_use]
    pub fn telling(self, diagnosis: Diagnosis) -> Self {
        Self { diagnosis, ..self }
    }

    fn remember(&self, block: &OrderedBlock) {
        let mut executed = self.executed.lock().unwrap_or_else(PoisonError::into_inner);
        executed.insert((block.0.number(), block.0.hash().into()));
        while executed.len() > REMEMBERED {
            executed.pop_first();
        }
    }

    fn is_executed(&self, block: &OrderedBlock) -> bool {
        let executed = self.executed.lock().unwrap_or_else(PoisonError::into_inner);
        block.0.number() <= self.ledger.tip().number
            || executed.contains(&(block.0.number(), block.0.hash().into()))
    }

    /// Has the ledger execute `parent` and what lies between it and the tip, as after a restart.
    async fn execute_ancestors<E: Clock>(
        &self,
        clock: &E,
        parent: &OrderedBlock,
        ancestry: &mut impl Ancestry<OrderedBlock>,
    ) -> bool {
        let mut missing = vec![parent.clone()];
        while let Some(lowest) = missing.last() {
            if self.is_executed(lowest) {
                break;
            }
            let Some(next) = ancestry.next().await else {
                return false;
            };
            missing.push(next.inner().clone());
        }
        while let Some(parent) = missing.pop() {
            let Some(child) = missing.last() else {
                break;
            };
            if !self.judge(clock, &parent, child).await {
                return false;
            }
        }
        true
    }

    /// The ledger's verdict, awaited until it is one.
    async fn judge<E: Clock>(
        &self,
        clock: &E,
        parent: &OrderedBlock,
        block: &OrderedBlock,
    ) -> bool {
        loop {
            let own_ms = self.wall.now_ms();
            let now_ms = self.diagnosis.time_ms(own_ms);
            let ledger = self.ledger.clone();
            let (on, new) = (parent.0.clone(), block.0.clone());
            let number = new.number();
            match self.work.run(move || ledger.verify(&on, &new, now_ms)).await {
                Some(Verdict::Valid) => {
                    self.diagnosis.judged(number);
                    self.remember(block);
                    return true;
                }
                Some(Verdict::Invalid(reason)) => {
                    self.diagnosis.judged(number);
                    tracing::warn!(number, hash = %block.0.hash(), reason, "invalid block");
                    return false;
                }
                Some(Verdict::Early { wait_ms }) => {
                    let ahead_ms = block.0.timestamp_ms().saturating_sub(now_ms);
                    self.diagnosis.held(number, ahead_ms, wait_ms, own_ms);
                    clock.sleep(Duration::from_millis(wait_ms.max(1))).await;
                }
                Some(Verdict::Unknown(reason)) => {
                    tracing::error!(number, reason, "cannot judge a block");
                    self.diagnosis.unable(number, reason);
                    return pending().await;
                }
                None => return pending().await,
            }
        }
    }

    /// What became of a proposal of this node, now that one is to be made on this parent.
    fn fate(&self, made: &Made, parent: &OrderedBlock) -> Fate {
        let above = parent.0.number();
        if above < made.number || (above == made.number && parent.0.hash() != made.hash) {
            return Fate::Lost;
        }
        match self.ledger.block_by_number(made.number) {
            Ok(Some(block)) if block.hash() == made.hash => Fate::Final,
            Ok(Some(_)) => Fate::Lost,
            Ok(None) | Err(_) => Fate::Open,
        }
    }

    /// Waits for work and makes a block of it; so many views before this one came to nothing.
    async fn make<E: Clock>(
        &self,
        clock: &E,
        (epoch, lost): (Epoch, u64),
        parent: &OrderedBlock,
    ) -> Option<OrderedBlock> {
        let most = Room { bytes: MAX_BLOCK_BYTES, gas: parent.0.header().gas_limit };
        let room = self.rooms.next(most, lost, |made| self.fate(made, parent));
        let longest_ms = self.progress.longest_interval_ms();
        let interval_ms = self.ledger.min_block_interval_ms().min(longest_ms);
        let earliest = parent.0.timestamp_ms().saturating_add(interval_ms);
        let soonest = earliest.saturating_sub(self.wall.now_ms());
        if parent.0.number() > 0 && soonest > 0 && !self.committees.are_to_change(&self.ledger) {
            clock.sleep(Duration::from_millis(soonest.min(interval_ms))).await;
        }
        let mut allow_empty = false;
        loop {
            let rings = self.bell.rings();
            let allow_empty_now = allow_empty || self.committees.are_to_change(&self.ledger);
            if allow_empty_now || self.ledger.has_work() {
                let ledger = self.ledger.clone();
                let on = parent.0.clone();
                let now_ms = self.wall.now_ms();
                let (epoch, allow_empty) = (epoch.get(), allow_empty_now);
                let proposal = Proposal { now_ms, epoch, allow_empty, room };
                match self.work.run(move || ledger.propose(&on, proposal)).await? {
                    Ok(Some(block)) => {
                        self.rooms.made(&block, room, lost);
                        return Some(OrderedBlock(block));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(%error, "cannot make a block");
                        return None;
                    }
                }
            }
            if parent.0.number() > self.progress.final_height() {
                // Both branches only wait.
                select! {
                    () = clock.sleep(EMPTY_AFTER) => {
                        allow_empty = parent.0.number() > self.progress.final_height();
                    },
                    () = self.bell.after(rings) => {},
                }
            } else {
                allow_empty = false;
                self.bell.after(rings).await;
            }
        }
    }
}

impl<E, L> Application<E> for ChainApplication<L>
where
    E: Clock + Spawner + Metrics,
    L: Ledger,
{
    type SigningScheme = Scheme;
    type Context = Context<Digest, PublicKey>;
    type Block = OrderedBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (clock, context): (E, Self::Context),
        mut ancestry: impl Ancestry<OrderedBlock>,
        (): (),
    ) -> Option<Digested<OrderedBlock>> {
        let parent = ancestry.next().await?.inner().clone();
        if !self.execute_ancestors(&clock, &parent, &mut ancestry).await {
            return None;
        }
        let (view, before) = (context.round.view().get(), context.parent.0.get());
        let lost = view.saturating_sub(before).saturating_sub(1);
        let block = self.make(&clock, (context.epoch(), lost), &parent).await?;
        self.progress.active(context.round);
        self.remember(&block);
        let digest = block.0.hash().into();
        Some(Digested::precomputed(block, digest))
    }

    async fn verify(
        &mut self,
        (clock, context): (E, Self::Context),
        mut ancestry: impl Ancestry<OrderedBlock>,
    ) -> bool {
        self.progress.active(context.round);
        let (Some(block), Some(parent)) = (ancestry.next().await, ancestry.next().await) else {
            return pending().await;
        };
        let (block, parent) = (block.inner().clone(), parent.inner().clone());
        if block.0.extra_data().map(|extra| extra.epoch) != Some(context.epoch().get()) {
            tracing::warn!(number = block.0.number(), "a block of another epoch");
            return false;
        }
        if !self.execute_ancestors(&clock, &parent, &mut ancestry).await {
            return pending().await;
        }
        self.judge(&clock, &parent, &block).await
    }
}
