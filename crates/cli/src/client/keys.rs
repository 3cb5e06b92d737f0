//! The keys of a network's endpoint.

use reqwest::Method;
use windlass_model::key::{EndpointKey, KeyRequest, KeyRotation, NewEndpointKey, RevokedKey};

use super::{Client, encode};
use crate::environment::Outcome;

impl Client {
    pub(crate) async fn keys(&self, network: &str) -> Outcome<Vec<EndpointKey>> {
        self.get(&self.of_network(network, "/keys")).await
    }

    pub(crate) async fn create_key(
        &self,
        network: &str,
        request: &KeyRequest,
    ) -> Outcome<NewEndpointKey> {
        self.send(Method::POST, &self.of_network(network, "/keys"), Some(request)).await
    }

    pub(crate) async fn rotate_key(
        &self,
        network: &str,
        key: &str,
        rotation: &KeyRotation,
    ) -> Outcome<NewEndpointKey> {
        let path = self.of_network(network, &format!("/keys/{}/rotate", encode(key)));
        self.send(Method::POST, &path, Some(rotation)).await
    }

    pub(crate) async fn revoke_key(&self, network: &str, key: &str) -> Outcome<RevokedKey> {
        let path = self.of_network(network, &format!("/keys/{}", encode(key)));
        self.send(Method::DELETE, &path, None::<&()>).await
    }
}
