//! Members govern their network through the platform: by its command line and its API alone.

use std::{fs, path::PathBuf, time::Duration};

use alloy_primitives::U256;
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Platform, world};
use windlass_model::{
    api::Accepted,
    governance::{
        BallotOutcome, NetworkMember, NetworkParameters, NetworkValidator, Proposal, ProposalState,
        SeatState, UnsignedTransaction, Voice,
    },
    network::{Health, Network, Node, Operation, OperationKind, OperationState},
};

use crate::support::{PATIENCE, healthy, one_tip, quantity, status_of};

/// Three organizations with five validators; whoever has an account of its own has its key too.
fn consortium(accounts: [Option<&Account>; 3]) -> String {
    let members = ["acme", "beta", "gamma"].iter().zip([2, 2, 1]).zip(accounts);
    let mut text = "kind = \"consortium\"\nchain_id = 77002\nepoch_length = 16\n".to_owned();
    for ((name, validators), account) in members {
        let account = account.map(|one| format!("account = \"{:#x}\"\n", one.address));
        for part in ["[[members]]\norganization = \"", name, "\"\nvalidators = "] {
            text.push_str(part);
        }
        text.push_str(&validators.to_string());
        text.push('\n');
        text.push_str(&account.unwrap_or_default());
    }
    text
}

async fn create(platform: &Platform, name: &str, spec: &str) {
    let path = write(platform, "toml", spec);
    let _created: Accepted = platform.run(&["network", "create", name, "-f", &path]).await;
    healthy(platform, name).await;
}

fn write(platform: &Platform, extension: &str, text: &str) -> String {
    let file = platform.data_dir.with_extension(extension);
    fs::write(&file, text).expect("a file can be written");
    file.to_string_lossy().into_owned()
}

/// Runs a verb of the network that proposes or votes, and tells what came of it.
async fn ballot(platform: &Platform, rest: &str) -> BallotOutcome {
    let words: Vec<&str> = ["network"].into_iter().chain(rest.split(' ')).collect();
    let accepted: Accepted = platform.run(&words).await;
    let operation = accepted.operation.expect("a ballot is an operation");
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
    *operation.ballot.expect("it tells what came of it")
}

async fn proposals(platform: &Platform, network: &str) -> Vec<Proposal> {
    platform.run(&["network", "proposals", network]).await
}

async fn validators(platform: &Platform, network: &str) -> Vec<NetworkValidator> {
    platform.run(&["network", "validators", network]).await
}

