//! Handshakes that come to nothing, on either side, are counted, and told in the log once a minute at
//! most.
//!
//! A stranger, a peer of another network or with another key, somebody who sends garbage or nothing:
//! each costs a handshake and nothing more, of which only so many run at a time. Who is refused learns
//! no reason from the other side, which owes a stranger none; so it says itself what it may be.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use commonware_runtime::{
    Clock, Metrics, Sink, Stream,
    telemetry::metrics::{Counter, MetricsExt as _},
};
use commonware_stream::Upgrader;
use rand_core::CryptoRng;

use super::dated::Dated;
use crate::{consensus::steady::Wall, diagnosis::Diagnosis};

/// How often the log may say that handshakes come to nothing.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// A count of handshakes that came to nothing. A clone is the same count.
#[derive(Clone, Debug)]
struct Failures {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    count: Counter,
    told: Mutex<Option<SystemTime>>,
}

impl Failures {
    fn new(count: Counter) -> Self {
        Self { inner: Arc::new(Inner { count, told: Mutex::new(None) }) }
    }

    /// Counts one; how many there were, if the log may say so.
    fn note(&self, now: SystemTime) -> Option<u64> {
        let count = self.inner.count.inc() + 1;
        let mut told = self.inner.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due =
            told.is_none_or(|last| now.duration_since(last).unwrap_or_default() >= TOLD_EVERY);
        due.then(|| {
            *told = Some(now);
            count
        })
    }
}

/// The handshake, with counts of those that fail.
#[derive(Clone, Debug)]
pub(super) struct Gate<U> {
    handshake: U,
    refused: Failures,
    turned_away: Failures,
    wall: Wall,
    diagnosis: Diagnosis,
}

impl<U> Gate<U> {
    /// The counts are among what the context measures; why nodes stay apart that know each other is
    /// told to the diagnosis.
    pub(super) fn new(
        handshake: U,
        context: &impl Metrics,
        (wall, diagnosis): (Wall, Diagnosis),
    ) -> Self {
        let refused = context
            .counter("handshakes_refused", "Connections to this node whose handshake failed");
        let turned_away = context
            .counter("handshakes_turned_away", "Connections to peers whose handshake failed");
        Self {
            handshake,
            refused: Failures::new(refused),
            turned_away: Failures::new(turned_away),
            wall,
            diagnosis,
        }
    }
}

/// A handshake that nobody has ended yet: who is silent is cut off from outside.
struct Attempt<F: FnMut(&dyn fmt::Display)> {
    ended: bool,
    failed: F,
}

impl<F: FnMut(&dyn fmt::Display)> Attempt<F> {
    /// Waits for the end of a handshake, and says why it failed if it does.
    async fn run<T, E: fmt::Display>(
        failed: F,
        handshake: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut attempt = Self { ended: false, failed };
        let outcome = handshake.await;
        attempt.ended = true;
        if let Err(error) = &outcome {
            (attempt.failed)(error);
        }
        outcome
    }
}

impl<F: FnMut(&dyn fmt::Display)> Drop for Attempt<F> {
    fn drop(&mut self) {
        if !self.ended {
            (self.failed)(&"it took too long");
        }
    }
}

