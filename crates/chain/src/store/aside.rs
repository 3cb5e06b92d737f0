//! What is in a full part of the log goes to the table, beside the commits that follow.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::recent::Recent;
use super::redb::Shared;
use super::table::guarded;

/// How many commits later, where it is later.
const COMMITS: u32 = 5;
/// All nodes of a network write what they have at about the same time: blocks go first.
const NICENESS: i32 = 10;

/// When it goes there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// At once, by a thread of its own.
    Beside,
    /// Some commits later, by who commits: the same way in every run of a simulation.
    Later,
}

/// What goes to the table.
#[derive(Debug)]
pub(super) struct Job {
    shared: Arc<Shared>,
    set_aside: Recent,
    last: u64,
}

/// What is on its way there.
#[derive(Debug)]
pub(super) enum Aside {
    Nothing,
    Waits { commits: u32, job: Job },
    GoesBeside(JoinHandle<Result<(), NotArrived>>),
    Failed,
}

/// What was set aside is not in the table. The store's owner has been told why.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotArrived;

impl Job {
    /// Everything until the batch of this number.
    pub(super) fn new(shared: &Arc<Shared>, set_aside: Recent, last: u64) -> Self {
        Self { shared: Arc::clone(shared), set_aside, last }
    }

    fn run(self) -> Result<(), NotArrived> {
        let Self { shared, set_aside, last } = self;
        guarded(|| shared.arrive(&set_aside, last)).map_err(|error| {
            shared.tell(error);
            NotArrived
        })
    }
}

impl Pace {
    pub(super) fn begin(self, job: Job) -> Aside {
        match self {
            Self::Later => Aside::Waits { commits: COMMITS, job },
            Self::Beside => {
                let thread = thread::Builder::new().name("ledger-table".to_owned());
                let work = || {
                    // On Linux this is the calling thread's alone; where it fails, blocks wait a little.
                    let _lowered = rustix::process::setpriority_process(None, NICENESS);
                    job.run()
                };
                // Without a thread it goes there with what comes next.
                thread.spawn(work).map_or(Aside::Failed, Aside::GoesBeside)
            }
        }
    }
}

impl Aside {
    /// A commit was made.
    pub(super) fn pass(&mut self) {
        match self {
            // Its owner is told of a failure, and the next part waits for it.
            Self::Waits { commits: 0, .. } => {
                let _told = self.settle();
            }
            Self::Waits { commits, .. } => *commits -= 1,
            Self::Nothing | Self::GoesBeside(_) | Self::Failed => {}
        }
    }

    /// Waits until nothing is on its way. What did not arrive stays so until all is in the table.
    pub(super) fn settle(&mut self) -> Result<(), NotArrived> {
        let arrived = match std::mem::replace(self, Self::Failed) {
            Self::Nothing => Ok(()),
            Self::Waits { job, .. } => job.run(),
            Self::GoesBeside(running) => running.join().unwrap_or(Err(NotArrived)),
            Self::Failed => Err(NotArrived),
        };
        if arrived.is_ok() {
            *self = Self::Nothing;
        }
        arrived
    }
}
