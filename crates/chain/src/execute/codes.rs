//! Analysed contract code, kept between blocks and calls.

use std::sync::{Mutex, PoisonError};

use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, Bytes};
use revm::bytecode::Bytecode;

use crate::chain::ChainError;

/// How many bytes of code are kept; where they are reached, the cache begins anew.
const LIMIT_BYTES: usize = 4 << 20;

/// Analysed contract code by its hash: code never changes, so that nothing here is ever stale.
#[derive(Debug, Default)]
pub(crate) struct CodeCache {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    codes: B256Map<Bytecode>,
    bytes: usize,
}

impl CodeCache {
    pub(crate) fn get_or_load(
        &self,
        hash: B256,
        load: impl FnOnce() -> Result<Bytes, ChainError>,
    ) -> Result<Bytecode, ChainError> {
        if let Some(code) = self.lock().codes.get(&hash) {
            return Ok(code.clone());
        }
        let code = Bytecode::new_raw(load()?);
        let mut kept = self.lock();
        if kept.bytes + code.len() > LIMIT_BYTES {
            *kept = Kept::default();
        }
        kept.bytes += code.len();
        kept.codes.insert(hash, code.clone());
        Ok(code)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
