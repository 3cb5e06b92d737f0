//! The connections between validators: authenticated, encrypted, and quick to come up.
//!
//! Peers know each other's node keys from the chain and reach each other at the endpoints that the
//! members write there, or at the addresses of `node.toml`; nobody else is let in. commonware's
//! presets take seconds to connect four nodes on one machine, so dialling, cooldown and quotas are
//! set here; every peer must have the same channels, quotas and message size.
//!
//! **One direction on loopback.** A refused or colliding dial blocks the peer, its inbound
//! connections too, for the whole cooldown. Where all nodes share a machine, a node dials only those
//! of a lower rank and is dialled by the others, and it waits a while until those that it dials
//! listen; so nothing collides or is refused when all start together. A peer of a higher rank has a
//! DNS address and DNS is not allowed: it is accepted, and never dialled. Across machines everybody
//! dials everybody.
//!
//! The cooldown is what a reconnection takes at most, and what the dialler wakes up for.

mod contacts;
mod dated;
mod gate;
mod measures;

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpStream},
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use alloy_primitives::B256;
use commonware_cryptography::{ChaCha20Poly1305, Signer as _, ed25519::PublicKey};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, authenticated::lookup};
use commonware_runtime::{
    Clock, Handle, Metrics, Network as RuntimeNetwork, Quota, Resolver, Spawner,
};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize};
use rand_core::CryptoRng;

pub use self::measures::measurements;
use self::{
    contacts::{Contacts, Dialling, Tracker},
    gate::Gate,
};
use crate::{
    config::NodeConfig,
    consensus::{
        Channels,
        exchange::Connected,
        max_message_size,
        peers::{Peers, Track},
        scheme,
        signer::HandleSigner,
        steady::Wall,
    },
    diagnosis::Diagnosis,
};

/// How often the dialler looks for somebody to dial.
const DIAL_EVERY: Duration = Duration::from_millis(2);
/// How long a peer is left alone after a connection or a failed one.
const COOLDOWN: Duration = Duration::from_secs(1);
/// How far peers' clocks may differ, and how old a handshake may be.
const HANDSHAKE_BOUND: Duration = Duration::from_secs(30);
/// Votes and certificates: two of each a block, at hundreds of blocks a second.
const VOTE_QUOTA: Quota = Quota::per_second(NZU32!(512));
/// Everything else. Each channel's queue is made for its quota times the peers, so quotas are memory.
const QUOTA: Quota = Quota::per_second(NZU32!(128));
/// How many handshakes run at a time. Each holds a descriptor until it is over; more are refused at
/// once, so that whoever knocks all the time takes no more than this.
const HANDSHAKES: NonZeroU32 = NZU32!(128);
/// The presence channel carries nothing.
const PRESENCE_QUOTA: Quota = Quota::per_second(NZU32!(64));
/// How long a start waits for the peers before this one to listen: at a cold start all of them are
/// coming, at a later one some may be down.
const COLD_PATIENCE: Duration = Duration::from_millis(1_500);
const WARM_PATIENCE: Duration = Duration::from_millis(300);

/// The open network.
pub struct Network<E: Clock> {
    /// The channels for consensus and gossip.
    pub channels: Channels<Sender<E>, Receiver>,
    /// Cuts peers off, and tells which are tracked.
    pub oracle: lookup::Oracle<PublicKey>,
    /// Has these let in.
    pub track: Track,
    /// Who is connected.
    pub connected: Connected,
    /// Ends only by a failure.
    pub task: Handle<()>,
}

type Sender<E> = lookup::Sender<PublicKey, E>;
type Receiver = lookup::Receiver<PublicKey>;

impl<E: Clock> std::fmt::Debug for Network<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

/// Why the network can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// A node key is no public key.
    #[error("the node key {0} in node.toml is not an Ed25519 public key")]
    Key(B256),
}

/// What the chain says of a node's peers when it starts.
#[derive(Clone, Debug)]
pub struct Roll {
    /// The hash of block 0.
    pub genesis: B256,
    /// The node keys of the validators in the genesis, in its order.
    pub first: Vec<B256>,
    /// The node key with which each validator began, by its number.
    pub founders: BTreeMap<u32, B256>,
    /// Whom the members name now.
    pub now: Peers,
    /// Whether there is no block yet.
    pub start: ColdStart,
}

