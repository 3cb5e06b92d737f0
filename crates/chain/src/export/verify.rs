//! The check of an export, from its genesis document to the root of its state.

use std::io::BufRead;

use alloy_consensus::Header;
use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::Decodable as _;
use alloy_trie::root::{state_root, storage_root};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use windlass_proof::{TrustAnchor, Verified};

use super::ExportError;
use super::line::{AccountLine, Head};
use super::read::{Entry, Reader, Summary};
use crate::genesis::{Genesis, GenesisAccount};
use crate::governance;
use crate::state::Account;

/// An export that holds.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The network's genesis document.
    pub genesis: Genesis,
    /// The block, why it is final, and the validators who say so.
    pub verified: Verified,
    /// How many accounts there are.
    pub accounts: u64,
    /// How many slots they have together.
    pub slots: u64,
    /// SHA-256 of the file.
    pub sha256: B256,
    /// The governance contract: who the members are.
    pub(crate) governance: GenesisAccount,
}

/// Reads an export and checks all of it: that it is whole, that its block is final on the network of
/// its genesis document, and that its state is the one after that block.
///
/// Of each account some 150 bytes are kept in memory, and of the account that is being read some 64 a
/// slot: the tries can't be made before all of their keys are known.
pub fn verify(from: impl BufRead) -> Result<Exported, ExportError> {
    check(Reader::open(from)?, None)
}

/// The same for an export of one network, known by the hash of its block 0: of another one nothing
/// but the head is read.
pub fn verify_of(from: impl BufRead, genesis: B256) -> Result<Exported, ExportError> {
    check(Reader::open(from)?, Some(genesis))
}

fn check(reader: Reader<impl BufRead>, expected: Option<B256>) -> Result<Exported, ExportError> {
    let (genesis, verified) = check_head(reader.head(), expected)?;
    let mut state = State::default();
    let Summary { end, sha256, .. } = reader.read(|entry| state.take(entry))?;
    let (found, governance) = state.finish()?;
    let expected = verified.block.header.state_root;
    if found != expected {
        return Err(ExportError::Root { found, expected });
    }
    let governance = governance.ok_or(ExportError::NoContract(governance::ADDRESS))?;
    check_contract(&governance)?;
    let (accounts, slots) = (end.accounts, end.slots);
    Ok(Exported { genesis, verified, accounts, slots, sha256, governance })
}

/// That the head shows its block to be final on the network of its document. A document is read as
/// one only when it is known to be that network's: text of no meaning may take any memory.
fn check_head(head: &Head, expected: Option<B256>) -> Result<(Genesis, Verified), ExportError> {
    let found = keccak256(&head.proof.genesis);
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(ExportError::OtherNetwork { found, expected });
    }
    let document = head.document.get().as_bytes();
    let block_zero = Header::decode(&mut &head.proof.genesis[..])
        .map_err(|error| ExportError::BlockZero(error.to_string()))?;
    let found = keccak256(document);
    if block_zero.extra_data[..] != found[..] {
        return Err(ExportError::OtherDocument { found, expected: block_zero.extra_data });
    }
    let genesis = Genesis::parse(document).map_err(ExportError::Genesis)?;
    let anchor = TrustAnchor::from_genesis(document).map_err(ExportError::Anchor)?;
    let verified = windlass_proof::verify(&head.proof, &anchor).map_err(ExportError::Proof)?;
    Ok((genesis, verified))
}

/// That the contract is the one that networks have: of another one no code is run.
fn check_contract(account: &GenesisAccount) -> Result<(), ExportError> {
    if keccak256(&account.code) == governance::code_hash() {
        return Ok(());
    }
    Err(ExportError::OtherContract(governance::ADDRESS))
}

/// The state, as far as it was read.
#[derive(Default)]
struct State {
    /// Finished accounts, by the hash of the address.
    accounts: Vec<(B256, Account)>,
    current: Option<Current>,
    governance: Option<GenesisAccount>,
}

/// The account that is being read.
struct Current {
    line: AccountLine,
    slots: Vec<(U256, U256)>,
}

impl State {
    fn take(&mut self, entry: Entry) -> Result<(), ExportError> {
        match (entry, &mut self.current) {
            (Entry::Account(line), _) => {
                self.close()?;
                self.current = Some(Current { line, slots: Vec::new() });
            }
            (Entry::Slots(slots), Some(current)) => current.slots.extend(slots),
            // The reader refuses slots without an account.
            (Entry::Slots(_), None) => {}
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ExportError> {
        let Some(Current { line, slots }) = self.current.take() else { return Ok(()) };
        let AccountLine { address, balance, nonce, code } = line;
        let mut hashed: Vec<(B256, U256)> = slots
            .iter()
            .map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value))
            .collect();
        hashed.sort_unstable_by_key(|(hash, _)| *hash);
        if hashed.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(ExportError::Twice { what: format!("a slot of account {address}") });
        }
        let storage_root = if hashed.is_empty() { EMPTY_ROOT_HASH } else { storage_root(hashed) };
        let code_hash = if code.is_empty() { KECCAK_EMPTY } else { keccak256(&code) };
        let account = Account { nonce, balance, storage_root, code_hash };
        self.accounts.push((keccak256(address), account));
        if address == governance::ADDRESS {
            let storage = slots.into_iter().map(|(slot, value)| (slot.into(), value.into()));
            let storage = storage.collect();
            self.governance = Some(GenesisAccount { balance, nonce, code, storage });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(B256, Option<GenesisAccount>), ExportError> {
        self.close()?;
        self.accounts.sort_unstable_by_key(|(hash, _)| *hash);
        if self.accounts.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(ExportError::Twice { what: "an account".to_owned() });
        }
        Ok((state_root(self.accounts), self.governance))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;

    use super::*;

    #[test]
    fn code_of_an_exports_own_is_not_run() {
        let with = |code| GenesisAccount { code, ..GenesisAccount::default() };
        // It would never end.
        let endless = check_contract(&with(Bytes::from_static(&[0x5b, 0x5f, 0x56])));
        assert!(matches!(endless, Err(ExportError::OtherContract(_))), "{endless:?}");
        assert!(check_contract(&with(Bytes::new())).is_err());
    }
}
