//! Making a ledger from the state of peers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Buf;
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::Clock;
use windlass_chain::sync::{Answer, Importer, Lacking, Progress, Refusal, SyncError, Task};

use super::{
    Message,
    awaited::{self, Awaited, Questions},
    rest::Rest,
};
use crate::{
    consensus::{
        application::unix_ms,
        exchange::{Connected, key_bytes},
        work::Work,
    },
    intake::{self, Intake},
    status::{StatusBoard, SyncStatus},
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a peer that couldn't answer is left alone; its next block is there by then.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one that didn't answer is.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// How often the status tells how far it is.
const BEAT: Duration = Duration::from_secs(1);
/// How many questions a peer has at once.
const WINDOW: usize = 2;
/// If nobody answers anything for so long the node goes on block by block.
const NOBODY: Duration = Duration::from_mins(1);

/// Why a node does not join from the state of others.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Nobody answered.
    #[error("no peer serves its state")]
    Nobody,
    /// This node's own store failed.
    #[error("the ledger that is made from the peers' state cannot be written")]
    Store(#[source] Box<SyncError>),
    /// The network closed.
    #[error("the network has closed")]
    Closed,
}

/// Opens an import: the one that was begun, or after a lie a new one.
pub(crate) type Open = Box<dyn FnMut(Begin) -> Result<Importer, SyncError> + Send>;

/// From where an import starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// What is there.
    Resumed,
    /// Nothing.
    Anew,
}

/// A node that joins.
pub(crate) struct Joiner<E, S, B> {
    pub(crate) context: E,
    pub(crate) work: Work,
    pub(crate) open: Open,
    pub(crate) sender: S,
    pub(crate) blocker: B,
    pub(crate) connected: Connected,
    pub(crate) status: StatusBoard,
}

/// What is asked and of whom.
struct Desks {
    asked: BTreeMap<u64, Asked>,
    awaited: Awaited,
    number: u64,
    /// Peers that are left alone until then.
    resting: BTreeMap<PublicKey, SystemTime>,
    /// Who is asked what changed, and all who told it since the import began.
    teller: Option<PublicKey>,
    tellers: BTreeSet<PublicKey>,
    /// How many imports were spoilt that a peer told something in.
    spoilt: BTreeMap<PublicKey, usize>,
    /// Who has shown a block by validators that aren't known.
    shower: Option<PublicKey>,
    /// When an answer brought something last.
    fed: SystemTime,
    /// When the import began, and how much of it was there.
    began: (SystemTime, u32),
    /// When the status is told next.
    shown: SystemTime,
    rest: Rest,
}

struct Asked {
    peer: PublicKey,
    task: Task,
    until: SystemTime,
}

