//! A network's ledger, accounts and contracts for the tests.

use std::collections::BTreeMap;

use alloy_consensus::transaction::Recovered;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use secp256k1::{Message, SECP256K1, SecretKey};
use windlass_chain::genesis::{
    Fees, Genesis, GenesisAccount, Governance, Member, Permissions, SignatureScheme, Validator,
};
use windlass_chain::store::MemoryStore;
use windlass_chain::{At, Attributes, Block, CallLimits, Chain, NoSenders, Receipt, Room};

pub(crate) const CHAIN_ID: u64 = 4_242;
pub(crate) const START_S: u64 = 1_700_000_000;

pub(crate) fn genesis(fees: Fees) -> Genesis {
    let account = |balance: u64| GenesisAccount {
        balance: U256::from(balance) * U256::from(10u64).pow(U256::from(18)),
        ..GenesisAccount::default()
    };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp: START_S,
        gas_limit: 30_000_000,
        contract_size_limit: 24_576,
        transaction_gas_cap: 16_777_216,
        min_block_interval_ms: 0,
        epoch_length: 1_000,
        signature_scheme: SignatureScheme::Ed25519,
        fees,
        alloc: BTreeMap::from([
            (wallet(1).address, account(1_000)),
            (wallet(2).address, account(5)),
        ]),
        governance: Governance::default(),
        permissions: Permissions::default(),
        predecessor: None,
        members: vec![Member {
            organization: "acme".to_owned(),
            endpoint: String::new(),
            account: Address::repeat_byte(0xac),
            // Repeated, these bytes are points of the curve.
            validators: [(1, 3), (6, 9), (10, 11), (12, 16)]
                .into_iter()
                .zip(0..)
                .map(|((node, vote), index)| Validator {
                    name: format!("v{index}"),
                    node_key: B256::repeat_byte(node),
                    consensus_key: B256::repeat_byte(vote),
                    account: Address::ZERO,
                    endpoint: String::new(),
                })
                .collect(),
        }],
    }
}

pub(crate) fn free() -> Genesis {
    genesis(Fees::Free)
}

pub(crate) fn priced() -> Genesis {
    genesis(Fees::Eip1559 { floor_wei: 1_000_000_000 })
}

pub(crate) fn open(genesis: &Genesis) -> Chain {
    Chain::open(MemoryStore::default(), genesis).unwrap()
}

#[derive(Clone, Debug)]
pub(crate) struct Wallet {
    key: SecretKey,
    pub(crate) address: Address,
}

pub(crate) fn wallet(number: u8) -> Wallet {
    let mut bytes = [0u8; 32];
    bytes[31] = number;
    let key = SecretKey::from_byte_array(bytes).unwrap();
    let public = key.public_key(SECP256K1).serialize_uncompressed();
    Wallet { key, address: Address::from_slice(&keccak256(&public[1..])[12..]) }
}

impl Wallet {
    pub(crate) fn sign(&self, hash: B256) -> Signature {
        let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &self.key);
        let (recovery, bytes) = signature.serialize_compact();
        Signature::from_bytes_and_parity(&bytes, i32::from(recovery) == 1)
    }

    fn seal<T>(&self, transaction: T) -> Recovered<TxEnvelope>
    where
        T: SignableTransaction<Signature>,
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let signature = self.sign(transaction.signature_hash());
        Recovered::new_unchecked(transaction.into_signed(signature).into(), self.address)
    }

    pub(crate) fn legacy(
        &self,
        nonce: u64,
        to: TxKind,
        value: u64,
        input: &[u8],
    ) -> Recovered<TxEnvelope> {
        self.seal(TxLegacy {
            chain_id: Some(CHAIN_ID),
            nonce,
            gas_price: 0,
            gas_limit: 1_000_000,
            to,
            value: U256::from(value),
            input: Bytes::copy_from_slice(input),
        })
    }

    pub(crate) fn eip1559(
        &self,
        nonce: u64,
        to: TxKind,
        value: U256,
        input: &[u8],
    ) -> Recovered<TxEnvelope> {
        self.eip1559_with(nonce, to, value, input, 1_000_000)
    }

    #[expect(clippy::too_many_arguments, reason = "one a field")]
    pub(crate) fn eip1559_with(
        &self,
        nonce: u64,
        to: TxKind,
        value: U256,
        input: &[u8],
        gas_limit: u64,
    ) -> Recovered<TxEnvelope> {
        self.seal(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit,
            max_fee_per_gas: 20_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to,
            value,
            input: Bytes::copy_from_slice(input),
            ..TxEip1559::default()
        })
    }

    pub(crate) fn authorize(&self, nonce: u64, target: Address) -> SignedAuthorization {
        let authorization =
            Authorization { chain_id: U256::from(CHAIN_ID), address: target, nonce };
        let signature = self.sign(authorization.signature_hash());
        authorization.into_signed(signature)
    }

    pub(crate) fn eip7702(
        &self,
        nonce: u64,
        to: Address,
        authorizations: Vec<SignedAuthorization>,
    ) -> Recovered<TxEnvelope> {
        self.seal(TxEip7702 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: 20_000_000_000,
            max_priority_fee_per_gas: 0,
            to,
            authorization_list: authorizations,
            ..TxEip7702::default()
        })
    }
}

pub(crate) fn at_ms(offset_ms: u64) -> Attributes {
    Attributes {
        timestamp_ms: START_S * 1_000 + offset_ms,
        epoch: 0,
        beneficiary: Address::repeat_byte(0xbe),
        room: Room::ALL,
    }
}