#[tokio::test]
async fn three_organizations_vote_by_the_command_line() {
    let platform = Platform::start().await;
    create(&platform, "council", &consortium([None; 3])).await;
    let members: Vec<NetworkMember> = platform.run(&["network", "members", "council"]).await;
    let shown: Vec<_> =
        members.iter().map(|one| (one.id, &*one.organization, one.validators.len())).collect();
    assert_eq!(shown, [(1, "acme", 2), (2, "beta", 2), (3, "gamma", 1)]);
    assert!(members.iter().all(|one| one.key_held && one.state == SeatState::Active));
    let seated = validators(&platform, "council").await;
    assert_eq!(seated.len(), 5);
    for one in &seated {
        assert_eq!((one.active, one.voting), (true, Some(true)), "{one:?}");
        assert_eq!(one.node_name.as_deref(), Some(&*one.name), "its node is here");
    }

    // Two of three suffice, and a validator goes at the end of the epoch.
    let proposed =
        ballot(&platform, "propose council --as acme suspend-validator validator-3").await;
    assert_eq!(proposed.proposal.state, ProposalState::InProgress);
    assert_eq!((proposed.proposal.id, proposed.effects.len()), (1, 0));
    assert_eq!(proposed.proposal.tally.needed_for, 2);
    let decided = ballot(&platform, "vote council 1 yes --as beta").await;
    assert_eq!(decided.proposal.state, ProposalState::Approved);
    let words: Vec<_> = decided.effects.iter().map(|one| one.words.as_str()).collect();
    assert_eq!(words, ["suspend the validator `validator-3` (id 4)"]);
    assert_eq!(decided.effects[0].from_block, Some(16));
    let network = platform.show("council").await;
    world::eventually("four validators decide, says a node", PATIENCE, async || {
        let status = status_of(&platform, network.nodes.first()?.id.as_str()).await?;
        (status.get("validators")?.as_u64()? == 4).then_some(())
    })
    .await;
    let suspended = validators(&platform, "council").await.remove(3);
    assert_eq!((suspended.state, suspended.active), (SeatState::Suspended, false));
    assert_eq!(suspended.voting, Some(false), "the epoch has ended");

    // Two against it reject what the third wants.
    ballot(&platform, "propose council --as acme --reason why resume-validator validator-3").await;
    ballot(&platform, "vote council 2 no --as beta").await;
    let rejected = ballot(&platform, "vote council 2 no --as gamma").await;
    assert_eq!(rejected.proposal.state, ProposalState::Rejected);
    assert_eq!(rejected.proposal.reason, "why");
    let voices: Vec<_> = rejected.proposal.votes.iter().map(|vote| vote.vote).collect();
    assert_eq!(voices, [Voice::Yes, Voice::No, Voice::No]);

    // A parameter, and several actions of a file at once.
    ballot(&platform, "propose council --as gamma set threshold --members 60 --parameters 51")
        .await;
    ballot(&platform, "vote council 3 yes --as acme").await;
    let parameters: NetworkParameters = platform.run(&["network", "parameters", "council"]).await;
    assert_eq!((parameters.thresholds.membership, parameters.thresholds.parameters), (60, 51));
    let file = json!({"as": "beta", "actions": [
        {"action": "set_gas_limit", "gas_limit": 60_000_000},
        {"action": "allow", "account": format!("0x{}", "11".repeat(20)), "permissions": ["send"]},
    ]});
    let path = write(&platform, "json", &file.to_string());
    ballot(&platform, &format!("propose council -f {path}")).await;
    let decided = ballot(&platform, "vote council 4 yes --as acme").await;
    assert_eq!((decided.proposal.actions.len(), decided.effects.len()), (2, 2));
    let parameters: NetworkParameters = platform.run(&["network", "parameters", "council"]).await;
    assert_eq!((parameters.gas_limit, parameters.permitted_accounts), (60_000_000, 1));
    let all = proposals(&platform, "council").await;
    assert_eq!(all.iter().map(|one| one.id).collect::<Vec<_>>(), [4, 3, 2, 1], "newest first");
    let page = "/v1/organizations/default/networks/council/proposals?limit=3";
    let (_, text) = platform.api("GET", page, Some(&platform.token)).await;
    let page: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (page["items"][2]["id"].as_u64(), page["next_cursor"].as_str()),
        (Some(2), Some("2"))
    );
    let operations: Vec<Operation> = platform.run(&["operation", "ls"]).await;
    let votes = operations.iter().filter(|one| one.kind == OperationKind::Vote).count();
    assert_eq!(votes, 5);
    platform.destroy("council").await;
}

/// What a verb of the network is refused with: exit code, code, and a part of what was wrong.
async fn check(platform: &Platform, line: &str, (exit, code, detail): (i32, &str, &str)) {
    let words: Vec<&str> = ["network"].into_iter().chain(line.split(' ')).collect();
    let (found, problem) = platform.refused(&words).await;
    assert_eq!((found, problem.code.as_str()), (exit, code), "{line}: {problem:?}");
    assert!(problem.detail.contains(detail), "{line}: {}", problem.detail);
    assert!(!problem.hint.is_empty(), "{line}");
}

