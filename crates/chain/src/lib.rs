//! Ethereum blocks, genesis, execution, state and finality: deterministic, without clock or network.

mod block;

pub use block::{Block, DecodeError, EXTRA_DATA_VERSION, ExtraData};
