//! At which address each peer is dialled, and which peers p2p knows at a time.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{
    Address, AddressableManager, AddressableTrackedPeers, Ingress, authenticated::lookup,
};
use commonware_utils::{Hostname, ordered::Map};

use super::{P2pError, Roll};
use crate::{
    config::{NodeConfig, Peer},
    consensus::{
        peers::{Contact, Peers, Standing, Tracking},
        signer::public_key,
    },
};

/// How many nodes more than it had at its start a node takes in at least, or half as many as it had,
/// before it opens p2p anew: the queues are made for the most peers that there can be.
const HEADROOM: usize = 4;

/// Where a node that comes from anywhere comes from.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Whom a node dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialling {
    /// Those of a lower rank.
    Lower,
    /// Everybody whose address is known.
    All,
}

/// The addresses that a node knows, and the rank of each node.
#[derive(Clone, Debug)]
pub(super) struct Contacts {
    me: PublicKey,
    addresses: BTreeMap<PublicKey, SocketAddr>,
    bootstrap: Vec<PublicKey>,
    /// The validators of the genesis in its order.
    first: Vec<PublicKey>,
    /// The node key with which each validator began: its address in the configuration is that one's,
    /// whatever key it has by now.
    founders: BTreeMap<u32, PublicKey>,
    pub(super) dialling: Dialling,
    /// The most peers that p2p is opened for, this node counted.
    pub(super) room: usize,
}

impl Contacts {
    /// What a configuration says, and the chain.
    pub(super) fn new(config: &NodeConfig, me: PublicKey, roll: &Roll) -> Result<Self, P2pError> {
        let first = roll.first.iter().filter_map(|key| public_key(&key.0)).collect();
        let founders = roll.founders.iter();
        let founders = founders.filter_map(|(id, key)| Some((*id, public_key(&key.0)?))).collect();
        let read = |peer: &Peer| {
            let key = public_key(&peer.node_key.0).ok_or(P2pError::Key(peer.node_key))?;
            Ok((key, peer.address))
        };
        let bootstrap: BTreeMap<_, _> =
            config.bootstrap.iter().map(read).collect::<Result<_, P2pError>>()?;
        let mut addresses = bootstrap.clone();
        for peer in &config.addresses {
            let (key, address) = read(peer)?;
            addresses.insert(key, address);
        }
        let here = |address: &SocketAddr| address.ip().is_loopback();
        let on_loopback = here(&config.listen) && addresses.values().all(here);
        let dialling = if on_loopback { Dialling::Lower } else { Dialling::All };
        let known = roll.now.iter().count() + bootstrap.len() + 1;
        let room = known + HEADROOM.max(known / 2);
        let bootstrap = bootstrap.into_keys().collect();
        Ok(Self { me, addresses, bootstrap, first, founders, dialling, room })
    }

