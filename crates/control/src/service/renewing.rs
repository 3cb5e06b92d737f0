//! Proposals that name keys which are still to be made.
//!
//! What a proposal sends has the key in it, so the key is made before the proposal is drafted: it is
//! written down as intent like everything else, and waited for. Where no proposal comes of it after all,
//! the next one takes it.

use std::time::Duration;

use windlass_model::{
    ErrorCode, NodeId, Problem,
    governance::{KeyKind, ProposalRequest},
};

use crate::{
    governance,
    network::replacing,
    service::{Action, Answer, Control, Granted, RequestMeta, network_not_found},
    store::{AuditEntry, Find, rows::Record},
};

/// How long keys and the restart of their nodes are waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);

impl Control {
    /// Has the keys made that a proposal takes from here. The record as it is then, and what the user
    /// should know.
    pub(super) async fn with_new_keys(
        &self,
        granted: &Granted,
        record: Record,
        request: &ProposalRequest,
        meta: &RequestMeta,
    ) -> Answer<(Record, Vec<String>)> {
        if !governance::renews(request) {
            return Ok((record, Vec::new()));
        }
        let roll = self.council(&record).await?.roll().await?;
        let wanted = governance::renewed(&record, &roll, request)?;
        self.ask_for_keys(granted, &record, &wanted, meta).await?;
        let (organization, id) = (&record.network.organization, &record.network.id);
        let find = Find::Id(id.clone());
        let made = |record: &Record| {
            wanted.iter().all(|(id, kind)| {
                record.node(id).is_some_and(|node| replacing::made(node, *kind).is_some())
            })
        };
        let equipped = |record: &Record| {
            wanted.iter().all(|(id, _)| record.node(id).is_some_and(replacing::is_equipped))
        };
        // A node that has just started has not met the others, and would count as away.
        let met = || {
            let live = self.inner.monitor.nodes(id);
            let follows = |node: &NodeId| {
                let report = live.get(node).and_then(|live| live.answer());
                report.is_some_and(|report| report.quorum_connected() && !report.syncing)
            };
            wanted.iter().all(|(node, _)| follows(node))
        };
        let mut looks = PATIENCE.as_millis() / LOOK.as_millis();
        loop {
            let found = self.inner.store.network(organization, &find).await?;
            let found = found.ok_or_else(|| network_not_found(record.network.name.as_str()))?;
            if made(&found) && equipped(&found) && met() {
                return Ok((found, Vec::new()));
            }
            if looks == 0 && made(&found) {
                let warning = "the node does not run with its new key yet: it votes again once it \
                               has been restarted with it, which happens by itself";
                return Ok((found, vec![warning.to_owned()]));
            }
            if looks == 0 {
                return Err(Box::new(Problem::new(
                    ErrorCode::NetworkBusy,
                    "the new key is not made yet",
                    "ask again in a moment: the key that is made is kept for it",
                )));
            }
            looks -= 1;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Writes down that keys are to be made.
    async fn ask_for_keys(
        &self,
        granted: &Granted,
        record: &Record,
        wanted: &[(NodeId, KeyKind)],
        meta: &RequestMeta,
    ) -> Answer<()> {
        let organization = granted.allows(Action::Govern)?;
        let mut change = self.inner.store.begin().await?;
        let found = change.network(organization, &Find::Id(record.network.id.clone())).await?;
        let before = found.ok_or_else(|| network_not_found(record.network.name.as_str()))?;
        let mut after = before.clone();
        let mut news = false;
        for (id, kind) in wanted {
            if let Some(node) = after.node_mut(id) {
                news |= replacing::ask(&self.inner.world, node, *kind);
            }
        }
        if !news {
            return Ok(());
        }
        change.save(&before, &mut after, meta.now_ms).await?;
        change
            .audit(&AuditEntry {
                organization: Some(organization),
                at_ms: meta.now_ms,
                actor: granted.actor(),
                action: "network.new_key",
                object: record.network.id.as_str(),
                request_hash: &meta.request_hash,
                outcome: "accepted",
            })
            .await?;
        change.commit("mutation").await?;
        self.inner.wakes.wake(organization, &record.network.id);
        Ok(())
    }
}
