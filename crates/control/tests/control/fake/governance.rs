//! A governance contract of the fake world: the member with the id 1 decides alone. What it is sent
//! is text: `propose:…` makes a proposal, `vote:…` is always one vote too many, and a node refuses
//! what says that it will.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use windlass_engine::{
    EngineError, RpcRequest,
    governance::{
        AccountFacts, Act, Force, FoundAction, Governance, Head, MemberFacts, ObserverFacts,
        Outcome, Outgoing, ProposalFacts, Roll, Signed, ValidatorFacts, Verdict, VoteFacts,
    },
};
use windlass_model::{
    ErrorCode,
    governance::{
        Action, Effect, Failure, Names, NetworkParameters, PermittedAccount, ProposalState,
        ProposedAction, Role, SeatState, Thresholds, Voice,
    },
    network::BlockRef,
    spec::{Fees, NetworkSpec},
};

/// What the transactions of members begin with.
pub(crate) const BALLOT: &str = "ballot:";
/// What a member sends that names a node as its observer, and that takes it back: with its key.
pub(crate) const OBSERVE: &str = "observe:";
pub(crate) const FORGET: &str = "forget:";
/// What a call that the contract refuses reverts with.
pub(crate) const REVERT: &str = "0xbad0";

#[derive(Clone, Copy, Debug)]
pub(crate) struct FakeGovernance;

fn ask(method: &'static str, params: Value) -> RpcRequest {
    RpcRequest { method, params }
}

fn read<T>(method: &'static str, read: impl FnOnce() -> Option<T>) -> Result<T, EngineError> {
    let reason = "not as a fake node answers".to_owned();
    read().ok_or(EngineError::Answer { method, reason })
}

fn block(answer: &Value) -> Option<BlockRef> {
    let number = answer.get("number")?.as_u64()?;
    Some(BlockRef { number, hash: answer.get("hash")?.as_str()?.to_owned() })
}

impl Governance for FakeGovernance {
    fn address(&self) -> String {
        "0x01".to_owned()
    }

    fn roll(&self, _at: u64) -> Vec<RpcRequest> {
        vec![ask("roll", json!([]))]
    }

    fn read_roll(&self, answers: &[Value]) -> Result<Roll, EngineError> {
        read("roll", || {
            let accounts = answers.first()?.get("members")?.as_array()?;
            let member = |(index, account): (u32, &Value)| {
                Some(MemberFacts {
                    id: index,
                    state: SeatState::Active,
                    account: account.get("account")?.as_str()?.to_owned(),
                    organization: account.get("organization")?.as_str()?.to_owned(),
                    endpoint: String::new(),
                })
            };
            let members = (1u32..).zip(accounts).map(member).collect::<Option<_>>()?;
            let validator = |(index, (name, key)): (u32, (&String, &Value))| {
                Some(ValidatorFacts {
                    id: index,
                    member: 1,
                    state: SeatState::Active,
                    active: true,
                    name: name.clone(),
                    node_key: key.get(0)?.as_str()?.to_owned(),
                    consensus_key: key.get(1)?.as_str()?.to_owned(),
                    account: None,
                    endpoint: String::new(),
                })
            };
            let seats = answers.first()?.get("validators")?.as_object()?;
            let validators = (1u32..).zip(seats).map(validator).collect::<Option<_>>()?;
            let observer = |key: &Value| {
                let (node_key, endpoint) = (key.as_str()?.to_owned(), String::new());
                Some(ObserverFacts { node_key, member: 1, active: true, endpoint })
            };
            let observers = answers.first()?.get("observers")?.as_array()?;
            let observers = observers.iter().map(observer).collect::<Option<_>>()?;
            Some(Roll { members, validators, observers })
        })
    }

    fn former(&self, _role: Role, id: u32, _at: u64) -> RpcRequest {
        ask("former", json!([id]))
    }

    fn read_former(&self, _role: Role, _answer: &Value) -> Result<String, EngineError> {
        Ok("gone".to_owned())
    }

    fn validator_set(&self, _at: u64) -> RpcRequest {
        ask("height", json!([]))
    }

    fn read_validator_set(&self, _answer: &Value) -> Result<BTreeSet<String>, EngineError> {
        Ok(BTreeSet::new())
    }

    fn parameters(&self, _at: u64) -> Vec<RpcRequest> {
        Vec::new()
    }

    fn read_parameters(&self, _answers: &[Value]) -> Result<NetworkParameters, EngineError> {
        Ok(NetworkParameters {
            revision: 1,
            gas_limit: 30_000_000,
            // What a block costs is what its header says.
            fees: Fees::Eip1559 { floor_wei: 0 },
            min_block_interval_ms: 0,
            proposal_lifetime_s: 3_600,
            thresholds: Thresholds { membership: 50, parameters: 50 },
            permissioned: BTreeSet::new(),
            permitted_accounts: 0,
            rules_version: 1,
            next_rules: None,
        })
    }

    fn permitted(&self, _from: u64, _count: u64, _at: u64) -> RpcRequest {
        ask("height", json!([]))
    }

    fn read_permitted(&self, _answer: &Value) -> Result<Vec<PermittedAccount>, EngineError> {
        Ok(Vec::new())
    }

