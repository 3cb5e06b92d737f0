//! The state after the tip, a page at a time: [`crate::export`] tells what the lines are.
//!
//! Every page reads from a snapshot of its own, so that no read transaction lasts longer than one. In
//! return the chain must not move on meanwhile: a page for another block than the first one's is
//! refused, and whoever exports a network that works begins again.

use std::ops::ControlFlow;

use alloy_primitives::{B256, Bytes, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use serde_json::value::RawValue;

use super::{Chain, ChainError, ProveError, stored_tip};
use crate::export::{AccountLine, Head, MAX_SLOTS_A_LINE, SlotLine, write};
use crate::governance;
use crate::state::base::Base;
use crate::state::keys;
use crate::state::record::{read_account, read_slot};
use crate::store::Snapshot;

/// A part of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportPage {
    /// The number of the block after which the state is.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Lines, without their ends. The last line of an export is not among them: whoever puts the
    /// pages together writes it.
    pub lines: Vec<String>,
    /// Accounts and slots in the lines.
    pub counts: (u64, u64),
    /// Where the next page begins; none after the last.
    pub next: Option<Bytes>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ExportPageError {
    /// The chain has moved on.
    #[error("the chain has moved on from block {asked} to block {number}; begin again")]
    Moved {
        /// The hash of the block of the pages before.
        asked: B256,
        /// The newest block.
        number: u64,
    },
    /// There is no block yet.
    #[error("the chain has no block yet: make the network anew from its genesis")]
    NoBlock,
    /// The cursor is none that a page gave.
    #[error("that is no place at which a page begins")]
    Cursor,
    /// The block is not shown to be final.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The state can't be read.
    #[error("the state cannot be read")]
    Chain(#[from] ChainError),
}

impl Chain {
    /// A page of the state after the tip, of about so many bytes; the first without a cursor.
    pub fn export(
        &self,
        document: &[u8],
        cursor: Option<&[u8]>,
        most_bytes: usize,
    ) -> Result<ExportPage, ExportPageError> {
        let asked = match cursor {
            Some(cursor) => {
                let (hash, key) = cursor.split_at_checked(32).ok_or(ExportPageError::Cursor)?;
                Some((B256::from_slice(hash), key))
            }
            None => None,
        };
        let head = match asked {
            Some(_) => None,
            None => Some(self.export_head(document)?),
        };
        let snapshot = self.store.snapshot().map_err(ChainError::from)?;
        let (tip, _) = stored_tip(snapshot.as_ref())?;
        let expected = head.as_ref().map(|(hash, _)| *hash).or(asked.map(|(hash, _)| hash));
        if let Some(asked) = expected.filter(|hash| *hash != tip.hash) {
            return Err(ExportPageError::Moved { asked, number: tip.number });
        }
        let base = Base::new(Vec::new(), snapshot, None);
        let mut page = Page { base: &base, lines: Vec::new(), counts: (0, 0), left: most_bytes };
        if let Some((_, line)) = head {
            page.push(line);
        }
        let next = page.fill(asked.map_or(&[][..], |(_, key)| key))?;
        let next = next.map(|key| Bytes::from([tip.hash.as_slice(), &key].concat()));
        let (lines, counts) = (page.lines, page.counts);
        Ok(ExportPage { number: tip.number, hash: tip.hash, lines, counts, next })
    }

    fn export_head(&self, document: &[u8]) -> Result<(B256, String), ExportPageError> {
        if self.tip().number == 0 {
            return Err(ExportPageError::NoBlock);
        }
        let proof = self.prove_account(governance::ADDRESS, &[], 0)?;
        let document = String::from_utf8_lossy(document).into_owned();
        let document = RawValue::from_string(document)
            .map_err(|error| ChainError::Damaged(format!("genesis document: {error}")))?;
        let hash = proof.headers.first().map(alloy_primitives::keccak256).unwrap_or_default();
        Ok((hash, write(&Head::new(document, proof))))
    }
}

/// The key of an account's record, and the hash of its address if it has storage.
type Visited = (Vec<u8>, Option<B256>);

/// Lines that are being put together. Only this knows how accounts and slots are keyed: a place in an
/// export is the key of the record that was written last.
struct Page<'a> {
    base: &'a Base,
    lines: Vec<String>,
    counts: (u64, u64),
    left: usize,
}

impl Page<'_> {
    fn push(&mut self, line: String) {
        self.left = self.left.saturating_sub(line.len());
        self.lines.push(line);
    }

    /// Goes on after the record with this key. The key of the last record in the lines, if there may
    /// be more.
    fn fill(&mut self, after: &[u8]) -> Result<Option<Vec<u8>>, ExportPageError> {
        let (mut next, end) = keys::all_accounts();
        match after.first() {
            None => {}
            Some(b'a') => next = following(after),
            Some(b's') if after.len() == 65 => {
                let account = B256::from_slice(&after[1..33]);
                if let Some(last) = self.slots(&account, following(after))? {
                    return Ok(Some(last));
                }
                next = following(&keys::hashed_account(&account));
            }
            Some(_) => return Err(ExportPageError::Cursor),
        }
        while self.left > 0 {
            let Some((key, owner)) = self.account(&next, &end)? else { return Ok(None) };
            if let Some(owner) = owner {
                let (first, _) = keys::all_slots(&owner);
                if let Some(last) = self.slots(&owner, first)? {
                    return Ok(Some(last));
                }
            }
            next = following(&key);
            if self.left == 0 {
                return Ok(Some(key));
            }
        }
        // The head alone has filled the page.
        Ok(Some(if after.is_empty() { next } else { after.to_vec() }))
    }

    /// The first account from a key on.
    fn account(&mut self, from: &[u8], end: &[u8]) -> Result<Option<Visited>, ChainError> {
        let mut found = None;
        self.snapshot().scan(from, end, &mut |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        let Some((key, record)) = found else { return Ok(None) };
        let damaged = || ChainError::Damaged("account record".to_owned());
        let owner = keys::hash_of(&key).ok_or_else(damaged)?;
        let (address, account) = read_account(&record).ok_or_else(damaged)?;
        let code = self.base.code(&account.code_hash)?;
        let (balance, nonce) = (account.balance, account.nonce);
        self.push(write(&AccountLine { address, balance, nonce, code }));
        self.counts.0 += 1;
        Ok(Some((key, (account.storage_root != EMPTY_ROOT_HASH).then_some(owner))))
    }

    /// Slots of an account from a key on. The key of the last one, if the page is full before the
    /// account ends.
    fn slots(&mut self, owner: &B256, from: Vec<u8>) -> Result<Option<Vec<u8>>, ChainError> {
        let (_, end) = keys::all_slots(owner);
        let mut from = from;
        loop {
            let mut slots: Vec<(U256, U256)> = Vec::new();
            let mut last = None;
            let mut is_damaged = false;
            self.snapshot().scan(&from, &end, &mut |key, value| {
                match read_slot(value) {
                    Some(slot) => slots.push(slot),
                    None => is_damaged = true,
                }
                if slots.len() < MAX_SLOTS_A_LINE {
                    return ControlFlow::Continue(());
                }
                last = Some(key.to_vec());
                ControlFlow::Break(())
            })?;
            if is_damaged {
                return Err(ChainError::Damaged("slot record".to_owned()));
            }
            self.counts.1 += u64::try_from(slots.len()).unwrap_or(u64::MAX);
            if !slots.is_empty() {
                self.push(write(&SlotLine { slots }));
            }
            match last {
                None => return Ok(None),
                Some(last) if self.left == 0 => return Ok(Some(last)),
                Some(last) => from = following(&last),
            }
        }
    }

    fn snapshot(&self) -> &dyn Snapshot {
        self.base.snapshot()
    }
}

/// The least key after this one.
fn following(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}
