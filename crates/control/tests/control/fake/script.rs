//! What goes wrong, and where: points and driver calls are numbered in the order in which a run
//! reaches them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use tokio::sync::watch;
use windlass_control::world::{Passage, Points, Working};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    FailBefore,
    FailAfter,
    Twice,
    /// It is never answered, and nothing happens.
    Hang,
    /// It is never answered, and has happened.
    HangAfter,
    /// What only looks fails, or, each second time, is never answered: to who waits it is the same later.
    Blind,
    /// From this call on, the gateway that runs now never answers again; others calls fail before.
    Silence,
}

impl Fault {
    fn is_of_looks(self) -> bool {
        self == Self::Blind
    }
}

#[derive(Debug)]
pub(crate) struct Script {
    /// The points at which the control plane dies.
    kills: Mutex<BTreeSet<usize>>,
    /// The calls that go wrong, those that only look counted apart.
    faults: Mutex<BTreeSet<(usize, Fault)>>,
    points: AtomicUsize,
    calls: AtomicUsize,
    looks: AtomicUsize,
    pub(crate) killed_at: Mutex<Option<String>>,
    killed: watch::Sender<bool>,
    threads: Arc<Threads>,
    readers: u32,
}

impl Script {
    pub(crate) fn new(kill_at: Option<usize>, fault_at: Option<(usize, Fault)>) -> Self {
        Self {
            kills: Mutex::new(kill_at.into_iter().collect()),
            faults: Mutex::new(fault_at.into_iter().collect()),
            points: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
            killed_at: Mutex::new(None),
            killed: watch::Sender::new(false),
            threads: Arc::default(),
            readers: 4,
        }
    }

    /// Nothing goes wrong unless it is said later, and one reads the store at a time: a platform that
    /// lives for a moment then has less to begin with.
    pub(crate) fn frugal() -> Self {
        Self { readers: 1, ..Self::new(None, None) }
    }

    /// Has the control plane die after it has passed so many points more.
    pub(crate) fn kill_after(&self, points: usize) {
        self.kills.lock().unwrap().insert(self.points.load(Ordering::SeqCst) + points);
    }

    /// Lets a call go wrong after so many more that don't.
    pub(crate) fn fail_after(&self, calls: usize, fault: Fault) {
        self.faults.lock().unwrap().insert((self.calls(fault) + calls, fault));
    }

    /// How many calls there were that such a fault can happen to.
    pub(crate) fn calls(&self, fault: Fault) -> usize {
        let count = if fault.is_of_looks() { &self.looks } else { &self.calls };
        count.load(Ordering::SeqCst)
    }

    /// Returns when the point was reached at which the control plane dies.
    pub(crate) async fn killed(&self) {
        let mut killed = self.killed.subscribe();
        killed.wait_for(|killed| *killed).await.expect("the script outlives the wait");
    }

    /// What happens to a call with this number.
    fn fault(&self, number: usize, can_be: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let found = faults.iter().find(|(at, fault)| *at == number && can_be(*fault)).copied();
        found.map(|found| {
            faults.remove(&found);
            found.1
        })
    }

    /// A call that only looks.
    pub(crate) async fn look<T, E>(
        &self,
        look: impl Future<Output = Result<T, E>>,
        told: impl Fn(Fault) -> E,
    ) -> Result<T, E> {
        let number = self.looks.fetch_add(1, Ordering::SeqCst);
        match self.fault(number, Fault::is_of_looks) {
            Some(fault @ Fault::Blind) if number.is_multiple_of(2) => Err(told(fault)),
            Some(Fault::Blind) => std::future::pending().await,
            _ => look.await,
        }
    }

    /// A call to a driver, with a point before and after it.
    pub(crate) async fn call<T, E, C, F>(
        &self,
        name: &'static str,
        call: C,
        told: impl Fn(Fault) -> E,
    ) -> Result<T, E>
    where
        C: Fn() -> F,
        F: Future<Output = Result<T, E>>,
    {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = self.fault(number, |fault| !fault.is_of_looks());
        self.pass("before", name).await;
        let result = match fault {
            Some(fault @ (Fault::FailBefore | Fault::Silence)) => Err(told(fault)),
            Some(fault @ Fault::FailAfter) => call().await.and(Err(told(fault))),
            Some(Fault::Twice) => {
                drop(call().await);
                call().await
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangAfter) => {
                drop(call().await);
                std::future::pending().await
            }
            Some(Fault::Blind) | None => call().await,
        };
        self.pass("after", name).await;
        result
    }

    async fn pass(&self, when: &'static str, name: &'static str) {
        if self.reach(when, name) == Passage::Never {
            std::future::pending::<()>().await;
        }
    }
}

impl Points for Script {
    fn reach(&self, when: &'static str, name: &'static str) -> Passage {
        let dead = *self.killed.borrow();
        let number = self.points.fetch_add(1, Ordering::SeqCst);
        if dead {
            return Passage::Never;
        }
        if self.kills.lock().unwrap().contains(&number) {
            *self.killed_at.lock().unwrap() = Some(format!("{number}: {when} {name}"));
            self.killed.send_replace(true);
            return Passage::Never;
        }
        Passage::Go
    }

    fn readers(&self) -> u32 {
        self.readers
    }

    fn working(&self) -> Working {
        Some(Box::new(Threads::begin(&self.threads)))
    }
}

/// How many wait for threads beside the runtime. As long as somebody does, a clock that goes on when
/// there is nothing to do stands still.
#[derive(Debug, Default)]
struct Threads(Mutex<(usize, Option<mpsc::Sender<()>>)>);

impl Threads {
    fn begin(threads: &Arc<Self>) -> Waits {
        let mut waiting = threads.0.lock().unwrap();
        waiting.0 += 1;
        if waiting.1.is_none() {
            let (sender, ended) = mpsc::channel();
            waiting.1 = Some(sender);
            // The runtime's clock stands while a blocking task runs; this one ends with the sender.
            drop(tokio::task::spawn_blocking(move || ended.recv().is_ok()));
        }
        Waits(Arc::clone(threads))
    }
}

#[derive(Debug)]
struct Waits(Arc<Threads>);

impl Drop for Waits {
    fn drop(&mut self) {
        let mut waiting = self.0.0.lock().unwrap();
        waiting.0 -= 1;
        if waiting.0 == 0 {
            waiting.1 = None;
        }
    }
}
