//! Filters that clients install and poll, as Geth keeps them: in memory, and for as long as they are
//! asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_rpc_types::Filter as RpcFilter;
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::server::RandomIntegerIdProvider;
use jsonrpsee::types::SubscriptionId;
use tokio::time::Instant;

use super::error::RpcError;
use super::limits;

/// How long a filter stays that nobody asks.
const LIFETIME: Duration = Duration::from_mins(5);

/// What a filter is about, and how far its client has seen it.
#[derive(Clone, Debug)]
pub(super) enum Watched {
    /// Logs, from a block on.
    Logs {
        /// Which.
        filter: Box<RpcFilter>,
        /// The first block that was not told.
        next: u64,
    },
    /// Blocks, from one on.
    Blocks {
        /// The first that was not told.
        next: u64,
    },
    /// Pending transactions, after one in the pool's order.
    Pending {
        /// The last that was told.
        sequence: u64,
        /// Whether all of each is told, not its hash alone.
        in_full: bool,
    },
}

/// The filters of a node.
#[derive(Debug, Default)]
pub(super) struct Filters {
    installed: Mutex<BTreeMap<String, (Watched, Instant)>>,
}

impl Filters {
    /// Keeps a filter; its id.
    pub(super) fn install(&self, watched: Watched, now: Instant) -> Result<String, RpcError> {
        let mut installed = self.lock();
        installed.retain(|_, (_, asked)| now.duration_since(*asked) < LIFETIME);
        if installed.len() >= limits::FILTERS {
            let text = format!("too many filters: this node keeps at most {}", limits::FILTERS);
            return Err(RpcError::LimitExceeded(text));
        }
        let id = new_id();
        installed.insert(id.clone(), (watched, now));
        Ok(id)
    }

    /// What a filter is about.
    pub(super) fn get(&self, id: &str, now: Instant) -> Result<Watched, RpcError> {
        let mut installed = self.lock();
        let found = installed.get_mut(id);
        let found = found.filter(|(_, asked)| now.duration_since(*asked) < LIFETIME);
        let (watched, asked) = found.ok_or_else(unknown)?;
        *asked = now;
        Ok(watched.clone())
    }

    /// Notes how far a filter was told; nothing if it is gone.
    pub(super) fn advance(&self, id: &str, to: Watched) {
        if let Some((watched, _)) = self.lock().get_mut(id) {
            *watched = to;
        }
    }

    /// Forgets a filter; whether there was one.
    pub(super) fn uninstall(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Watched, Instant)>> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody knows this filter, or it is not what is asked of it.
pub(super) fn unknown() -> RpcError {
    RpcError::Server("filter not found".to_owned())
}

/// Ids of filters and subscriptions as Geth has them: hexadecimal, and not to be guessed. They begin
/// with no zero, since clients that take them for numbers, as Alloy does, give them back without it.
#[derive(Clone, Copy, Debug)]
pub(super) struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(new_id().into())
    }
}

fn new_id() -> String {
    let random = || match RandomIntegerIdProvider.next_id() {
        SubscriptionId::Num(number) => number,
        SubscriptionId::Str(_) => 0,
    };
    let digits = format!("{:013x}{:013x}", random(), random());
    format!("0x{}", digits.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    #[test]
    fn a_client_may_take_an_id_for_a_number() {
        for _ in 0..1_000 {
            let id = new_id();
            let number: U256 = id.parse().expect("it is one");
            assert_eq!(format!("{number:#x}"), id);
        }
    }

    #[test]
    fn filters_are_bounded_and_forgotten() {
        let (filters, start) = (Filters::default(), Instant::now());
        let install = |at| filters.install(Watched::Blocks { next: 1 }, at);
        let first = install(start).expect("there is room");
        for _ in 1..limits::FILTERS {
            install(start).expect("there is room");
        }
        let full = install(start).expect_err("there is none");
        assert!(full.to_string().contains("too many filters"), "{full}");
        filters.get(&first, start + LIFETIME / 2).expect("it is there");
        install(start + LIFETIME).expect("others are forgotten");
        let late = start + LIFETIME / 2 + LIFETIME;
        assert!(filters.get(&first, late).is_err(), "nobody asked it for too long");
        assert!(filters.uninstall(&first), "it was asked in between");
        assert!(!filters.uninstall(&first));
        assert!(filters.get(&first, start).is_err());
    }
}
