//! A bounded pool of threads for what is too long for the server's own thread.
//!
//! Threads start with the first job and sleep between jobs, so that an idle node has none of their
//! cost. The queue is bounded: what doesn't fit is refused at once, with the limit in the error.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;
use windlass_chain::contain::contained;

use super::error::RpcError;
use super::limits;

type Job = Box<dyn FnOnce() + Send>;

/// What a panic of a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panics {
    /// The job only reads, and whoever waits for it gets an error.
    Contained,
    /// The job changes what others use, and ends the process.
    End,
}

/// Threads of one kind.
#[derive(Debug)]
pub(super) struct Workers {
    name: &'static str,
    most: usize,
    niceness: i32,
    panics: Panics,
    started: AtomicUsize,
    queue: SyncSender<Job>,
    jobs: Arc<Mutex<Receiver<Job>>>,
}

impl Workers {
    /// At most `most` threads; a greater niceness leaves the processor to others.
    pub(super) fn new(name: &'static str, most: usize, niceness: i32, panics: Panics) -> Self {
        let (queue, jobs) = sync_channel(limits::WAITING_JOBS);
        let jobs = Arc::new(Mutex::new(jobs));
        Self { name, most, niceness, panics, started: AtomicUsize::new(0), queue, jobs }
    }

    /// Runs a job on one of the threads. Dropping the future is safe: the job is run all the same.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, RpcError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let panics = self.panics;
        let job: Job = Box::new(move || {
            let result = match panics {
                Panics::Contained => contained(job).unwrap_or_else(|panic| {
                    tracing::error!(panic, "a request's job panicked");
                    Err(RpcError::Internal("internal error".to_owned()))
                }),
                Panics::End => job(),
            };
            // Nobody waits any more: the client has gone.
            let _gone = answer.send(result);
        });
        match self.queue.try_send(job) {
            Ok(()) => self.start(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                return Err(RpcError::busy());
            }
        }
        answered.await.unwrap_or_else(|_cancelled| {
            Err(RpcError::Internal("the node is shutting down".to_owned()))
        })
    }

    /// One thread more with each of the first jobs.
    fn start(&self) {
        let started = self.started.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |started| {
            (started < self.most).then_some(started + 1)
        });
        let Ok(index) = started else { return };
        let jobs = Arc::clone(&self.jobs);
        let niceness = self.niceness;
        let spawned = std::thread::Builder::new()
            .name(format!("{}-{index}", self.name))
            .spawn(move || work(&jobs, niceness));
        if let Err(error) = spawned {
            self.started.fetch_sub(1, Ordering::SeqCst);
            tracing::warn!(%error, "a thread for requests could not be started");
        }
    }
}

/// Ends when the pool is dropped.
fn work(jobs: &Mutex<Receiver<Job>>, niceness: i32) {
    if niceness != 0 {
        // On Linux this is the calling thread's alone.
        if let Err(error) = rustix::process::setpriority_process(None, niceness) {
            tracing::debug!(%error, "the priority of a thread could not be lowered");
        }
    }
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::executor::block_on;
    use futures::future::join_all;

    use super::*;

    #[test]
    fn jobs_run_panics_are_contained_and_the_queue_is_bounded() {
        let workers = Workers::new("test", 1, 0, Panics::Contained);
        assert_eq!(block_on(workers.run(|| Ok(1))), Ok(1));
        let panicked: Result<(), _> = block_on(workers.run(|| panic!("on purpose")));
        assert!(matches!(panicked, Err(RpcError::Internal(_))));
        assert_eq!(block_on(workers.run(|| Ok(2))), Ok(2));

        // The one thread is held while the queue fills.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let first = workers
            .run(move || held.recv().map_err(|_gone| RpcError::Internal("released".to_owned())));
        let waiting = (0..limits::WAITING_JOBS + 8).map(|_| workers.run(|| Ok(())));
        let finish = async move {
            release.send(()).unwrap();
            Ok(())
        };
        let all = std::iter::once(first.boxed_local())
            .chain(waiting.map(FutureExt::boxed_local))
            .chain([finish.boxed_local()]);
        let results = block_on(join_all(all));
        let refused = results.iter().filter(|result| **result == Err(RpcError::busy())).count();
        // The first is with the thread already, or still has a place in the queue.
        assert!((8..=9).contains(&refused), "{refused}");
    }
}
