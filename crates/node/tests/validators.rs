//! Four whole validators, each from its directory: sockets, threads, files, execution.

mod common;

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use futures::{FutureExt, channel::oneshot};
use windlass_node::run::{Hooks, NodeError, Outcome, Ports, run};

struct Running {
    stop: oneshot::Sender<()>,
    ready: mpsc::Receiver<Ports>,
    thread: JoinHandle<Result<Outcome, NodeError>>,
}

fn start(directory: &Path) -> Running {
    let (stop, stopped) = oneshot::channel();
    let directory: PathBuf = directory.to_owned();
    let (told, ready) = mpsc::channel();
    let thread = thread::spawn(move || {
        let hooks = Hooks {
            ready: Box::new(move |ports| told.send(ports).expect("the test waits")),
            shutdown: stopped.map(drop).boxed(),
        };
        run(&directory, hooks)
    });
    Running { stop, ready, thread }
}

impl Running {
    fn wait(&self) {
        self.ready.recv().expect("it starts");
    }

    fn stop(self) {
        self.stop.send(()).expect("it runs");
        let outcome = self.thread.join().expect("it does not panic");
        assert_eq!(outcome.expect("it ends in order"), Outcome::Shutdown);
    }
}

#[test]
fn four_validators_agree_and_go_on_after_a_restart() {
    let root = tempfile::tempdir().expect("a directory");
    let directories = common::create(root.path(), 4, 8);
    let mut running: Vec<_> = directories.iter().map(|one| Some(start(one))).collect();
    running.iter().flatten().for_each(Running::wait);
    let account = windlass_keys::throwaway_account().expect("an account");
    let mut nonce = 0;
    let mut expected = 0;
    let mut transact = |to: usize, seen_by: &[usize]| {
        common::send(&directories[to], &common::transfer(&account, nonce));
        nonce += 1;
        expected += 1;
        for index in seen_by {
            common::until(&directories[*index], "the block is final", |status| {
                common::tip(status) >= expected
            });
        }
    };
    common::until(&directories[0], "all are connected", |status| {
        status["connectedValidators"] == 4
    });
    for round in 0..20 {
        transact(round % 4, &[0, 1, 2, 3]);
    }
    running[2].take().expect("it runs").stop();
    transact(0, &[0, 1, 3]);
    let restarted = start(&directories[2]);
    restarted.wait();
    running[2] = Some(restarted);
    transact(2, &[0, 1, 2, 3]);
    let hashes: Vec<_> = directories
        .iter()
        .map(|one| common::until(one, "any", |_| true)["tip"]["hash"].clone())
        .collect();
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "{hashes:?}");
    for one in running.into_iter().flatten() {
        one.stop();
    }
}

#[test]
fn a_key_that_the_genesis_does_not_have_is_refused() {
    let root = tempfile::tempdir().expect("a directory");
    let directories = common::create(root.path(), 2, 8);
    let other = directories[1].join("files/node.toml");
    let text = std::fs::read_to_string(&other).expect("a file").replace("index = 1", "index = 0");
    std::fs::write(&other, text).expect("a file");
    let refused = start(&directories[1]).thread.join().expect("it does not panic");
    assert!(matches!(refused, Err(NodeError::OtherKey { .. })), "{refused:?}");
}