impl<E, S, B> Joiner<E, S, B>
where
    E: Clock,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Runs until the ledger is whole.
    pub(crate) async fn run(
        self,
        receiver: impl Receiver<PublicKey = PublicKey>,
    ) -> Result<(), JoinError>
    where
        B: Clone,
    {
        let (blocker, awaited) = (self.blocker.clone(), Awaited::default());
        let judging = awaited.clone();
        let judge =
            move |peer: &PublicKey, bytes: &[u8]| judging.judge(Questions::Ignored, peer, bytes);
        let joining = |intake| self.join(intake, awaited);
        intake::serve(receiver, blocker, (awaited::limits(), judge), joining).await
    }

    async fn join(mut self, mut receiver: Intake, awaited: Awaited) -> Result<(), JoinError> {
        let importer = (self.open)(Begin::Resumed).map_err(store_failed)?;
        let progress = importer.progress();
        tracing::info!(?progress, "joining from the state of peers");
        let importer = Arc::new(Mutex::new(importer));
        let now = self.context.current();
        let mut desks = Desks {
            asked: BTreeMap::new(),
            awaited,
            number: 0,
            resting: BTreeMap::new(),
            teller: None,
            tellers: BTreeSet::new(),
            spoilt: BTreeMap::new(),
            shower: None,
            fed: now,
            began: (now, progress.done),
            shown: now,
            rest: Rest::new(now),
        };
        while !lock(&importer).is_ready() {
            self.ask(&importer, &mut desks)?;
            let now = self.context.current();
            if now >= desks.shown {
                desks.shown = now + BEAT;
                self.show(&importer, &desks);
            }
            let hungry = now.duration_since(desks.fed).unwrap_or_default();
            if hungry > NOBODY {
                return Err(JoinError::Nobody);
            }
            if hungry > NOBODY / 2 && lock(&importer).lacks_only_codes().map_err(store_failed)? {
                tracing::warn!("nobody has a code that a peer told of: the import begins anew");
                let told = std::mem::take(&mut desks.tellers);
                self.begin_anew(&importer, &mut desks, told)?;
            }
            // Both branches only wait.
            let message = select! {
                message = receiver.recv() => Some(message.map_err(|_closed| JoinError::Closed)?),
                () = self.context.sleep(desks.rest.left(now).map_or(PAUSE, |left| left.min(PAUSE))) => None,
            };
            match message {
                Some((peer, bytes)) => self.hear(&importer, &mut desks, peer, bytes).await?,
                None => expire(&importer, &mut desks, self.context.current()),
            }
        }
        let importer = Arc::into_inner(importer).expect("no call is under way");
        let importer = importer.into_inner().unwrap_or_else(PoisonError::into_inner);
        tracing::info!(block = importer.pivot(), "the state of peers is all here");
        self.work
            .run(move || importer.finish())
            .await
            .ok_or(JoinError::Closed)?
            .map_err(store_failed)
    }

    /// Asks for what is lacking, each peer for a little.
    fn ask(&mut self, importer: &Arc<Mutex<Importer>>, desks: &mut Desks) -> Result<(), JoinError> {
        let now = self.context.current();
        desks.resting.retain(|_, until| *until > now);
        let most = if desks.rest.is_due(now) { 1 } else { usize::MAX };
        if desks.rest.left(now).is_some() || desks.asked.len() >= most {
            return Ok(());
        }
        let peers: Vec<PublicKey> = (self.connected)()
            .into_iter()
            .filter(|peer| !desks.resting.contains_key(peer))
            .collect();
        let tasks = lock(importer).tasks().map_err(store_failed)?;
        for task in tasks {
            let may_ask = desks.asked.len() < most;
            let Some(peer) = may_ask.then(|| desks.choose(&peers, &task)).flatten() else {
                lock(importer).give_back(&task);
                continue;
            };
            desks.number += 1;
            desks.awaited.ask(desks.number, &peer);
            let message = Message::Ask(desks.number, task.request.clone()).encode();
            let _sent = self.sender.send(Recipients::One(peer.clone()), message, false);
            desks.asked.insert(desks.number, Asked { peer, task, until: now + PATIENCE });
        }
        Ok(())
    }

    async fn hear(
        &mut self,
        importer: &Arc<Mutex<Importer>>,
        desks: &mut Desks,
        peer: PublicKey,
        mut bytes: impl Buf,
    ) -> Result<(), JoinError> {
        let mut content = vec![0; bytes.remaining()];
        bytes.copy_to_slice(&mut content);
        let Some(number) = Message::answers(&content) else { return Ok(()) };
        if desks.asked.get(&number).is_none_or(|asked| asked.peer != peer) {
            return Ok(());
        }
        let begun = self.context.current();
        let read = self.work.run(move || Message::decode(&content)).await;
        let Some(Message::Tell(_, answer)) = read.ok_or(JoinError::Closed)? else {
            commonware_p2p::block!(self.blocker, peer, "malformed answer about the state");
            return Ok(());
        };
        let asked = desks.asked.remove(&number).expect("it was just there");
        desks.awaited.forget(number);
        let (taker, task) = (Arc::clone(importer), asked.task.clone());
        let unavailable = answer == Answer::Unavailable;
        let taken = self.work.run(move || lock(&taker).take(&task, answer)).await;
        let now = self.context.current();
        let time = now.duration_since(begun).unwrap_or_default();
        desks.rest.took(time, lock(importer).tip(), now);
        match taken.ok_or(JoinError::Closed)? {
            Ok(true) => {
                desks.fed = now;
                if asked.task.lacking == Lacking::Changed {
                    desks.tellers.insert(peer);
                }
            }
            Ok(false) => {
                if unavailable && asked.task.lacking == Lacking::Changed {
                    desks.teller = None;
                }
                if asked.task.lacking == Lacking::Validators {
                    desks.shower = None;
                } else if lock(importer).lacks_validators() {
                    desks.shower.get_or_insert_with(|| peer.clone());
                }
                desks.resting.insert(peer, now + PAUSE);
            }
            // Its validators may have changed, and somebody else has not told so.
            Err(SyncError::Refused(reason @ Refusal::Anchor(_))) => {
                tracing::warn!(%reason, ?peer, "a peer's answer about the state is not taken");
                desks.resting.insert(peer, now + LONG_PAUSE);
            }
            Err(SyncError::Refused(reason)) => {
                tracing::warn!(%reason, ?peer, "a peer's answer about the state is refused");
                desks.resting.insert(peer.clone(), now + LONG_PAUSE);
                commonware_p2p::block!(self.blocker, peer, "an answer that does not hold");
            }
            Err(again @ (SyncError::Spoilt { .. } | SyncError::TooOld { .. })) => {
                tracing::warn!(%again, "the import begins anew");
                let told = std::mem::take(&mut desks.tellers);
                let is_spoilt = matches!(again, SyncError::Spoilt { .. });
                self.begin_anew(importer, desks, if is_spoilt { told } else { BTreeSet::new() })?;
            }
            Err(error @ SyncError::Chain(_)) => return Err(store_failed(error)),
        }
        Ok(())
    }

    /// Throws away what was taken; whoever may be why is asked last what changed.
    fn begin_anew(
        &mut self,
        importer: &Arc<Mutex<Importer>>,
        desks: &mut Desks,
        suspects: BTreeSet<PublicKey>,
    ) -> Result<(), JoinError> {
        let now = self.context.current();
        for peer in suspects {
            *desks.spoilt.entry(peer).or_default() += 1;
        }
        desks.teller = None;
        desks.asked.clear();
        desks.awaited.forget_all();
        (desks.began, desks.fed) = ((now, 0), now);
        *lock(importer) = (self.open)(Begin::Anew).map_err(store_failed)?;
        Ok(())
    }

    fn show(&mut self, importer: &Arc<Mutex<Importer>>, desks: &Desks) {
        let (progress, pivot, highest) = {
            let importer = lock(importer);
            (importer.progress(), importer.pivot(), importer.tip())
        };
        let connected = (self.connected)();
        self.status.set_connected(&connected.iter().map(|one| (key_bytes(one), None)).collect());
        let (began, before) = desks.began;
        let took = self.context.current().duration_since(began).unwrap_or_default();
        self.status.update(|status| {
            status.sync = Some(SyncStatus {
                accounts: progress.accounts,
                slots: progress.slots,
                bytes: progress.bytes,
                per_mille: per_mille(progress.done),
                block: pivot,
                began_ms: unix_ms(began),
            });
            status.left_s = left(progress.done, before, took);
            status.syncing = true;
            status.highest = status.highest.max(highest);
        });
    }
}