/// Does what the platform says to do where it does not hold the key: prints what it would send, and
/// signs and sends that with another tool.
async fn by_hand(platform: &Platform, own: &mut Account, line: &str) {
    let words: Vec<&str> =
        ["network"].into_iter().chain(line.split(' ')).chain(["--print"]).collect();
    let unsigned: UnsignedTransaction = platform.run(&words).await;
    assert_eq!(unsigned.from, format!("{:#x}", own.address));
    let call = Call {
        to: Some(unsigned.to.parse().expect("an address")),
        input: unsigned.data.parse().expect("bytes"),
        gas: 2_000_000,
        ..Call::default()
    };
    let network = platform.show("council").await;
    let endpoint = Platform::endpoint(&network);
    let hash = own.send(&endpoint, call).await;
    let receipt = endpoint.receipt(&hash).await;
    // The platform may ask another node than the one that had the receipt first.
    one_tip(platform, &network, quantity(&receipt["blockNumber"]).expect("a number")).await;
}

#[tokio::test]
async fn proposals_that_cannot_be_are_refused_and_send_nothing() {
    let platform = Platform::start().await;
    create(&platform, "council", &consortium([None; 3])).await;
    let check = async |line: &str, exit: i32, code: &str, detail: &str| {
        check(&platform, line, (exit, code, detail)).await;
    };
    check("propose council remove-member beta", 2, "invalid_request", "3 members").await;
    let propose = async |rest: &str, exit: i32, code: &str, detail: &str| {
        check(&format!("propose council --as acme {rest}"), exit, code, detail).await;
    };
    propose("suspend-member zeta", 3, "member_not_found", "`zeta`").await;
    propose("suspend-member 9", 3, "member_not_found", "`9`").await;
    propose("suspend-validator v", 3, "validator_not_found", "`v`").await;
    propose("set gas-limit 7", 2, "proposal_invalid", "is 7; it must be from 1000000").await;
    propose("set block-interval 601s", 2, "proposal_invalid", "601000").await;
    propose("set fees eip1559 --floor-wei 99999999999999", 2, "proposal_invalid", "10,000").await;
    propose("set threshold --members 49 --parameters 50", 2, "proposal_invalid", "49 %").await;
    propose("upgrade-rules 2 --at 0", 2, "proposal_invalid", "not in the future").await;
    let account = format!("0x{}", "11".repeat(20));
    propose(&format!("allow {account}"), 2, "proposal_invalid", "no permission").await;
    let zero = "00".repeat(32);
    propose(&format!("replace-key 1 node {zero}"), 2, "proposal_invalid", "zero").await;
    let reason = "x".repeat(257);
    propose(&format!("--reason {reason} remove-member beta"), 2, "proposal_invalid", "257").await;
    for actions in [0usize, 17] {
        let action = json!({"action": "set_gas_limit", "gas_limit": 9_000_000});
        let file = json!({"as": "acme", "actions": vec![action; actions]});
        let path = write(&platform, "json", &file.to_string());
        let detail = format!("{actions} actions");
        check(&format!("propose council -f {path}"), 2, "proposal_invalid", &detail).await;
    }
    check("vote council 1 yes --as acme", 3, "proposal_not_found", "no proposal 1").await;
    check("vote council 0 yes --as acme", 3, "proposal_not_found", "no proposal 0").await;
    check("vote council 1 yes --as zeta", 3, "member_not_found", "`zeta`").await;
    check("proposal council 5", 3, "proposal_not_found", "no proposal 5").await;
    assert!(proposals(&platform, "council").await.is_empty(), "nothing was sent");

    let _stopped: Accepted = platform.run(&["network", "stop", "council"]).await;
    check("members council", 4, "network_stopped", "does not run").await;
    check("propose council --as acme remove-member beta", 4, "network_stopped", "not run").await;
    platform.destroy("council").await;
}