impl<U: Upgrader> Upgrader for Gate<U>
where
    U::PublicKey: fmt::Display + Send,
{
    const MAX_SIZE: u32 = U::MAX_SIZE;

    type PublicKey = U::PublicKey;
    type Error = U::Error;
    type Sender<I: Stream, O: Sink> = U::Sender<I, O>;
    type Receiver<I: Stream, O: Sink> = U::Receiver<I, O>;

    fn public_key(&self) -> U::PublicKey {
        self.handshake.public_key()
    }

    async fn dial<C, I, O>(
        self,
        context: C,
        namespace: &[u8],
        max_message_size: u32,
        peer: U::PublicKey,
        stream: I,
        sink: O,
    ) -> Result<(U::Sender<I, O>, U::Receiver<I, O>), U::Error>
    where
        C: Clock + CryptoRng,
        I: Stream,
        O: Sink,
    {
        let (begun, known) = (context.current(), peer.to_string());
        let failed = |reason: &dyn fmt::Display| {
            self.diagnosis.handshake_failed(self.wall.now_ms());
            if let Some(count) = self.turned_away.note(begun) {
                tracing::warn!(
                    count, peer = known, %reason,
                    "a peer did not take this node's handshake: one of the two has another genesis, \
                     another node key than the other one knows, another version, or a clock that \
                     is off"
                );
            }
        };
        let context = Dated::new(context, &self.wall);
        let handshake = self.handshake;
        let dialled = handshake.dial(context, namespace, max_message_size, peer, stream, sink);
        Attempt::run(failed, dialled).await
    }

    async fn listen<C, I, O, B, F>(
        self,
        context: C,
        namespace: &[u8],
        max_message_size: u32,
        bouncer: B,
        stream: I,
        sink: O,
    ) -> Result<(U::PublicKey, U::Sender<I, O>, U::Receiver<I, O>), U::Error>
    where
        C: Clock + CryptoRng,
        I: Stream,
        O: Sink,
        B: FnOnce(U::PublicKey) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        let begun = context.current();
        // A stranger's failure says nothing of why this node lacks those that it knows.
        let named = AtomicBool::new(false);
        let bouncer = |peer| {
            let answer = bouncer(peer);
            async {
                let answer = answer.await;
                named.store(answer, Ordering::Relaxed);
                answer
            }
        };
        let failed = |reason: &dyn fmt::Display| {
            if named.load(Ordering::Relaxed) {
                self.diagnosis.handshake_failed(self.wall.now_ms());
            }
            if let Some(count) = self.refused.note(begun) {
                tracing::info!(count, %reason, "connections to the p2p port were refused");
            }
        };
        let context = Dated::new(context, &self.wall);
        let handshake = self.handshake;
        let heard = handshake.listen(context, namespace, max_message_size, bouncer, stream, sink);
        Attempt::run(failed, heard).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use alloy_primitives::B256;
    use commonware_cryptography::{ChaCha20Poly1305, Signer as _};
    use commonware_runtime::{Runner as _, Supervisor as _, deterministic, mocks};
    use commonware_stream::{
        cups::{self, Cups},
        sake::{Sake, Version},
    };

    use super::*;
    use crate::{
        consensus::{scheme::namespace, signer::HandleSigner},
        p2p::HANDSHAKE_BOUND,
    };

    /// What a node shakes hands with.
    #[derive(Clone)]
    struct Side {
        key: u64,
        namespace: Vec<u8>,
        version: Version,
    }

    impl Side {
        fn new(key: u64) -> Self {
            let namespace = namespace(B256::repeat_byte(1));
            Self { key, namespace, version: Version::V1 }
        }
    }

    /// The node keys of the one that dials and of the one that listens.
    const DIALS: u64 = 1;
    const LISTENS: u64 = 2;
    const NOW: Duration = Duration::from_hours(10_000);

    fn gate(
        side: &Side,
        context: &deterministic::Context,
        diagnosis: &Diagnosis,
    ) -> Gate<Cups<Sake<HandleSigner>, ChaCha20Poly1305>> {
        let wall = Wall::showing(|| UNIX_EPOCH + NOW);
        let sake = Sake {
            signer: HandleSigner::from_seed(side.key),
            synchrony_bound: HANDSHAKE_BOUND,
            max_handshake_age: HANDSHAKE_BOUND,
            version: side.version,
        };
        Gate::new(Cups::new(sake, cups::Version::V1), context, (wall, diagnosis.clone()))
    }

    /// The reason that a node that is stalled gives, and the count, of the one that dials and of the one
    /// that listens.
    #[derive(Debug, PartialEq, Eq)]
    struct Told {
        estranged: [bool; 2],
        failed: [u64; 2],
    }

    /// One dials another, which lets in one with this key.
    fn shake(dials: &Side, listens: &Side, lets_in: u64) -> Told {
        let (dials, listens) = (dials.clone(), listens.clone());
        let config = deterministic::Config::new().with_start_time(UNIX_EPOCH + NOW);
        deterministic::Runner::new(config).start(|context| async move {
            let diagnoses = [Diagnosis::default(), Diagnosis::default()];
            let (to_listener, from_dialler) = mocks::Channel::init();
            let (to_dialler, from_listener) = mocks::Channel::init();
            let dialling = gate(&dials, &context.child("dialler"), &diagnoses[0]);
            let listening = gate(&listens, &context.child("listener"), &diagnoses[1]);
            // What is dropped is measured no more.
            let _measuring = (dialling.clone(), listening.clone());
            let known = HandleSigner::from_seed(lets_in).public_key();
            let bouncer = move |peer| std::future::ready(peer == known);
            let heard = listening.listen(
                context.child("listens"),
                &listens.namespace,
                1_024,
                bouncer,
                from_dialler,
                to_dialler,
            );
            let dialled = dialling.dial(
                context.child("dials"),
                &dials.namespace,
                1_024,
                HandleSigner::from_seed(LISTENS).public_key(),
                from_listener,
                to_listener,
            );
            let (heard, dialled) = futures::join!(heard, dialled);
            let (heard, dialled) = (heard.is_ok(), dialled.is_ok());
            assert_eq!(dialled, heard, "both sides say the same");
            let at_ms = u64::try_from(NOW.as_millis()).expect("small");
            let estranged = diagnoses.map(|one| one.estrangement(at_ms).is_some());
            let names = ["dialler_handshakes_turned_away", "listener_handshakes_refused"];
            Told { estranged, failed: names.map(|name| measured(&context, name)) }
        })
    }

    fn measured(context: &deterministic::Context, name: &str) -> u64 {
        let all = context.encode();
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix("_total ")?.parse().ok();
        all.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {all}"))
    }

    const NOBODY: Told = Told { estranged: [false; 2], failed: [0; 2] };
    const BOTH: Told = Told { estranged: [true; 2], failed: [1; 2] };

    #[test]
    fn nodes_of_one_network_know_each_other() {
        assert_eq!(shake(&Side::new(DIALS), &Side::new(LISTENS), DIALS), NOBODY);
    }

    #[test]
    fn a_node_of_another_genesis_or_version_is_refused_and_both_sides_tell() {
        let side = || Side::new(DIALS);
        for odd in [
            Side { namespace: namespace(B256::repeat_byte(2)), ..side() },
            Side { namespace: b"windlass/2/".to_vec(), ..side() },
            Side { version: Version::V0, ..side() },
        ] {
            assert_eq!(shake(&odd, &Side::new(LISTENS), DIALS), BOTH);
        }
        let elsewhere = Side { version: Version::V0, ..Side::new(LISTENS) };
        assert_eq!(shake(&side(), &elsewhere, DIALS), BOTH);
    }

    #[test]
    fn a_stranger_is_refused_and_counted_and_is_no_reason_why_peers_are_lacking() {
        let told = shake(&Side::new(3), &Side::new(LISTENS), DIALS);
        assert_eq!(told, Told { estranged: [true, false], failed: [1; 2] });
    }
}
