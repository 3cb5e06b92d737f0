//! When is there nothing to do?
//!
//! A validator may rest when no executable transaction is pending, no change of validators waits for
//! the epoch's end, and every view in which
//! anything happened is settled: final, or nullified with nothing notarised after the last final
//! one. Then, after a short grace, its engine's clock is stopped ([`super::freeze`]). What other
//! nodes send is still heard and answered; only time stands still.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use commonware_consensus::{
    Reporter,
    simplex::types::Activity,
    types::{Epoch, Round, View},
};
use commonware_macros::select;
use commonware_runtime::Clock;

use super::{
    bell::Bell, digest::Digest, evidence::Witness, freeze::Brake, scheme::Scheme, scribe::Scribe,
};
use crate::status::StatusBoard;

/// How long all must be quiet before the clock stops: time for the last votes to arrive.
pub const GRACE: Duration = Duration::from_millis(100);

/// What has happened in which view. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct Progress {
    inner: Arc<Mutex<Views>>,
    bell: Bell,
}

#[derive(Clone, Copy, Debug)]
struct Views {
    /// The newest view that a block was proposed or a vote was cast in.
    active: Round,
    notarized: Round,
    nullified: Round,
    finalized: Round,
    /// The height that is final and known to be, whether or not it is durable.
    final_height: u64,
    /// The pause between two blocks, in milliseconds, that the time limits of the epoch have room for.
    interval_ms: u64,
}

impl Progress {
    /// Nothing has happened. `bell` is rung at every change.
    pub fn new(bell: Bell, final_height: u64) -> Self {
        let zero = Round::zero();
        let views = Views {
            active: zero,
            notarized: zero,
            nullified: zero,
            finalized: zero,
            final_height,
            interval_ms: u64::MAX,
        };
        Self { inner: Arc::new(Mutex::new(views)), bell }
    }

    /// What is rung at every change.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// A block is proposed or judged in this view.
    pub fn active(&self, round: Round) {
        self.change(|views| views.active = views.active.max(round));
    }

    /// A block is final.
    pub fn finalized(&self, round: Round, height: Option<u64>) {
        self.change(|views| {
            views.finalized = views.finalized.max(round);
            views.final_height = views.final_height.max(height.unwrap_or(0));
        });
    }

    /// An epoch begins, whose time limits have room for this pause between two blocks in milliseconds:
    /// nothing of the one before is open any more.
    pub fn entered(&self, epoch: Epoch, interval_ms: u64) {
        self.change(|views| views.interval_ms = interval_ms);
        self.finalized(Round::new(epoch, View::zero()), None);
    }

    /// The pause between two blocks that the epoch's time limits have room for, in milliseconds. A longer
    /// one would end each view before its block, and holds from the next epoch on.
    pub fn longest_interval_ms(&self) -> u64 {
        self.lock().interval_ms
    }

    /// The height that is known to be final.
    pub fn final_height(&self) -> u64 {
        self.lock().final_height
    }

    /// The view that the node is in, as far as it saw the one before end.
    pub fn view(&self) -> Round {
        let views = self.lock();
        views.active.max(views.notarized).max(views.nullified).max(views.finalized)
    }

    /// Whether a view is open that must be settled.
    pub fn is_unsettled(&self) -> bool {
        let views = self.lock();
        views.notarized > views.finalized || views.active > views.finalized.max(views.nullified)
    }

    fn note(&self, activity: &Activity<Scheme, Digest>) {
        match activity {
            Activity::Notarization(notarization) | Activity::Certification(notarization) => {
                let round = notarization.round();
                self.change(|views| views.notarized = views.notarized.max(round));
            }
            Activity::Nullify(nullify) => {
                let round = nullify.round();
                self.change(|views| views.active = views.active.max(round));
            }
            Activity::Nullification(nullification) => {
                let round = nullification.round();
                self.change(|views| views.nullified = views.nullified.max(round));
            }
            Activity::Finalization(finalization) => self.finalized(finalization.round(), None),
            Activity::ConflictingNotarize(_)
            | Activity::ConflictingFinalize(_)
            | Activity::NullifyFinalize(_)
            | Activity::Notarize(_)
            | Activity::Finalize(_) => {}
        }
    }

    fn change(&self, change: impl FnOnce(&mut Views)) {
        change(&mut self.lock());
        self.bell.ring();
    }

    fn lock(&self) -> MutexGuard<'_, Views> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes what the engine reports before it passes it on.
#[derive(Clone, Debug)]
pub struct Observer<R> {
    /// Where the notes go.
    pub progress: Progress,
    /// Who is told of contradictory votes.
    pub witness: Witness,
    /// Who writes down whose votes come.
    pub scribe: Scribe,
    /// Who is told next.
    pub next: R,
}

impl<R: Reporter<Activity = Activity<Scheme, Digest>>> Reporter for Observer<R> {
    type Activity = Activity<Scheme, Digest>;

    fn report(&mut self, activity: Self::Activity) -> commonware_actor::Feedback {
        self.progress.note(&activity);
        self.witness.note(&activity);
        self.scribe.note(&activity);
        self.next.report(activity)
    }
}

/// Stops the engine's clock when there is nothing to do and starts it when there is; runs for ever.
pub async fn watch<E: Clock>(
    clock: E,
    has_work: impl Fn() -> bool,
    progress: Progress,
    brake: Brake,
    status: StatusBoard,
) {
    let bell = progress.bell.clone();
    loop {
        let rings = bell.rings();
        let view = progress.view();
        if has_work() || progress.is_unsettled() {
            brake.thaw(clock.current());
            status.update(|status| {
                status.idle = false;
                (status.epoch, status.view) = (view.epoch().get(), view.view().get());
            });
            bell.after(rings).await;
            continue;
        }
        // Both branches only wait; the one that loses is dropped without effect.
        select! {
            () = clock.sleep(GRACE) => {
                brake.freeze(clock.current());
                status.update(|status| {
                    status.idle = true;
                    (status.epoch, status.view) = (view.epoch().get(), view.view().get());
                });
                bell.after(rings).await;
            },
            () = bell.after(rings) => {},
        }
    }
}