#[tokio::test]
async fn a_member_votes_once_and_with_its_own_tool_if_it_likes() {
    let platform = Platform::start().await;
    let mut own = Account::new(77_002);
    create(&platform, "council", &consortium([None, None, Some(&own)])).await;
    let check = async |line: &str, exit: i32, code: &str, detail: &str| {
        check(&platform, line, (exit, code, detail)).await;
    };
    ballot(&platform, "propose council --as acme suspend-member beta").await;
    check("vote council 1 yes --as acme", 4, "already_voted", "`acme`").await;
    check("vote council 1 yes --as gamma", 5, "member_key_absent", "`gamma`").await;
    by_hand(&platform, &mut own, "vote council 1 yes --as gamma").await;
    let decided: Proposal = platform.run(&["network", "proposal", "council", "1"]).await;
    assert_eq!(decided.state, ProposalState::Approved);
    check("vote council 1 no --as beta", 5, "member_suspended", "`beta`").await;
    check("propose council --as beta remove-member acme", 5, "member_suspended", "`beta`").await;
    check("vote council 1 no --as gamma --print", 4, "proposal_closed", "is approved").await;

    // What would fail now is warned of, and said when it failed.
    let words = ["network", "propose", "council", "--as", "acme", "suspend-member", "beta"];
    let accepted: Accepted = platform.run(&words).await;
    assert!(accepted.warnings[0].contains("is suspended already"), "{:?}", accepted.warnings);
    by_hand(&platform, &mut own, "vote council 2 yes --as gamma").await;
    let failed: Proposal = platform.run(&["network", "proposal", "council", "2"]).await;
    assert_eq!(failed.state, ProposalState::ActionFailed);
    let failure = failed.failure.expect("it says why");
    assert!(failure.message.contains("suspended already"), "{failure:?}");

    // A member that was removed is none, and old votes keep its name.
    ballot(&platform, "propose council --as acme remove-member beta").await;
    by_hand(&platform, &mut own, "vote council 3 yes --as gamma").await;
    check("vote council 3 no --as beta", 5, "not_a_member", "`beta`").await;
    let removed: Proposal = platform.run(&["network", "proposal", "council", "3"]).await;
    assert_eq!(removed.actions[0].words, "remove the member `beta` (id 2)");
    platform.destroy("council").await;
}

#[tokio::test]
async fn what_no_vote_decided_is_settled_by_any_member() {
    let platform = Platform::start().await;
    create(&platform, "council", &consortium([None; 3])).await;
    ballot(&platform, "propose council --as acme set gas-limit 60000000").await;
    let settle = "settle council 1 --as acme";
    check(&platform, settle, (4, "action_failed", "is not decided yet")).await;
    for (number, gone) in [(2, "beta"), (3, "gamma")] {
        ballot(&platform, &format!("propose council --as acme remove-member {gone}")).await;
        ballot(&platform, &format!("vote council {number} yes --as gamma")).await;
    }
    // One vote of the one member that is left, who cannot cast it again.
    check(&platform, "vote council 1 yes", (4, "already_voted", "`acme`")).await;
    let waiting: Proposal = platform.run(&["network", "proposal", "council", "1"]).await;
    assert_eq!(waiting.state, ProposalState::InProgress);
    let settled = ballot(&platform, "settle council 1").await;
    assert_eq!((settled.proposal.id, settled.proposal.state), (1, ProposalState::Approved));
    check(&platform, settle, (4, "proposal_closed", "approved")).await;
    platform.destroy("council").await;
}

/// A node whose process is gone, and kept from starting by what lies where its data should.
pub(crate) struct Down {
    data: PathBuf,
    kept: PathBuf,
}

impl Down {
    pub(crate) fn take(platform: &Platform, node: &Node) -> Self {
        let data = platform.workload(node.id.as_str()).join("data");
        let kept = data.with_extension("kept");
        fs::rename(&data, &kept).expect("it can be moved");
        fs::write(&data, "in the way").expect("a file can be written");
        world::kill(node.pid.expect("it runs"));
        Self { data, kept }
    }

    pub(crate) fn give_back(self) {
        fs::remove_file(&self.data).expect("it is still in the way");
        fs::rename(&self.kept, &self.data).expect("it can be moved");
    }
}