/// Builds on the tip, all transactions included.
pub(crate) fn build(chain: &Chain, transactions: Vec<Recovered<TxEnvelope>>) -> Block {
    let tip = chain.tip();
    let attributes = Attributes { timestamp_ms: tip.timestamp_ms + 250, ..at_ms(0) };
    let built = chain.build(tip.hash, attributes, &mut transactions.into_iter()).unwrap();
    assert_eq!(built.skipped, vec![], "everything is valid");
    built.block
}

/// Builds on the tip and finalises; the receipts.
pub(crate) fn advance(
    chain: &Chain,
    transactions: Vec<Recovered<TxEnvelope>>,
) -> (Block, Vec<Receipt>) {
    let block = build(chain, transactions);
    let receipts = chain.finalize(&block).unwrap();
    (block, receipts)
}

/// The other ledger validates and finalises the block.
pub(crate) fn follow(chain: &Chain, block: &Block) {
    let decoded = Block::decode(&block.encode()).unwrap();
    chain.validate(block.parent_hash(), &decoded, &NoSenders).unwrap();
    chain.finalize(&decoded).unwrap();
}

pub(crate) fn limits() -> CallLimits<'static> {
    CallLimits { gas_cap: 30_000_000, cancel: None }
}

/// Init code that deploys `runtime`.
pub(crate) fn deployer(runtime: &[u8]) -> Vec<u8> {
    let length = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    // PUSH2 length, DUP1, PUSH1 offset, PUSH0, CODECOPY, PUSH0, RETURN
    let mut code = vec![0x61, length[0], length[1], 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    code.extend_from_slice(runtime);
    code
}

/// Counts its calls in slot 0, logs `LOG2(count, COUNTED, caller)` and returns the count.
pub(crate) fn counter() -> Vec<u8> {
    let mut code = hex("5f5460010180 5f55 805f52 33 7f");
    code.extend_from_slice(COUNTED.as_slice());
    code.extend(hex("6020 5f a2 6020 5f f3"));
    code
}

pub(crate) const COUNTED: B256 = B256::repeat_byte(0xc0);

/// Reverts with `0xdeadbeef`.
pub(crate) fn reverter() -> Vec<u8> {
    hex("63deadbeef 5f52 6004 601c fd")
}

/// Loops until the gas is gone.
pub(crate) fn burner() -> Vec<u8> {
    hex("5b 5f 56")
}

/// Creates a contract from the calldata as init code and returns its address.
pub(crate) fn factory() -> Vec<u8> {
    hex("36 5f 5f 37 36 5f 34 f0 5f 52 6020 5f f3")
}

/// An ERC-20's `transfer(to, amount)` on two words of calldata: it reverts where the caller has
/// less, and logs `Transfer(from, to, amount)`.
pub(crate) fn token() -> Vec<u8> {
    let mut code = hex(concat!(
        "33 5f52 6040 5f20",      // the caller's slot: keccak(caller ‖ 0)
        "80 54 6020 35",          // slot, balance, amount
        "80 82 10 6061 57",       // balance < amount: revert
        "90 03 90 55",            // balance - amount
        "5f35 5f52 6040 5f20",    // the recipient's slot
        "80 54 6020 35 01 90 55", // balance + amount
        "6020 35 5f52",           // the log's data
        "5f35 33 7f",
    ));
    code.extend_from_slice(TRANSFER.as_slice());
    code.extend(hex("6020 5f a3 6001 5f52 6020 5f f3"));
    let revert = code.len();
    code.extend(hex("5b 5f 5f fd"));
    let jump = code.windows(3).position(|bytes| bytes == [0x60, 0x61, 0x57]).unwrap();
    code[jump + 1] = u8::try_from(revert).unwrap();
    code
}

pub(crate) const TRANSFER: B256 =
    alloy_primitives::b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Init code of the token that gives the caller a supply.
pub(crate) fn token_deployer(supply: u32) -> Vec<u8> {
    let runtime = token();
    let mut code = hex("63");
    code.extend_from_slice(&supply.to_be_bytes());
    code.extend(hex("33 5f52 6040 5f20 55"));
    let offset = u8::try_from(code.len() + 10).unwrap();
    let mut deploy = deployer(&runtime);
    deploy[5] = offset;
    code.extend(deploy);
    code
}

/// `transfer(to, amount)`.
pub(crate) fn transfer(to: Address, amount: u64) -> Vec<u8> {
    let mut input = to.into_word().to_vec();
    input.extend_from_slice(&U256::from(amount).to_be_bytes::<32>());
    input
}

/// The slot of a holder's balance.
pub(crate) fn balance_slot(holder: Address) -> U256 {
    let mut bytes = holder.into_word().to_vec();
    bytes.extend_from_slice(&[0u8; 32]);
    keccak256(bytes).into()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    alloy_primitives::hex::decode(text.replace(' ', "")).unwrap()
}

pub(crate) const NOBODY: Address = Address::repeat_byte(0x77);
pub(crate) const TO_NOBODY: TxKind = TxKind::Call(NOBODY);

/// Deploys a contract from wallet 1 and gives its address.
pub(crate) fn deploy(chain: &Chain, init: &[u8]) -> Address {
    let nonce = nonce(chain, wallet(1).address);
    let (_, receipts) = advance(chain, vec![wallet(1).legacy(nonce, TxKind::Create, 0, init)]);
    assert!(receipts[0].success);
    let address = receipts[0].contract_address.unwrap();
    assert!(!chain.state(At::Latest).unwrap().code(address).unwrap().is_empty());
    address
}

pub(crate) fn nonce(chain: &Chain, address: Address) -> u64 {
    chain.state(At::Latest).unwrap().account(address).unwrap().map_or(0, |account| account.nonce)
}
