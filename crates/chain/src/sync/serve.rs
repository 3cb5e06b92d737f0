//! Answers, each from one view of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use alloy_primitives::{Address, B256, Bytes, U256};
use nybbles::Nibbles;

use super::{
    ANSWER_CHANGES, AccountEntry, AccountStorage, Accounts, Anchor, Answer, Changed, ChangedSlots,
    Request, SlotEntry, Storage,
};
use crate::chain::{Chain, ChainError, stored_tip, stored_u64, touched};
use crate::state::base::Base;
use crate::state::keys::{self, Owner};
use crate::state::record::{encode_account, encode_optional, read_account, read_slot};
use crate::state::trie;

/// The last hash there is.
pub(super) const LAST: B256 = B256::repeat_byte(0xff);

/// The tip's state, and why the tip is final.
struct Ground {
    number: u64,
    anchor: Anchor,
    base: Base,
    /// About how large an answer may be.
    limit: usize,
}

impl Chain {
    /// Answers one who is far behind, with about `limit` bytes or one entry at least: nodes give
    /// [`ANSWER_BYTES`](super::ANSWER_BYTES).
    pub fn answer(&self, request: &Request, limit: usize) -> Result<Answer, ChainError> {
        let answer = match request {
            Request::Validators { since } => {
                let changes = self.provable_changes(*since, ANSWER_CHANGES)?;
                return Ok(Answer::Validators(changes));
            }
            Request::Codes { hashes } => return Ok(Answer::Codes(self.codes(hashes, limit)?)),
            Request::Blocks { last, count } => {
                return Ok(Answer::Blocks(self.block_records(*last, *count, limit)?));
            }
            Request::Accounts { from, to } => {
                self.sync_ground(limit)?.map(|ground| ground.accounts(from, to)).transpose()?
            }
            Request::Storage { accounts, from } => self
                .sync_ground(limit)?
                .map(|ground| ground.storage(accounts, *from))
                .transpose()?,
            Request::Changed { after } => match self.sync_ground(limit)? {
                Some(ground) => ground.changed(*after)?,
                None => None,
            },
        };
        Ok(answer.unwrap_or(Answer::Unavailable))
    }

    /// The tip's state, where a certificate formed at the tip itself.
    fn sync_ground(&self, limit: usize) -> Result<Option<Ground>, ChainError> {
        let snapshot = self.snapshot()?;
        let (tip, header) = stored_tip(snapshot.as_ref())?;
        let Some(certificate) = self.certificate(tip.number)? else { return Ok(None) };
        let anchor = Anchor { header: alloy_rlp::encode(header).into(), certificate };
        let base = Base::new(Vec::new(), snapshot, None);
        Ok(Some(Ground { number: tip.number, anchor, base, limit }))
    }

    fn codes(&self, hashes: &[B256], limit: usize) -> Result<Vec<Bytes>, ChainError> {
        let snapshot = self.snapshot()?;
        let (mut codes, mut size) = (Vec::new(), 0);
        for hash in hashes {
            let Some(code) = snapshot.get(&keys::code(hash))? else { break };
            size += code.len();
            codes.push(code.into());
            if size >= limit {
                break;
            }
        }
        Ok(codes)
    }
}

impl Ground {
    fn accounts(&self, from: &B256, to: &B256) -> Result<Answer, ChainError> {
        let (start, end) = keys::accounts(from, to);
        let (mut accounts, mut size, mut last) = (Vec::new(), 0, *to);
        self.base.snapshot().scan(&start, &end, &mut |key, record| {
            let Some((address, account)) = read_account(record) else {
                return ControlFlow::Continue(());
            };
            let record: Bytes = encode_account(&account).into();
            size += record.len() + 24;
            accounts.push(AccountEntry { address, record });
            if size < self.limit {
                return ControlFlow::Continue(());
            }
            last = keys::hash_of(key).unwrap_or(last);
            ControlFlow::Break(())
        })?;
        let proof = self.ends(Owner::Accounts, from, &last)?;
        let anchor = self.anchor.clone();
        Ok(Answer::Accounts(Accounts { anchor, accounts, end: last, proof }))
    }