/// Waits until so many of the validators are missing, as the others say.
async fn missing(platform: &Platform, expect: &[&str]) {
    world::eventually("the others say who is missing", PATIENCE, async || {
        let all = validators(platform, "council").await;
        let gone: Vec<_> = all.iter().filter(|one| one.missing.is_some()).collect();
        let gone: Vec<_> = gone.iter().map(|one| one.name.as_str()).collect();
        (gone == expect).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_would_leave_no_quorum_is_refused_with_the_arithmetic_unless_a_vote_names_it() {
    let platform = Platform::start().await;
    create(&platform, "council", &consortium([None; 3])).await;
    let network = healthy(&platform, "council").await;
    // Of five validators four suffice; without beta's two, all three that are left have to be there.
    let down = Down::take(&platform, network.nodes.last().expect("there are five"));
    missing(&platform, &["validator-4"]).await;
    let proposed = ballot(&platform, "propose council --as acme suspend-member beta").await;
    assert_eq!(proposed.proposal.state, ProposalState::InProgress, "it decides nothing yet");
    let (vote, told) = ("vote council 1 yes --as gamma", "transaction_refused");
    let arithmetic = "this decides on 3 validators, of whom 3 must vote for each block, and only 2 \
                      are connected and up to date: the network would stand still. Missing: \
                      validator-4.";
    check(&platform, vote, (4, told, arithmetic)).await;
    let text =
        platform.cli_text(&["network", "vote", "council", "1", "yes", "--as", "gamma"]).await;
    assert!(text.stderr.contains(arithmetic) && text.stderr.contains("--force"), "{text:?}");
    let refused: Proposal = platform.run(&["network", "proposal", "council", "1"]).await;
    assert_eq!((refused.state, refused.votes.len()), (ProposalState::InProgress, 1));
    assert!(!refused.force);

    // The same by a vote that names it, and everybody who votes can read that.
    ballot(&platform, "propose council --as acme --force suspend-member beta").await;
    let shown = platform.cli_text(&["network", "proposal", "council", "2"]).await.stdout;
    assert!(shown.contains("the members accept that a quorum may be missing"), "{shown}");
    let decided = ballot(&platform, "vote council 2 yes --as gamma").await.proposal;
    assert_eq!((decided.state, decided.force), (ProposalState::Approved, true));
    // It was right: the network stands still until the third is back.
    let unavailable = |network: &Network| network.health == Health::Unavailable;
    platform.until("council", "it stands still", unavailable).await;
    let why = "2 of 3 validators connected, 3 needed; missing: validator-4 (not connected for ";
    world::eventually("the nodes say why", PATIENCE, async || {
        let text = platform.cli_text(&["network", "consensus", "council"]).await.stdout;
        text.contains(why).then_some(())
    })
    .await;
    down.give_back();
    let network = healthy(&platform, "council").await;
    let seated: Vec<_> = validators(&platform, "council").await;
    let voting: Vec<_> = seated.iter().filter(|one| one.voting == Some(true)).collect();
    let voting: Vec<_> = voting.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(voting, ["validator-0", "validator-1", "validator-4"]);
    let endpoint = Platform::endpoint(&network);
    let hash = Account::new(77_002).send(&endpoint, Call::default()).await;
    assert_eq!(endpoint.receipt(&hash).await["status"], "0x1");
    platform.destroy("council").await;
}

#[tokio::test]
async fn a_proposal_whose_time_is_over_takes_no_vote() {
    let platform = Platform::start().await;
    let terms = "[governance]\nmembership_threshold = 66\nproposal_lifetime_s = 3\n";
    create(&platform, "council", &format!("{}{terms}", consortium([None; 3]))).await;
    let parameters: NetworkParameters = platform.run(&["network", "parameters", "council"]).await;
    assert_eq!(parameters.proposal_lifetime_s, 3);
    assert_eq!((parameters.thresholds.membership, parameters.thresholds.parameters), (66, 50));
    ballot(&platform, "propose council --as acme suspend-member beta").await;
    world::eventually("its time is over", PATIENCE, async || {
        let found: Proposal = platform.run(&["network", "proposal", "council", "1"]).await;
        (found.state == ProposalState::Expired).then_some(())
    })
    .await;
    let vote = "vote council 1 yes --as gamma";
    check(&platform, vote, (4, "proposal_closed", "is expired")).await;
    // No block came since: it is the time that counts.
    let settled = ballot(&platform, "settle council 1 --as acme").await;
    assert_eq!(settled.proposal.state, ProposalState::Expired);
    // Keys that are none are refused before anybody votes.
    let key = "02".repeat(32);
    let propose = format!(
        "propose council --as acme add-validator acme ghost --node-key {key} --consensus-key {key}"
    );
    check(&platform, &propose, (2, "proposal_invalid", "no Ed25519 public key")).await;
    platform.destroy("council").await;
}

#[tokio::test]
async fn a_member_that_cannot_pay_is_told_before_anything_is_sent() {
    let platform = Platform::start().await;
    let mut rich = Account::new(77_003);
    let spec = format!(
        "chain_id = 77003\nvalidators = 1\nfees = {{ policy = \"eip1559\", floor_wei = 7 }}\n\
         [alloc.\"{:#x}\"]\nbalance = \"1000000000000000000\"\n",
        rich.address
    );
    create(&platform, "paid", &spec).await;
    let words = ["network", "propose", "paid", "set", "gas-limit", "60000000"];
    let (exit, poor) = platform.refused(&words).await;
    assert_eq!((exit, poor.code.as_str()), (4, "insufficient_balance"), "{poor:?}");
    assert!(poor.detail.contains("has 0 wei"), "{}", poor.detail);
    let members: Vec<NetworkMember> = platform.run(&["network", "members", "paid"]).await;
    let to = members[0].account.parse().expect("an address");
    let value = U256::from(1_000_000_000_000_000u64);
    let endpoint = Platform::endpoint(&platform.show("paid").await);
    let hash = rich.send(&endpoint, Call { to: Some(to), value, ..Call::default() }).await;
    endpoint.receipt(&hash).await;
    let decided = ballot(&platform, "propose paid set gas-limit 60000000").await;
    assert_eq!(decided.proposal.state, ProposalState::Approved, "its only member decides alone");
    platform.destroy("paid").await;
}

/// The request of a client that was cut off and asks again with the same key.
async fn post(platform: &Platform, reason: &str) -> Option<Value> {
    let url = format!("{}/v1/organizations/default/networks/one/proposals", platform.url);
    let action = json!({"action": "set_gas_limit", "gas_limit": 9_000_000});
    let request = reqwest::Client::new()
        .post(url)
        .bearer_auth(&platform.token)
        .header("idempotency-key", reason)
        .json(&json!({"reason": reason, "actions": [action]}));
    let response = request.send().await.ok()?;
    let accepted = response.status().as_u16() == 202;
    accepted.then_some(response.json().await.ok()?)
}

#[tokio::test]
async fn a_platform_killed_at_any_moment_sends_one_proposal() {
    let mut platform = Platform::start().await;
    let _created: Accepted = platform.run(&["network", "create", "one", "--validators", "1"]).await;
    let moments = [1u64, 10, 20, 30, 45, 60, 90, 150];
    for (count, milliseconds) in (1..).zip(moments) {
        let reason = format!("killed after {milliseconds} ms");
        let moment = Duration::from_millis(milliseconds);
        // It may be answered before, and is killed while it carries it out.
        drop(
            tokio::time::timeout(moment, async {
                drop(post(&platform, &reason).await);
                std::future::pending::<()>().await;
            })
            .await,
        );
        platform.crash().await;
        let accepted = world::eventually("the same request is accepted", PATIENCE, async || {
            post(&platform, &reason).await
        })
        .await;
        let id = accepted["operation"]["id"].as_str().expect("an operation").to_owned();
        let ended: Operation = platform.run(&["operation", "wait", &id]).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        let all = proposals(&platform, "one").await;
        assert_eq!(all.len(), count, "one proposal a request: {all:?}");
        assert_eq!(all[0].reason, reason);
    }
    platform.destroy("one").await;
}
