//! The last look at an imported state whose root is right: whether all storage is what its account's
//! root says. The root of the state alone does not show it, since an account's record has a root of its
//! own, and what changed meanwhile was only told.

use std::ops::ControlFlow;

use alloy_primitives::B256;
use alloy_trie::EMPTY_ROOT_HASH;

use super::serve::LAST;
use crate::chain::ChainError;
use crate::state::base::Base;
use crate::state::keys::{self, Owner};
use crate::state::record::read_account;
use crate::state::trie;

/// Looks at each account with storage, and that nothing else has slots; the error tells what is wrong.
pub(super) fn audit(base: &Base) -> Result<Result<(), String>, ChainError> {
    let snapshot = base.snapshot();
    let (start, end) = keys::all_accounts();
    let mut expected = 0_u64;
    snapshot.scan(&start, &end, &mut |_, record| {
        let account = read_account(record).map(|(_, account)| account);
        expected += u64::from(account.is_some_and(|one| one.storage_root != EMPTY_ROOT_HASH));
        ControlFlow::Continue(())
    })?;
    let (mut found, mut next) = (0, Some(B256::ZERO));
    while let Some(from) = next {
        let Some(owner) = first_owner(base, &from)? else { break };
        let record = snapshot.get(&keys::hashed_account(&owner))?;
        let Some((address, account)) = record.as_deref().and_then(read_account) else {
            return Ok(Err(format!("there are slots of {owner}, which is no account")));
        };
        let none = std::iter::empty();
        let root = trie::update(&base.nodes(Owner::Storage(owner)), none)?.root;
        if root != account.storage_root {
            return Ok(Err(format!(
                "the storage of {address} has the root {root} and should have {}",
                account.storage_root
            )));
        }
        found += 1;
        next = (owner < LAST).then(|| super::plan::successor(owner));
    }
    if found == expected {
        return Ok(Ok(()));
    }
    Ok(Err(format!("{expected} accounts should have storage, and {found} have")))
}

/// The first account with slots, by its hashed address, from one on.
fn first_owner(base: &Base, from: &B256) -> Result<Option<B256>, ChainError> {
    let (start, _) = keys::all_slots(from);
    let (_, end) = keys::all_slots(&LAST);
    let mut owner = None;
    base.snapshot().scan(&start, &end, &mut |key, _| {
        owner = keys::owner_of(key);
        ControlFlow::Break(())
    })?;
    Ok(owner)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, U256};

    use super::*;
    use crate::state::Account;
    use crate::state::history::Trail;
    use crate::state::layer::{Change, Changes};
    use crate::state::root;
    use crate::store::{Batch, MemoryStore, Store};

    fn wrong(store: &MemoryStore) -> Option<String> {
        let base = Base::new(Vec::new(), store.snapshot().unwrap(), None);
        audit(&base).unwrap().err()
    }

    fn commit(store: &MemoryStore, edit: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::default();
        edit(&mut batch);
        store.commit(batch).unwrap();
    }

    #[test]
    fn storage_that_is_not_its_accounts_is_seen() {
        let store = MemoryStore::default();
        let base = Base::new(Vec::new(), store.snapshot().unwrap(), None);
        let mut changes = Changes::default();
        for index in 1..5_u8 {
            let address = Address::repeat_byte(index);
            let after = Some(Account { nonce: 1, ..Account::default() });
            changes.accounts.insert(address, Change { before: None, after });
            let slot = (U256::from(index), Change { before: U256::ZERO, after: U256::from(7) });
            changes.storage.entry(address).or_default().extend((index > 1).then_some(slot));
        }
        root::seal(&base, &mut changes, &[]).unwrap();
        commit(&store, |batch| crate::chain::put_state(batch, &changes));
        assert_eq!(wrong(&store), None);

        let (bare, full) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let account = changes.accounts[&full].after.unwrap();
        let record = |address: &Address, account: &Account| {
            crate::state::record::account_record(address, account, &Trail::default())
        };
        let other = Account { storage_root: B256::repeat_byte(9), ..account };
        commit(&store, |batch| batch.put(keys::account(&full), record(&full, &other)));
        assert!(wrong(&store).unwrap().contains("has the root"));
        commit(&store, |batch| batch.put(keys::account(&full), record(&full, &account)));
        assert_eq!(wrong(&store), None);

        commit(&store, |batch| batch.put(keys::account(&bare), record(&bare, &other)));
        assert_eq!(wrong(&store).unwrap(), "4 accounts should have storage, and 3 have");
        commit(&store, |batch| batch.delete(keys::account(&bare)));
        assert_eq!(wrong(&store), None);
        commit(&store, |batch| batch.delete(keys::account(&full)));
        assert!(wrong(&store).unwrap().contains("no account"));
    }
}
