//! What goes wrong, and where: points and driver calls are numbered in the order in which a run
//! reaches them.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;
use windlass_control::world::{Passage, Points};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    kill_at: Option<usize>,
    fault_at: Option<(usize, Fault)>,
    points: AtomicUsize,
    calls: AtomicUsize,
    looks: AtomicUsize,
    pub(crate) killed_at: Mutex<Option<String>>,
    killed: watch::Sender<bool>,
}

impl Script {
    pub(crate) fn new(kill_at: Option<usize>, fault_at: Option<(usize, Fault)>) -> Self {
        Self {
            kill_at,
            fault_at,
            points: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
            killed_at: Mutex::new(None),
            killed: watch::Sender::new(false),
        }
    }

    pub(crate) fn is(&self, fault: Fault) -> bool {
        self.fault_at.is_some_and(|(_, one)| one == fault)
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

    /// A call that only looks.
    pub(crate) async fn look<T, E>(
        &self,
        look: impl Future<Output = Result<T, E>>,
        told: impl Fn() -> E,
    ) -> Result<T, E> {
        let number = self.looks.fetch_add(1, Ordering::SeqCst);
        match self.fault_at.filter(|(at, _)| *at == number).map(|(_, fault)| fault) {
            Some(Fault::Blind) if number.is_multiple_of(2) => Err(told()),
            Some(Fault::Blind) => std::future::pending().await,
            _ => look.await,
        }
    }

    /// A call to a driver, with a point before and after it.
    pub(crate) async fn call<T, E, C, F>(
        &self,
        name: &'static str,
        call: C,
        told: impl Fn() -> E,
    ) -> Result<T, E>
    where
        C: Fn() -> F,
        F: Future<Output = Result<T, E>>,
    {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = self.fault_at.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        self.pass("before", name).await;
        let result = match fault {
            Some(Fault::FailBefore | Fault::Silence) => Err(told()),
            Some(Fault::FailAfter) => call().await.and(Err(told())),
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
        if self.kill_at == Some(number) {
            *self.killed_at.lock().unwrap() = Some(format!("{number}: {when} {name}"));
            self.killed.send_replace(true);
            return Passage::Never;
        }
        Passage::Go
    }
}
