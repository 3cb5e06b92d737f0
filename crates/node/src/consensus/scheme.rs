//! Votes and certificates: who signs, with which key, over what.
//!
//! A validator has two keys. The *node key* names it: p2p, the order of the committee and the
//! leader's turn all go by node keys. The *consensus key* signs its votes and nothing else, so that
//! an HSM can hold it, and it can be replaced while the node keeps its identity. commonware's own
//! Ed25519 scheme indexes the committee by the signing key; this one goes through the pair.
//!
//! Every message is signed in a namespace that holds the genesis hash, so a vote is worth nothing
//! on any other network, and the committee's, so that it counts in no other committee
//! (docs/protocol/proofs.md). Ed25519 signatures are deterministic, which simplex relies on: it compares
//! encoded votes to find a validator that votes twice.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use commonware_codec::types::lazy::Lazy;
use commonware_consensus::simplex::{scheme::Namespace, types::Subject};
use commonware_cryptography::{
    BatchEntry, BatchVerifier, Digest, Signer, Verifier as _,
    certificate::{
        self, AssemblyError, Attestation, Membership, Namespace as _, Signers, Subject as _,
        Verification, verify_then_assemble,
    },
    ed25519::{
        PublicKey, Signature,
        certificate::{Certificate, Generic},
    },
};
use commonware_parallel::Strategy;
use commonware_utils::{
    N3f1, Participant, Widen,
    iter::NonEmpty,
    ordered::{BiMap, Quorum, Set},
};
use rand_core::CryptoRng;
use windlass_chain::governance::{SeatedValidator, set_hash};

use super::{exchange::key_bytes, signer::HandleSigner};

/// What every signing namespace begins with.
const PREFIX: &[u8] = b"windlass/1/";

/// The namespace of a network: the prefix and its genesis hash.
pub fn namespace(genesis: B256) -> Vec<u8> {
    [PREFIX, genesis.as_slice()].concat()
}

/// The namespace of a committee's votes: that of the network, and the hash of those who have a seat.
fn voting_namespace(genesis: B256, committee: &BiMap<PublicKey, PublicKey>) -> Vec<u8> {
    let seats: Vec<_> = committee
        .iter_pairs()
        .map(|(node, vote)| SeatedValidator {
            node_key: key_bytes(node),
            consensus_key: key_bytes(vote),
        })
        .collect();
    [namespace(genesis).as_slice(), set_hash(&seats).as_slice()].concat()
}

/// A committee, and this node's place in it.
#[derive(Clone, Debug)]
pub struct Scheme {
    committee: BiMap<PublicKey, PublicKey>,
    me: Option<Seat>,
    namespace: Namespace,
}

/// A node's place in a committee.
#[derive(Clone, Debug)]
struct Seat {
    index: Participant,
    /// `None` where the node may not vote.
    signer: Option<HandleSigner>,
}

/// Whether a member signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voting {
    /// It votes.
    On,
    /// It follows and keeps silent.
    Off,
}

impl Scheme {
    /// The committee (node key → consensus key) as the node with `node_key` sees it. Without a seat
    /// for it, or without the consensus key that the committee has for it, it only verifies.
    pub fn new(
        genesis: B256,
        committee: BiMap<PublicKey, PublicKey>,
        node_key: &PublicKey,
        signers: &[HandleSigner],
        voting: Voting,
    ) -> Self {
        let me = Quorum::index(committee.keys(), node_key).map(|index| {
            let key = committee.value(index.into());
            let signer = signers.iter().find(|signer| key == Some(&signer.public_key()));
            Seat { index, signer: signer.filter(|_| voting == Voting::On).cloned() }
        });
        let namespace = Namespace::derive(&voting_namespace(genesis, &committee));
        Self { committee, me, namespace }
    }

    /// Whether this node signs.
    pub fn votes(&self) -> bool {
        self.me.as_ref().is_some_and(|seat| seat.signer.is_some())
    }

    /// Who has a seat.
    pub fn seat(&self, index: Participant) -> Option<SeatedValidator> {
        let node_key = key_bytes(self.committee.get(index.into())?);
        Some(SeatedValidator { node_key, consensus_key: key_bytes(self.key(index)?) })
    }

    /// The consensus key at an index.
    fn key(&self, index: Participant) -> Option<&PublicKey> {
        self.committee.value(index.into())
    }

    /// Gathers a certificate's signatures; `None` where it is not one of this committee's form.
    fn stage<'a>(
        &'a self,
        certificate: &'a Certificate,
    ) -> Option<Vec<(&'a PublicKey, &'a Signature)>> {
        let quorum: usize = Widen::widen(self.committee.quorum::<N3f1>());
        if certificate.signers.len() != self.committee.len()
            || certificate.signers.count() != certificate.signatures.len()
            || certificate.signers.count() < quorum
        {
            return None;
        }
        certificate
            .signers
            .iter()
            .zip(&certificate.signatures)
            .map(|(signer, signature)| Some((self.key(signer)?, signature.get()?)))
            .collect()
    }
}

impl certificate::Verifier for Scheme {
    type Subject<'a, D: Digest> = Subject<'a, D>;
    type Faults = N3f1;
    type PublicKey = PublicKey;
    type Certificate = Certificate;

