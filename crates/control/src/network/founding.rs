//! What a network and its nodes begin with: keys, accounts, the genesis document.

use futures::future::join_all;
use windlass_keys::{KeyError, PublicKey, Purpose};
use windlass_model::{KeyId, NodeId};

use crate::{
    network::{
        describe::{engine_reason, genesis_input},
        execute::{Execution, Failure},
        reasons,
    },
    store::rows::StoredTransaction,
};

impl Execution<'_> {
    pub(super) async fn create_keys(
        &mut self,
        keys: Vec<(NodeId, KeyId, Purpose)>,
    ) -> Result<(), Failure> {
        let holder = &self.reconciler.world.keys;
        let made =
            join_all(keys.iter().map(|(_, key, purpose)| holder.create(key, *purpose))).await;
        for ((node, id, _), made) in keys.into_iter().zip(made) {
            let public = made.and_then(|public| public.ed25519().ok_or(KeyError::Signing));
            let public =
                public.map_err(|error| Failure(reasons::of_keys(&error, self.now_ms())))?;
            let Some(node) = self.after.node_mut(&node) else { continue };
            if let Some(row) = node.key_mut(&id) {
                row.public = Some(public);
            }
        }
        Ok(())
    }

    pub(super) async fn create_accounts(
        &mut self,
        accounts: Vec<(usize, KeyId)>,
    ) -> Result<(), Failure> {
        let holder = &self.reconciler.world.keys;
        let made =
            join_all(accounts.iter().map(|(_, key)| holder.create(key, Purpose::Account))).await;
        for ((member, _), made) in accounts.into_iter().zip(made) {
            let public = made.and_then(|public| match public {
                PublicKey::Account(_) => Ok(public),
                PublicKey::Ed25519(_) => Err(KeyError::Signing),
            });
            let public =
                public.map_err(|error| Failure(reasons::of_keys(&error, self.now_ms())))?;
            if let Some(account) = self.after.network.status.accounts.get_mut(member) {
                account.address = Some(format!("0x{public}"));
            }
        }
        Ok(())
    }

    pub(super) fn make_genesis(&mut self, now_ms: u64) -> Result<(), Failure> {
        let account = windlass_keys::throwaway_account()
            .map_err(|error| Failure(reasons::of_keys(&error, now_ms)))?;
        let address = windlass_keys::Secp256k1Signer::address(&account);
        let refused = |error| Failure(engine_reason(&error, now_ms));
        let Some(input) = genesis_input(&self.after, address) else { return Ok(()) };
        let genesis = self.engine.genesis(&input).map_err(refused)?;
        let sign = |hash: [u8; 32]| {
            windlass_keys::Secp256k1Signer::sign_hash(&account, &hash)
                .expect("a key in memory signs any hash")
        };
        let spec = &self.after.network.spec;
        let test = self.engine.test_transaction(spec, address, 0, &sign).map_err(refused)?;
        self.after.network.status.genesis_hash = Some(genesis.hash);
        self.after.network.genesis = Some(genesis.content);
        self.after.network.status.test_transaction = Some(StoredTransaction {
            method: test.send.method.to_owned(),
            params: test.send.params,
            hash: test.hash,
        });
        Ok(())
    }
}
