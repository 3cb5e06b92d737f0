//! The route table as it is pushed and stored; its types are the model's.

pub use windlass_model::{
    key::KeyScope,
    route::{RateLimit, Route, RouteKey, RouteSecret, RouteState, RouteTable},
};

/// The SHA-256 of a key, in hexadecimal, as a route table names it.
pub fn hash_key(key: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(key.as_bytes()))
}
