//! What a store holds, whatever network it is of: for whoever is about to put it aside.

use alloy_primitives::B256;

use super::{ChainError, Tip, check_format, stored_header, stored_tip};
use crate::state::keys;
use crate::store::Store;

/// The ledger in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The hash of block 0.
    pub genesis: B256,
    /// The last final block, where there is one.
    pub tip: Option<Tip>,
    /// The hash of the block that was asked for, where that is there.
    pub block: Option<B256>,
}

/// Looks at the ledger in a store without opening it; `None` if there is none. `number` is a block
/// that the caller wants to compare.
pub fn held(store: &impl Store, number: u64) -> Result<Option<Held>, ChainError> {
    let snapshot = store.snapshot()?;
    let Some(format) = snapshot.get(keys::FORMAT)? else { return Ok(None) };
    check_format(&format)?;
    let genesis = snapshot.get(keys::GENESIS)?.unwrap_or_default();
    let genesis = B256::try_from(genesis.as_slice())
        .ok()
        .ok_or_else(|| ChainError::Damaged("genesis hash".to_owned()))?;
    let tip = match snapshot.get(keys::TIP)? {
        Some(_) => Some(stored_tip(snapshot.as_ref())?.0),
        None => None,
    };
    let header = stored_header(snapshot.as_ref(), number)?;
    Ok(Some(Held { genesis, tip, block: header.map(|header| header.hash()) }))
}
