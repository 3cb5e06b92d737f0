//! A node that its network has let in, and that floods it: what tests have the others bear.
//!
//! `flood DIRECTORY KIND` goes by the identity of the node whose directory it is, until it is killed, and
//! makes the file `floods` there when it has begun. It
//! sends everybody the largest messages that there are on a channel (votes, certificates, resolver, blocks,
//! backfill, tips, transactions, or state, with questions between them), or small questions whose answers
//! are large (codes, for the governance contract's code again and again, or a number, for that block).

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf, time::Duration};

use alloy_primitives::{B256, keccak256};
use bytes::Bytes;
use commonware_p2p::{Recipients, Sender as _};
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _, tokio as runtime};
use windlass_chain::{genesis::Genesis, sync::Request};
use windlass_keys::vault::Vault;
use windlass_node::{
    config::NodeConfig,
    consensus::{
        max_message_size,
        peers::{Contact, Peers},
        signer::{HandleSigner, public_key},
        steady::{Steadied, Steady, Wall},
    },
    diagnosis::Diagnosis,
    p2p::{self, ColdStart, Roll},
    sync::Message,
};

/// Between two messages: twice as often as p2p lets most channels carry any.
const EVERY: Duration = Duration::from_millis(4);
/// How many hashes a question has.
const HASHES: usize = 256;
/// A request of marshal's: its number, that it is one, for a final block; its height follows, in a byte.
const FINAL_BLOCK: [u8; 10] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Who floods, and whom.
struct Flood {
    config: NodeConfig,
    signer: HandleSigner,
    genesis: Genesis,
    files: PathBuf,
    /// Made when the first message is on its way to somebody.
    begun: PathBuf,
    kind: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(kind)) = (arguments.next(), arguments.next()) else {
        return Err("flood DIRECTORY KIND".into());
    };
    let directory = PathBuf::from(directory);
    let config = NodeConfig::load(&directory.join("files/node.toml"))?;
    let genesis = Genesis::parse(&fs::read(directory.join("files/genesis.json"))?)?;
    let key = Vault::open(&config.vault)?.ed25519(&config.node_key.parse()?)?;
    let signer = HandleSigner::new(key).ok_or("its node key is no key")?;
    let (files, begun) = (directory.join("flood"), directory.join("floods"));
    Flood { config, signer, genesis, files, begun, kind }.run()
}

impl Flood {
    fn run(self) -> Result<(), Box<dyn Error>> {
        let settings = runtime::Config::new()
            .with_worker_threads(1)
            .with_tcp_nodelay(Some(true))
            .with_storage_directory(self.files.clone());
        runtime::Runner::new(settings).start(|context| async move { self.pour(context).await })
    }

    async fn pour(self, context: runtime::Context) -> Result<(), Box<dyn Error>> {
        let steady = Steadied::new(context.child("steady"), Steady::of_the_system(&context));
        let told = (Wall::of(&context), Diagnosis::new(B256::ZERO));
        let roll = self.roll();
        let network = p2p::open(&steady, &self.config, self.signer.clone(), roll, told).await?;
        let channels = network.channels;
        let (mut sender, _listens) = match self.kind.as_str() {
            "votes" => channels.votes,
            "certificates" => channels.certificates,
            "resolver" => channels.resolver,
            "blocks" => channels.blocks,
            "backfill" => channels.backfill,
            "tips" => channels.tips,
            "transactions" => channels.transactions,
            "state" | "codes" => channels.state,
            other if other.parse::<u8>().is_ok() => channels.backfill,
            other => return Err(format!("there is no flood of {other}").into()),
        };
        let largest = usize::try_from(max_message_size())?;
        let zeros = |begin: &[u8]| Bytes::from([begin, &vec![0; largest - begin.len()]].concat());
        // An answer to nothing; for all but the state the first byte is the epoch that a vote is of.
        let large: Vec<Bytes> = match self.kind.as_str() {
            "state" => vec![zeros(&[0, 0, 0, 0, 0, 0, 0, 0, 1]), self.codes()],
            "codes" => vec![self.codes()],
            other if let Ok(height) = other.parse::<u8>() => {
                vec![[FINAL_BLOCK.as_slice(), &[height]].concat().into()]
            }
            _ => (0..8).map(|epoch| zeros(&[epoch])).collect(),
        };
        let mut floods = false;
        for message in large.iter().cycle() {
            let reached = sender.send(Recipients::All, message.clone(), false);
            if !floods && !reached.is_empty() {
                fs::write(&self.begun, self.kind.as_bytes())?;
                floods = true;
            }
            context.sleep(EVERY).await;
        }
        Ok(())
    }

    /// A question for the longest code that there is, many times.
    fn codes(&self) -> Bytes {
        let accounts = self.genesis.accounts();
        let longest = accounts.values().map(|account| &account.code).max_by_key(|code| code.len());
        let hash = longest.map(keccak256).unwrap_or_default();
        Message::Ask(0, Request::Codes { hashes: vec![hash; HASHES] }).encode()
    }

    /// The validators of the genesis, whom it dials.
    fn roll(&self) -> Roll {
        let validators = self.genesis.validators().zip(0..).filter_map(|(one, id)| {
            let node_key = public_key(&one.node_key.0)?;
            Some(Contact { node_key, endpoint: one.endpoint.clone(), validator: Some(id) })
        });
        Roll {
            genesis: self.genesis.hash(),
            first: self.genesis.validators().map(|one| one.node_key).collect(),
            founders: BTreeMap::new(),
            now: Peers { validators: validators.collect(), ..Peers::default() },
            start: ColdStart::No,
        }
    }
}