/// Opens the network; listens and dials when it returns. The context's clock is one that nobody sets;
/// the diagnosis is told of handshakes that come to nothing.
pub async fn open<E>(
    context: &E,
    config: &NodeConfig,
    signer: HandleSigner,
    roll: Roll,
    (wall, diagnosis): (Wall, Diagnosis),
) -> Result<Network<E>, P2pError>
where
    E: Clock + CryptoRng + Spawner + RuntimeNetwork + Resolver + Metrics,
{
    let contacts = Contacts::new(config, signer.public_key(), &roll)?;
    let one_direction = contacts.dialling == Dialling::Lower;
    let dialled = contacts.dialled(&roll.now);
    let max_peers = NonZeroUsize::new(contacts.room).unwrap_or(NonZeroUsize::MIN);
    let sake = Sake {
        signer,
        synchrony_bound: HANDSHAKE_BOUND,
        max_handshake_age: HANDSHAKE_BOUND,
        version: sake::Version::V1,
    };
    let handshake = Cups::<_, ChaCha20Poly1305>::new(sake, cups::Version::V1);
    let own = context.child("p2p");
    let mut settings = lookup::Config::local(
        Gate::new(handshake, &own, (wall, diagnosis)),
        &scheme::namespace(roll.genesis),
        config.listen,
        max_peers,
        max_message_size(),
        NZUsize!(256),
    );
    settings.allow_dns = !one_direction;
    // Where names are looked up nobody knows from where a peer comes; its key says who it is.
    settings.bypass_ip_check = !one_direction;
    settings.max_concurrent_handshakes = HANDSHAKES;
    settings.handshake_timeout = Duration::from_secs(5);
    settings.dial_timeout = Duration::from_secs(5);
    settings.peer_connection_cooldown = COOLDOWN;
    settings.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(1_024));
    settings.allowed_handshake_rate_per_subnet = Quota::per_second(NZU32!(1_024));
    settings.ping_frequency = Duration::from_secs(50);
    settings.dial_frequency = DIAL_EVERY;
    // Who is not in the newest is cut off at once.
    settings.tracked_peer_sets = NZUsize!(1);
    settings.block_duration = Duration::from_mins(1);

    let (mut network, oracle) = lookup::Network::new(own, settings);
    let channels = Channels {
        votes: network.register(0, VOTE_QUOTA),
        certificates: network.register(1, VOTE_QUOTA),
        resolver: network.register(2, QUOTA),
        blocks: network.register(3, QUOTA),
        backfill: network.register(4, QUOTA),
        tips: network.register(5, QUOTA),
        transactions: network.register(6, QUOTA),
        state: network.register(8, QUOTA),
    };
    let (mut presence, _silent) = network.register(7, PRESENCE_QUOTA);
    let mut tracker = Tracker::new(contacts, oracle.clone());
    if one_direction {
        dialled_listen(context, &dialled, roll.start).await;
    }
    let _there_is_room = tracker.track(&roll.now);
    let track: Track = Box::new(move |peers| tracker.track(peers));
    let task = network.start();
    let connected: Connected = Box::new(move || {
        // Looking uses up quota, and sends nothing.
        presence.check(Recipients::All).map(|checked| checked.recipients()).unwrap_or_default()
    });
    Ok(Network { channels, oracle, track, connected, task })
}

/// Whether the chain has no block yet, so that all validators are likely to start together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColdStart {
    /// It has none.
    Yes,
    /// It has some.
    No,
}

/// Waits until those that are dialled listen, or long enough.
async fn dialled_listen<E: Clock>(context: &E, dialled: &[SocketAddr], start: ColdStart) {
    let patience = match start {
        ColdStart::Yes => COLD_PATIENCE,
        ColdStart::No => WARM_PATIENCE,
    };
    let until = context.current() + patience;
    for address in dialled {
        // On loopback a connection succeeds or fails at once.
        while TcpStream::connect_timeout(address, Duration::from_millis(50)).is_err()
            && context.current() < until
        {
            context.sleep(Duration::from_millis(2)).await;
        }
    }
}
