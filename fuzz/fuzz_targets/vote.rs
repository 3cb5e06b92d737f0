//! What validators send each other on the channels of votes and of certificates, behind its epoch.
#![no_main]

use std::sync::LazyLock;

use alloy_primitives::B256;
use bytes::Bytes;
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _, ReadExt as _, varint::UInt};
use commonware_consensus::simplex::types::{Certificate, Vote};
use commonware_cryptography::certificate::Scheme as _;
use commonware_parallel::Sequential;
use commonware_utils::{ordered::BiMap, test_rng};
use windlass_node::consensus::{
    digest::Digest,
    scheme::{Scheme, Voting},
    signer::public_key,
};
use windlass_proof::Validator;

/// The committee of the committed vectors, on a network on which nobody has signed anything.
static SCHEME: LazyLock<Scheme> = LazyLock::new(|| {
    let vectors = include_str!("../../crates/proof/vectors/certificates.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).expect("they are JSON");
    let validators: Vec<Validator> =
        serde_json::from_value(vectors[1]["validators"].clone()).expect("they are validators");
    let key = |bytes: B256| public_key(&bytes.0).expect("it is one");
    let pairs: Vec<_> =
        validators.iter().map(|one| (key(one.node_key), key(one.consensus_key))).collect();
    let me = pairs[0].0.clone();
    let committee = BiMap::try_from(pairs).expect("the keys are different");
    Scheme::new(B256::ZERO, committee, &me, &[], Voting::Off)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut message = Bytes::copy_from_slice(bytes);
    if UInt::<u64>::read(&mut message).is_err() {
        return;
    }
    let (scheme, rng) = (&*SCHEME, &mut test_rng());
    if let Ok(vote) = Vote::<Scheme, Digest>::decode(message.clone()) {
        assert_eq!(vote.encode(), message);
        let holds = match vote {
            Vote::Notarize(vote) => vote.verify(rng, scheme, &Sequential),
            Vote::Nullify(vote) => vote.verify::<_, Digest>(rng, scheme, &Sequential),
            Vote::Finalize(vote) => vote.verify(rng, scheme, &Sequential),
        };
        assert!(!holds);
    }
    let limit = scheme.participants().len();
    if let Ok(one) = Certificate::<Scheme, Digest>::decode_cfg(message.clone(), &limit) {
        assert_eq!(one.encode(), message);
        assert!(!one.verify(rng, scheme, &Sequential));
    }
});