    fn storage(&self, accounts: &[B256], from: B256) -> Result<Answer, ChainError> {
        let (mut parts, mut size, mut from) = (Vec::new(), 0, from);
        for hash in accounts {
            let part = self.account_storage(hash, &from, self.limit - size)?;
            size += part.slots.len() * 40;
            size +=
                part.account_proof.iter().chain(&part.proof).map(|node| node.len()).sum::<usize>();
            let is_whole = part.end == LAST;
            parts.push(part);
            if !is_whole || size >= self.limit {
                break;
            }
            from = B256::ZERO;
        }
        Ok(Answer::Storage(Storage { anchor: self.anchor.clone(), accounts: parts }))
    }

    fn account_storage(
        &self,
        account: &B256,
        from: &B256,
        limit: usize,
    ) -> Result<AccountStorage, ChainError> {
        let nodes = self.base.nodes(Owner::Accounts);
        let (account_proof, _) = trie::prove(&nodes, &Nibbles::unpack(account))?;
        let account_proof = account_proof.into_iter().collect();
        let record = self.base.snapshot().get(&keys::hashed_account(account))?;
        if record.is_none() {
            return Ok(AccountStorage {
                account_proof,
                slots: Vec::new(),
                end: LAST,
                proof: Vec::new(),
            });
        }
        let (start, end) = keys::slots(account, from, &LAST);
        let (mut slots, mut size, mut last) = (Vec::new(), 0, LAST);
        self.base.snapshot().scan(&start, &end, &mut |key, record| {
            slots.extend(read_slot(record).map(|(slot, value)| SlotEntry { slot, value }));
            size += record.len() + 2;
            if size < limit {
                return ControlFlow::Continue(());
            }
            last = keys::hash_of(key).unwrap_or(last);
            ControlFlow::Break(())
        })?;
        let proof = self.ends(Owner::Storage(*account), from, &last)?;
        Ok(AccountStorage { account_proof, slots, end: last, proof })
    }

    /// The nodes on the ways to both ends of a range; none are needed where it is everything.
    fn ends(&self, owner: Owner, from: &B256, to: &B256) -> Result<Vec<Bytes>, ChainError> {
        if from.is_zero() && *to == LAST {
            return Ok(Vec::new());
        }
        let nodes = self.base.nodes(owner);
        let (mut proof, _) = trie::prove(&nodes, &Nibbles::unpack(from))?;
        let (other, _) = trie::prove(&nodes, &Nibbles::unpack(to))?;
        for node in other {
            if !proof.contains(&node) {
                proof.push(node);
            }
        }
        Ok(proof)
    }

    /// What changed after a block; `None` where that is not kept any more.
    fn changed(&self, after: u64) -> Result<Option<Answer>, ChainError> {
        let snapshot = self.base.snapshot();
        let oldest = stored_u64(snapshot, keys::OLDEST)?.unwrap_or(0);
        if !(oldest..=self.number).contains(&after) {
            return Ok(None);
        }
        let mut accounts = BTreeSet::new();
        let mut slots: BTreeMap<Address, BTreeSet<U256>> = BTreeMap::new();
        let (mut to, mut size) = (after, 0);
        while to < self.number && size < self.limit {
            let touched = touched(snapshot, to + 1)?;
            to += 1;
            size += touched.accounts.len() * 128 + touched.slots.len() * 64;
            accounts.extend(touched.accounts);
            for (address, slot) in touched.slots {
                slots.entry(address).or_default().insert(slot);
            }
        }
        let entry = |address: Address| -> Result<_, ChainError> {
            let account = self.base.account(&address)?;
            Ok(AccountEntry { address, record: encode_optional(account.as_ref()).into() })
        };
        let value = |address: &Address, slot: U256| -> Result<_, ChainError> {
            Ok(SlotEntry { slot, value: self.base.slot(address, &slot)? })
        };
        let accounts = accounts.into_iter().map(entry).collect::<Result<_, _>>()?;
        let slots = slots.into_iter().map(|(address, slots)| {
            let slots = slots.into_iter().map(|slot| value(&address, slot));
            Ok(ChangedSlots { address, slots: slots.collect::<Result<_, ChainError>>()? })
        });
        let slots = slots.collect::<Result<_, ChainError>>()?;
        let anchor = self.anchor.clone();
        Ok(Some(Answer::Changed(Changed { anchor, to, accounts, slots })))
    }
}