impl Desks {
    /// A peer for a task: the one with the least to do.
    fn choose(&mut self, peers: &[PublicKey], task: &Task) -> Option<PublicKey> {
        let busy =
            |peer: &PublicKey| self.asked.values().filter(|asked| asked.peer == *peer).count();
        let least = |peers: &mut dyn Iterator<Item = &PublicKey>| {
            let free = peers.map(|peer| (busy(peer), peer)).filter(|(busy, _)| *busy < WINDOW);
            free.min().map(|(_, peer)| peer.clone())
        };
        let preferred = match task.lacking {
            Lacking::Changed => &self.teller,
            Lacking::Validators => &self.shower,
            _ => return least(&mut peers.iter()),
        };
        if let Some(preferred) = preferred.clone().filter(|one| peers.contains(one)) {
            return Some(preferred);
        }
        if task.lacking == Lacking::Validators {
            return least(&mut peers.iter());
        }
        // Which of several told a lie nobody knows; who lies is in each import that is spoilt.
        let spoilt = |peer: &PublicKey| self.spoilt.get(peer).copied().unwrap_or(0);
        let fewest = peers.iter().map(spoilt).min()?;
        let teller = least(&mut peers.iter().filter(|peer| spoilt(peer) == fewest));
        self.teller.clone_from(&teller);
        teller
    }
}

/// Gives back what wasn't answered in time.
fn expire(importer: &Arc<Mutex<Importer>>, desks: &mut Desks, now: SystemTime) {
    let late: Vec<u64> =
        desks.asked.iter().filter(|(_, asked)| asked.until <= now).map(|(one, _)| *one).collect();
    for number in late {
        let Some(Asked { peer, task, .. }) = desks.asked.remove(&number) else { continue };
        desks.awaited.forget(number);
        lock(importer).give_back(&task);
        if desks.teller.as_ref() == Some(&peer) {
            desks.teller = None;
        }
        desks.resting.insert(peer, now + LONG_PAUSE);
    }
}

fn lock(importer: &Mutex<Importer>) -> std::sync::MutexGuard<'_, Importer> {
    importer.lock().unwrap_or_else(PoisonError::into_inner)
}

fn store_failed(error: SyncError) -> JoinError {
    JoinError::Store(Box::new(error))
}

fn per_mille(done: u32) -> u16 {
    u16::try_from(u64::from(done) * 1_000 / u64::from(Progress::WHOLE)).unwrap_or(1_000)
}

/// How many seconds the rest takes at this pace; nothing can be said in the first moments.
fn left(done: u32, before: u32, took: Duration) -> Option<u64> {
    let made = done.checked_sub(before).filter(|made| *made > Progress::WHOLE / 100)?;
    let rest = Progress::WHOLE.saturating_sub(done);
    let left_ms = took.as_millis() * u128::from(rest) / u128::from(made);
    (took >= Duration::from_secs(1)).then(|| u64::try_from(left_ms / 1_000).unwrap_or(u64::MAX))
}