    fn verify_certificate<R, D>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        certificate: &Certificate,
        strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
    {
        #[cfg(test)]
        if super::tests::certificates_go_unchecked() {
            return true;
        }
        let Some(entries) = self.stage(certificate) else {
            return false;
        };
        let namespace = subject.namespace(&self.namespace);
        let message = subject.message();
        PublicKey::verify_batch(
            rng,
            &entries,
            |_, (public_key, signature)| BatchEntry {
                namespace,
                message: &message,
                public_key,
                signature,
            },
            strategy,
        )
    }

    fn verify_certificates<'a, R, D, I>(
        &self,
        rng: &mut R,
        certificates: NonEmpty<I>,
        strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
        I: Iterator<Item = (Subject<'a, D>, &'a Certificate)>,
    {
        certificates.into_iter().all(|(subject, certificate)| {
            self.verify_certificate(&mut *rng, subject, certificate, strategy)
        })
    }

    fn is_batchable() -> bool {
        true
    }

    fn max_certificate_size(participants: u32) -> usize {
        Generic::<Namespace>::max_certificate_size(participants)
    }

    fn certificate_codec_config(&self) -> usize {
        self.committee.len()
    }

    fn certificate_codec_config_unbounded() -> usize {
        Generic::<Namespace>::certificate_codec_config_unbounded()
    }
}

impl certificate::Scheme for Scheme {
    type Signature = Signature;

    fn me(&self) -> Option<Membership> {
        self.me.as_ref().map(|seat| match seat.signer {
            Some(_) => Membership::Signer(seat.index),
            None => Membership::Member(seat.index),
        })
    }

    fn participants(&self) -> &Set<PublicKey> {
        self.committee.keys()
    }

    fn sign<D: Digest>(&self, subject: Subject<'_, D>) -> Option<Attestation<Self>> {
        let seat = self.me.as_ref()?;
        let signer = seat.signer.as_ref()?;
        let namespace = subject.namespace(&self.namespace);
        match signer.try_sign(namespace, &subject.message()) {
            Ok(signature) => Some(Attestation { signer: seat.index, signature: signature.into() }),
            Err(error) => {
                tracing::error!(%error, "the consensus key could not sign; no vote is sent");
                None
            }
        }
    }

    fn verify_attestation<R, D>(
        &self,
        _rng: &mut R,
        subject: Subject<'_, D>,
        attestation: &Attestation<Self>,
        _strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
    {
        let (Some(key), Some(signature)) =
            (self.key(attestation.signer), attestation.signature.get())
        else {
            return false;
        };
        key.verify(subject.namespace(&self.namespace), &subject.message(), signature)
    }

    fn verify_attestations<R, D, I>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        attestations: I,
        strategy: &impl Strategy,
    ) -> Verification<Self>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: Send,
    {
        let namespace = subject.namespace(&self.namespace);
        let message = subject.message();
        let mut invalid = BTreeSet::new();
        let mut candidates = Vec::new();
        for attestation in attestations {
            match (self.key(attestation.signer), attestation.signature.get().cloned()) {
                (Some(key), Some(signature)) => candidates.push((attestation, key, signature)),
                (None, _) | (_, None) => {
                    invalid.insert(attestation.signer);
                }
            }
        }
        let batch_holds = candidates.is_empty()
            || PublicKey::verify_batch(
                rng,
                &candidates,
                |_, (_, public_key, signature)| BatchEntry {
                    namespace,
                    message: &message,
                    public_key,
                    signature,
                },
                strategy,
            );
        if !batch_holds {
            // Find out who spoilt the batch, one by one.
            for (attestation, key, signature) in &candidates {
                if !key.verify(namespace, &message, signature) {
                    invalid.insert(attestation.signer);
                }
            }
        }
        let verified = candidates
            .into_iter()
            .map(|(attestation, ..)| attestation)
            .filter(|attestation| !invalid.contains(&attestation.signer))
            .collect();
        Verification::new(verified, invalid.into_iter().collect())
    }

    fn optimistic_assemble<'a, R, D, I, J>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        pending: I,
        verified: J,
        strategy: &impl Strategy,
    ) -> Result<Certificate, Verification<Self>>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: ExactSizeIterator + Send,
        J: IntoIterator<Item = &'a Attestation<Self>>,
        J::IntoIter: Send,
    {
        verify_then_assemble::<Self, _, D, _, _>(self, rng, subject, pending, verified, strategy)
    }

    fn assemble<I>(
        &self,
        attestations: NonEmpty<I>,
        _strategy: &impl Strategy,
    ) -> Result<Certificate, AssemblyError>
    where
        I: Iterator<Item = Attestation<Self>> + Send,
    {
        let mut entries = Vec::new();
        for Attestation { signer, signature } in attestations {
            self.key(signer).ok_or(AssemblyError::UnknownSigner(signer))?;
            let signature =
                signature.get().cloned().ok_or(AssemblyError::MalformedSignature(signer))?;
            entries.push((signer, signature));
        }
        entries.sort_by_key(|(signer, _)| *signer);
        let (signers, signatures): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let signers = Signers::try_from((self.committee.keys(), signers))?;
        let (needed, found) = (self.committee.quorum::<N3f1>(), signers.count());
        if found < Widen::widen(needed) {
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            return Err(AssemblyError::InsufficientAttestations(needed, found));
        }
        Ok(Certificate { signers, signatures: signatures.into_iter().map(Lazy::from).collect() })
    }

    fn is_attributable() -> bool {
        true
    }
}
