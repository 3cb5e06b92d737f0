//! Where the ledger's calls run.
//!
//! Consensus has one thread, and a vote must not wait behind somebody's block being executed or
//! synced to disk. In production calls go to a few threads of their own over a bounded queue; under
//! the simulator they run where they are made, so that a seed reproduces a run.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use futures::channel::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// How many calls may wait for a thread.
const QUEUE: usize = 256;

/// Runs blocking calls. A clone is another handle on the same threads.
#[derive(Clone, Debug)]
pub enum Work {
    /// On the caller's thread, at once.
    Inline,
    /// On threads of its own.
    Threads(mpsc::SyncSender<Job>),
    /// On the caller's thread, after a wait: a simulated disk that is slow.
    #[cfg(test)]
    Paced(Pace),
}

/// How long each call is waited for.
#[cfg(test)]
#[derive(Clone)]
pub struct Pace(pub Arc<dyn Fn() -> futures::future::BoxFuture<'static, ()> + Send + Sync>);

#[cfg(test)]
impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pace")
    }
}

impl Work {
    /// Starts `count` threads; they end when the last handle is dropped. With a greater niceness they
    /// leave the processor to others.
    pub fn threads(name: &str, count: usize, niceness: i32) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel::<Job>(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        for index in 0..count {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new().name(format!("{name}-{index}")).spawn(move || {
                if niceness != 0 {
                    // On Linux this is the calling thread's alone.
                    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
                        tracing::debug!(%error, "the priority of a thread could not be lowered");
                    }
                }
                loop {
                    let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match job {
                        Ok(job) => job(),
                        Err(mpsc::RecvError) => return,
                    }
                }
            })?;
        }
        Ok(Self::Threads(sender))
    }

    /// Runs the call and yields what it returns; `None` if the threads have ended or it panicked.
    /// Dropping the future does not stop the call.
    pub async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.begin(call).await.await.ok()
    }

    /// Has the call run, whether anybody waits for what it returns or not.
    #[cfg_attr(not(test), expect(clippy::unused_async, reason = "a simulated disk is waited for"))]
    pub async fn begin<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            // Nobody may want the answer any more.
            let _unwanted = answer.send(call());
        };
        match self {
            Self::Inline => job(),
            #[cfg(test)]
            Self::Paced(Pace(pace)) => {
                pace().await;
                job();
            }
            Self::Threads(sender) => {
                // Without threads nobody answers, which the receiver tells.
                let _ended = sender.send(Box::new(job));
            }
        }
        answered
    }
}