    /// The validators of the genesis come first, in its order; everybody else by its key. A rank
    /// never changes, so that two nodes agree for ever which of them dials.
    fn rank<'a>(&self, key: &'a PublicKey) -> (usize, &'a PublicKey) {
        let position = self.first.iter().position(|first| first == key);
        (position.unwrap_or(self.first.len()), key)
    }

    fn is_dialled(&self, key: &PublicKey) -> bool {
        *key != self.me && (self.dialling == Dialling::All || self.rank(key) < self.rank(&self.me))
    }

    /// The addresses of those that this node dials at its start.
    pub(super) fn dialled(&self, peers: &Peers) -> Vec<SocketAddr> {
        let dialled = peers.validators.iter().filter(|one| self.is_dialled(&one.node_key));
        let dialled = dialled.filter_map(|one| self.configured(one));
        let bootstrap = self.bootstrap.iter().filter(|key| self.is_dialled(key));
        let bootstrap = bootstrap.filter_map(|key| self.addresses.get(key).copied());
        dialled.chain(bootstrap).collect()
    }

    /// The address that the configuration has of a node, by the key that it has or that it began with.
    fn configured(&self, contact: &Contact) -> Option<SocketAddr> {
        let founder = contact.validator.and_then(|id| self.founders.get(&id));
        let mut keys = [Some(&contact.node_key), founder].into_iter().flatten();
        keys.find_map(|key| self.addresses.get(key)).copied()
    }

    /// How a peer is reached; `None` where that is unknown, or where it is the peer that dials.
    fn address(&self, contact: &Contact) -> Option<Address> {
        if self.dialling == Dialling::Lower && !self.is_dialled(&contact.node_key) {
            return None;
        }
        if let Some(address) = self.configured(contact) {
            return Some(Address::Symmetric(address));
        }
        if let Ok(address) = contact.endpoint.parse() {
            return Some(Address::Symmetric(address));
        }
        let (host, port) = contact.endpoint.rsplit_once(':')?;
        let ingress = Ingress::Dns { host: Hostname::new(host).ok()?, port: port.parse().ok()? };
        Some(Address::Asymmetric { ingress, egress: ANYWHERE })
    }
}

/// Tells p2p whom to let in.
pub(super) struct Tracker {
    contacts: Contacts,
    oracle: lookup::Oracle<PublicKey>,
    /// What was told last, and its number.
    told: Option<Peers>,
    number: u64,
}

impl Tracker {
    pub(super) fn new(contacts: Contacts, oracle: lookup::Oracle<PublicKey>) -> Self {
        Self { contacts, oracle, told: None, number: 0 }
    }

    /// Lets these in, and nobody else.
    pub(super) fn track(&mut self, peers: &Peers) -> Tracking {
        if self.told.as_ref() == Some(peers) {
            return Tracking::Done;
        }
        // p2p dials primary peers only, and takes proposed blocks from them only.
        let (mut primary, mut secondary) = (BTreeMap::new(), BTreeMap::new());
        for contact in &peers.followers {
            let address = self.contacts.address(contact).unwrap_or_else(never_dialled);
            secondary.insert(contact.node_key.clone(), address);
        }
        let begun_with =
            self.contacts.bootstrap.iter().filter(|_| peers.standing == Standing::Behind);
        let begun_with = begun_with
            .map(|key| Contact { node_key: key.clone(), endpoint: String::new(), validator: None })
            .collect::<Vec<_>>();
        for contact in peers.validators.iter().chain(&peers.leaving).chain(&begun_with) {
            let (key, address) = (contact.node_key.clone(), self.contacts.address(contact));
            match address {
                // Dialling nowhere would keep the peer's own connections out meanwhile.
                None if self.contacts.dialling == Dialling::All => {
                    secondary.insert(key, never_dialled());
                }
                address => {
                    secondary.remove(&key);
                    primary.insert(key, address.unwrap_or_else(never_dialled));
                }
            }
        }
        let me = &self.contacts.me;
        let names_me = primary.contains_key(me) || secondary.contains_key(me);
        if primary.len() + secondary.len() + usize::from(!names_me) > self.contacts.room {
            return Tracking::Outgrown;
        }
        let (primary, secondary) = (Map::from_iter_dedup(primary), Map::from_iter_dedup(secondary));
        let tracked = AddressableTrackedPeers::new(primary, secondary);
        let _feedback = self.oracle.track(self.number, tracked);
        self.number += 1;
        self.told = Some(peers.clone());
        Tracking::Done
    }
}

/// The address of who is not dialled: p2p does not take a peer without one. Where all nodes are on
/// this machine names are not looked up, and it comes from here; elsewhere it is no primary peer,
/// and may come from anywhere.
fn never_dialled() -> Address {
    let host = Hostname::new("never-dialled.invalid").expect("it is a valid host name");
    let egress = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Address::Asymmetric { ingress: Ingress::Dns { host, port: 1 }, egress }
}