    fn proposal_count(&self, _at: u64) -> RpcRequest {
        ask("ballots", json!([]))
    }

    fn read_proposal_count(&self, answer: &Value) -> Result<u64, EngineError> {
        read("ballots", || answer.as_u64())
    }

    fn proposals(&self, from: u64, count: u64, _at: u64) -> RpcRequest {
        ask("proposals", json!([from, count]))
    }

    fn read_proposals(&self, answer: &Value) -> Result<Vec<ProposalFacts>, EngineError> {
        let proposal = |id: &Value| {
            Some(ProposalFacts {
                id: id.as_u64()?,
                proposer: 1,
                state: ProposalState::Approved,
                force: Force::No,
                created_at_s: 1,
                expires_at_s: 2,
                settled_at_s: Some(1),
                votes_for: 1,
                votes_against: 0,
                active_members: 1,
                threshold: 50,
                actions: vec![FoundAction::Unknown("something".to_owned())],
                reason: String::new(),
                failure: None,
            })
        };
        read("proposals", || answer.as_array()?.iter().map(proposal).collect())
    }

    fn votes(&self, _proposal: u64, _at: u64) -> RpcRequest {
        ask("height", json!([]))
    }

    fn read_votes(&self, _answer: &Value) -> Result<Vec<VoteFacts>, EngineError> {
        Ok(vec![VoteFacts { member: 1, voice: Voice::Yes, cast_at_s: 1 }])
    }

    fn next_epoch(&self, _spec: &NetworkSpec, block: u64) -> u64 {
        block + 1
    }

    fn before_epoch(&self, _spec: &NetworkSpec, block: u64) -> u64 {
        block
    }

    fn effects(&self, _: &NetworkSpec, actions: &[ProposedAction], block: u64) -> Vec<Effect> {
        let effect = |action: &ProposedAction| Effect {
            words: action.words.clone(),
            when: "now".to_owned(),
            from_block: Some(block),
        };
        actions.iter().map(effect).collect()
    }

    fn input(&self, act: &Act) -> Result<String, EngineError> {
        Ok(match act {
            Act::Propose { reason, .. } => format!("propose:{reason}"),
            Act::Vote { proposal, .. } => format!("vote:{proposal}"),
            Act::Settle { proposal } => format!("settle:{proposal}"),
            Act::AddObserver { node_key, .. } => format!("{OBSERVE}{}", hex::encode(node_key)),
            Act::RemoveObserver { node_key } => format!("{FORGET}{}", hex::encode(node_key)),
        })
    }

    fn rehearsal(&self, _from: &str, data: &str, _at: Option<u64>) -> RpcRequest {
        ask("rehearse", json!([data]))
    }

    fn trial(&self, _actions: &[Action]) -> Result<RpcRequest, EngineError> {
        Ok(ask("rehearse", json!(["vote:"])))
    }

    fn failure(&self, output: &[u8], _names: &Names) -> Failure {
        Failure {
            code: ErrorCode::AlreadyVoted,
            error: hex::encode(output),
            message: "one vote too many".to_owned(),
            hint: "none".to_owned(),
        }
    }

    fn head(&self) -> RpcRequest {
        ask("head", json!([]))
    }

    fn read_head(&self, answer: &Value) -> Result<Head, EngineError> {
        let head = |block| Head { block, base_fee_wei: 0, gas_limit: 1_000_000 };
        read("head", || block(answer).map(head))
    }

    fn estimate(&self, _from: &str, _data: &str) -> RpcRequest {
        ask("height", json!([]))
    }

    fn read_estimate(&self, _answer: &Value) -> Result<u64, EngineError> {
        Ok(1)
    }

    fn account(&self, _address: &str) -> Vec<RpcRequest> {
        vec![ask("ballots", json!([]))]
    }

    fn read_account(&self, answers: &[Value]) -> Result<AccountFacts, EngineError> {
        read("ballots", || Some(AccountFacts { nonce: answers.first()?.as_u64()?, balance_wei: 0 }))
    }

    fn signing_hash(&self, outgoing: &Outgoing) -> Result<[u8; 32], EngineError> {
        Ok([u8::try_from(outgoing.nonce).unwrap_or(u8::MAX); 32])
    }

    fn signed(&self, outgoing: &Outgoing, signature: [u8; 65]) -> Result<Signed, EngineError> {
        let hash = format!("{BALLOT}{}:{}:{}", outgoing.nonce, outgoing.data, signature[0]);
        Ok(Signed { send: ask("send", json!([hash])), hash })
    }

    fn lookup(&self, hash: &str) -> RpcRequest {
        ask("receipt", json!([hash]))
    }

    fn receipt(&self, hash: &str) -> RpcRequest {
        ask("receipt", json!([hash]))
    }

    fn read_outcome(&self, answer: &Value) -> Result<Option<Outcome>, EngineError> {
        if answer.is_null() {
            return Ok(None);
        }
        read("receipt", || {
            let proposal = answer.get("proposal").and_then(Value::as_u64);
            Some(Some(Outcome { block: block(answer)?, verdict: Verdict::Done { proposal } }))
        })
    }
}
