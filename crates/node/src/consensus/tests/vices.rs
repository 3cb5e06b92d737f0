//! The liars of storms: who they are, what they do, and what becomes known of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    liars::{Accomplice, Lie, Lies},
    plot::Plotter,
    storm::Storm,
    tampered::{Tamper, Tampered},
};
use crate::{consensus::exchange::key_bytes, seam::Ledger as _, status::faulty};

/// How often nodes have taken the state of others, and validators lied, in all storms of this process.
pub(super) static JOINS: AtomicU64 = AtomicU64::new(0);
pub(super) static LIES: AtomicU64 = AtomicU64::new(0);

/// What a liar does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Vice {
    /// It votes as nobody may, and lies about its state.
    Votes(Lie),
    /// It is like all others, but proposes wrong blocks.
    Proposes(Tamper),
    /// It repeats what it hears, and asks again and again.
    Floods,
    /// It is like all others, but attempts a fork, with all who do.
    Plots,
}

/// A validator that lies.
pub(super) struct Liar {
    pub(super) index: usize,
    vice: Vice,
    accomplice: Accomplice<Tampered>,
    /// How often it has lied, in its votes and elsewhere.
    told: Vec<Lies>,
    /// How often it has voted twice, if it does.
    twice: Option<Lies>,
}

impl Liar {
    /// How often it votes twice before somebody must have evidence.
    fn patience(&self) -> u64 {
        match self.vice {
            // Those who have found it out by certificates alone hear it no more.
            Vice::Plots => 6,
            Vice::Votes(_) | Vice::Proposes(_) | Vice::Floods => 1,
        }
    }
}

impl Storm<'_> {
    /// Those that run and don't lie.
    pub(super) fn running(&self) -> Vec<usize> {
        let running = self.network.running_indices().into_iter();
        running.filter(|index| !self.lies(*index)).collect()
    }

    pub(super) fn lies(&self, index: usize) -> bool {
        self.liars.iter().any(|liar| liar.index == index)
    }

    /// Whether it runs what nodes run; a liar may not.
    pub(super) fn is_a_node(&self, index: usize) -> bool {
        let vice = self.liars.iter().find(|liar| liar.index == index).map(|liar| liar.vice);
        matches!(vice, None | Some(Vice::Proposes(_) | Vice::Plots))
    }

    /// Starts a node, which may be one that proposes wrong blocks.
    pub(super) async fn begin(&mut self, index: usize) {
        self.network.start(index).await;
        let vice = self.liars.iter().find(|liar| liar.index == index).map(|liar| liar.vice);
        if let Some(Vice::Proposes(tamper)) = vice {
            self.network.validators[index].ledger.tamper(tamper);
        }
    }

    /// Makes a validator a liar.
    pub(super) async fn tempt(&mut self, index: usize) {
        let lies = [Lie::Equivocates, Lie::NullifiesWhatItFinalizes, Lie::Withholds];
        let vice = match self.pick(11) {
            0..4 => Vice::Votes(lies[self.pick(lies.len())]),
            4..7 => Vice::Proposes(Tamper::ALL[self.pick(Tamper::ALL.len())]),
            7 => Vice::Floods,
            _ => Vice::Plots,
        };
        let accomplice = Accomplice::new(self.network.validators[index].ledger.clone());
        let (mut told, mut twice) = (Vec::new(), None);
        match vice {
            Vice::Votes(lie) => {
                told.push(self.network.lie_in_sync(index, accomplice.clone()).await);
                let votes = self.network.lie(index, lie, accomplice.clone()).await;
                twice = (lie != Lie::Withholds).then(|| Lies::clone(&votes));
                told.push(votes);
            }
            Vice::Floods => self.network.flood(index).await,
            Vice::Proposes(_) => {}
            Vice::Plots => {
                let Plotter { told: split, openly, .. } = self.network.join_plot(index, &self.plot);
                twice = Some(Lies::clone(&openly));
                told.extend([split, openly]);
            }
        }
        self.liars.push(Liar { index, vice, accomplice, told, twice });
    }

    /// Liars know what an honest node knows that runs now.
    pub(super) fn conspire(&self) {
        let Some(&honest) = self.running().first() else { return };
        for liar in &self.liars {
            liar.accomplice.replace(self.network.validators[honest].ledger.clone());
        }
    }

    /// Whether so many of those who vote lie that there is no quorum without one who takes the state of
    /// others.
    pub(super) fn needs_joiners(&self) -> bool {
        let ledger = &self.network.validators[self.running()[0]].ledger;
        let tip =
            ledger.block_by_number(ledger.tip().number).expect("it reads").expect("it is final");
        let epoch = tip.extra_data().map_or(0, |extra| extra.epoch);
        let now = ledger.committee(epoch).expect("it reads").map(|committee| committee.seats);
        let next = ledger.next_validators().expect("the ledger reads");
        [now.unwrap_or_default(), next].iter().any(|seats| {
            let votes = |index: &usize| {
                let keys = self.network.validators[*index].keys();
                seats.iter().any(|seat| keys.iter().any(|key| key_bytes(key) == seat.node_key))
            };
            let absent = |index: &usize| self.lies(*index) || self.network.takes_states(*index);
            let all = 0..self.network.validators.len();
            all.filter(votes).filter(absent).count() > faulty(seats.len())
        })
    }

    /// Ends those who attempt a fork or propose wrong blocks: what nobody else knows of they may tell at any
    /// time, since most don't hear them any more or nobody waits for them.
    pub(super) async fn silence_proposers(&mut self) {
        let running = self.network.running_indices();
        for liar in self.liars.iter().filter(|liar| running.contains(&liar.index)) {
            if matches!(liar.vice, Vice::Plots | Vice::Proposes(_)) {
                self.network.kill(liar.index).await;
            }
        }
    }

    /// Counts how often nodes have taken states, and liars lied.
    pub(super) fn count(&self) {
        JOINS.fetch_add(self.network.joins, Ordering::Relaxed);
        for liar in &self.liars {
            let told: u64 = liar.told.iter().map(|lies| lies.load(Ordering::Relaxed)).sum();
            let blocks = self.network.validators[liar.index].ledger.lies();
            let blocks = u64::try_from(blocks).expect("small");
            LIES.fetch_add(told + blocks, Ordering::Relaxed);
        }
    }

    /// What must hold, at last.
    pub(super) fn check(&self) {
        let honest = self.running();
        self.network.check_nodes(&honest, &self.acknowledged);
        // One that votes by itself may vote for both blocks of another one.
        let votes = |liar: &&Liar| matches!(liar.vice, Vice::Votes(_) | Vice::Plots);
        let accused: Vec<usize> = self.liars.iter().filter(votes).map(|liar| liar.index).collect();
        self.network.check_evidence(&honest, &accused);
        self.check_council();
        for liar in &self.liars {
            let twice = liar.twice.as_ref().map_or(0, |lies| lies.load(Ordering::Relaxed));
            let lied = twice >= liar.patience();
            let seen = self.network.have_evidence(&honest, liar.index);
            assert!(!lied || seen, "nobody has evidence against {}: {:?}", liar.index, liar.vice);
        }
    }
}
