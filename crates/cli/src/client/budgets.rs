//! What an organization may have and has used.

use reqwest::Method;
use windlass_model::{
    api::Accepted,
    budget::{Extension, HourOfUse, OrganizationBudget, Quota},
};

use super::Client;
use crate::environment::Outcome;

impl Client {
    pub(crate) async fn extend(&self, network: &str, extension: &Extension) -> Outcome<Accepted> {
        self.send(Method::POST, &self.of_network(network, "/extend"), Some(extension)).await
    }

    pub(crate) async fn budget(&self) -> Outcome<OrganizationBudget> {
        self.get(&self.within("budget")).await
    }

    pub(crate) async fn set_quota(&self, quota: &Quota) -> Outcome<OrganizationBudget> {
        self.send(Method::PUT, &self.within("quota"), Some(quota)).await
    }

    /// What was used from a time on, Unix milliseconds.
    pub(crate) async fn usage(&self, from_ms: u64) -> Outcome<Vec<HourOfUse>> {
        self.get(&self.within(&format!("usage?from_ms={from_ms}"))).await
    }
}
