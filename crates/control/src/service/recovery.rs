//! Export and recovery as the service offers them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use sha2::{Digest as _, Sha256};
use windlass_engine::{
    Engine, EngineError,
    recovery::{ExportPage, Judged, Recovery},
};
use windlass_model::{
    ErrorCode, KeyId, NodeId, Problem,
    api::Accepted,
    network::{Intent, OperationKind},
    recovery::{RecoverySignature, SignRecovery},
};

use crate::{
    governance::{open_at, stopped, unavailable},
    monitor::LiveNode,
    network::{
        ending,
        recovering::{self, Newer, Place},
        shelf,
    },
    operation::action_of,
    service::{
        Action, Answer, Control, EXPORTS, Granted, RequestMeta,
        mutate::{Outcome, check_version, recall},
        network_not_found,
    },
    store::{AuditEntry, Find, error::causes, rows::Record},
    world::{RpcError, Target, World, rpc},
};

pub use crate::network::recovering::Force;

/// How long a node has for a page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// What is added to a recovery id (0 or 1) in a signature of Ethereum's.
const V: u8 = 27;

/// The lines of an export as they come.
pub type Exporting = BoxStream<'static, Answer<Bytes>>;

/// A recovery file and an export that a client has sent; the export is a file of its own, and goes
/// with this value if nobody keeps it.
#[derive(Debug)]
pub struct Upload {
    /// The recovery file, as text.
    pub recovery: String,
    /// Where the export is.
    pub export: PathBuf,
}

impl Drop for Upload {
    fn drop(&mut self) {
        // It is gone already where it was kept, under another name.
        drop(std::fs::remove_file(&self.export));
    }
}

/// An export under way: where its pages come from, and what was written.
struct Course {
    world: World,
    engine: Arc<dyn Engine>,
    target: Target,
    hash: Sha256,
    counts: (u64, u64),
    next: Next,
}

enum Next {
    Page(Box<ExportPage>),
    Fetch(String),
    End,
    Over,
}

impl Control {
    /// Where the exports are that networks began with.
    pub(super) fn exports(&self) -> PathBuf {
        self.inner.settings.data_dir.join(EXPORTS)
    }

    /// A name for an export that a client sends.
    pub(crate) fn new_upload(&self) -> PathBuf {
        shelf::upload(&self.exports(), self.inner.world.random())
    }

    /// Streams the whole state of a network. The first page is fetched before this answers, so that
    /// a refusal is one; a later one ends the stream with an error.
    pub async fn export(&self, granted: &Granted, network: &str) -> Answer<Exporting> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        let record = self.awake(granted, record).await?;
        if record.network.intent != Intent::Running {
            return Err(stopped(&record));
        }
        let engine = Arc::clone(self.engine(&record)?);
        let recovery = recovery_of(&*engine, &record)?;
        let mut first = Err(unavailable(&record, "no node answers at the moment"));
        // One that has the newest block may not have all that shows it to be final.
        for target in self.inner.monitor.newest_nodes(&record.network.id) {
            first =
                page(&self.inner.world, recovery, &target, None).await.map(|page| (target, page));
            if first.is_ok() {
                break;
            }
        }
        let (target, first) = first?;
        let course = Course {
            world: self.inner.world.clone(),
            engine,
            target,
            hash: Sha256::new(),
            counts: (0, 0),
            next: Next::Page(Box::new(first)),
        };
        Ok(stream::unfold(course, |course| Box::pin(advance(course))).boxed())
    }

    /// Signs a recovery file for a member whose key is held here.
    pub async fn sign_recovery(
        &self,
        granted: &Granted,
        network: &str,
        request: SignRecovery,
        meta: RequestMeta,
    ) -> Answer<RecoverySignature> {
        let record = self.record(granted.allows(Action::Govern)?, network).await?;
        let engine = self.engine(&record)?;
        let agreement = recovery_of(&**engine, &record)?
            .agreement(&request.recovery)
            .map_err(|error| invalid(&error))?;
        let genesis = record.network.status.genesis_hash.as_deref().unwrap_or_default();
        if agreement.predecessor != genesis {
            let name = &record.network.name;
            return Err(Box::new(Problem::new(
                ErrorCode::RecoveryInvalid,
                format!(
                    "the file is about the network with genesis {}, and `{name}` has {genesis}",
                    agreement.predecessor
                ),
                "name the network that the file is of",
            )));
        }
        let (member, key, account) = signer(&record, request.member.as_deref())?;
        let signed = self.inner.world.keys.sign_hash(&key, agreement.digest).await;
        let mut signature = signed.map_err(|error| {
            let detail = format!("the key of `{member}` does not sign{}", causes(&error));
            Box::new(Problem::new(ErrorCode::DataDirectoryUnusable, detail, error.hint()))
        })?;
        signature[64] = signature[64].saturating_add(V);
        let mut change = self.inner.store.begin().await?;
        change
            .audit(&AuditEntry {
                organization: Some(&record.network.organization),
                at_ms: meta.now_ms,
                actor: granted.actor(),
                action: "network.sign_recovery",
                object: record.network.id.as_str(),
                request_hash: &meta.request_hash,
                outcome: "accepted",
            })
            .await?;
        change.commit("mutation").await?;
        let signature = format!("0x{}", hex::encode(signature));
        Ok(RecoverySignature { member, account, signature })
    }

    /// Has a network begin anew with its own state. Where it has done so already, this puts the export
    /// back that it began with, if that is not there any more, and takes signatures that were added: a
    /// node that would give up blocks of its own waits for those of all who have a say in that.
    pub async fn recover(
        &self,
        granted: &Granted,
        network: &str,
        (upload, force): (Upload, Force),
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let organization = granted.allows(Action::Change)?.clone();
        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        drop(change);
        let record = self.record(&organization, network).await?;
        let record = self.awake(granted, record).await?;
        recovering::check_now(&record)?;
        let engine = Arc::clone(self.engine(&record)?);
        let recovery = recovery_of(&*engine, &record)?;
        let agreed = recovery.agreement(&upload.recovery).map_err(|error| invalid(&error))?;
        // What is about another network is not even read.
        recovering::place(&record, &agreed.predecessor, &agreed.successor)?;
        let judged = judge(Arc::clone(&engine), &record, &upload).await?;
        let live = self.inner.monitor.nodes(&record.network.id);
        let kept = shelf::export(&self.exports(), &record.network.id, &judged.export);
        let place = recovering::place(&record, &judged.predecessor, &judged.genesis.hash)?;
        let newer = match (place, force) {
            (Place::Before, Force::Unanimous) => self.newer(&record, &live, &judged).await?,
            (Place::Before, Force::No) | (Place::After, _) => None,
        };
        let consent = (force, newer.as_ref());
        match place {
            Place::Before => recovering::check(&record, &live, &judged, consent)?,
            Place::After if recovering::is_more(&judged, &signers(recovery, &record)) => {}
            Place::After if shelf::holds(&kept, &judged.export).await => {
                return Err(recovering::done(&record));
            }
            Place::After => {}
        }
        keep(&upload.export, &kept).await?;

        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        let found = change.network(&organization, &Find::Id(record.network.id.clone())).await?;
        let before = found.ok_or_else(|| network_not_found(network))?;
        check_version(&before, &meta)?;
        ending::check(&before)?;
        let agreed = (&judged, &*upload.recovery, consent);
        let had = signers(recovery, &before);
        let (mut after, warnings) = decide((&before, &had), &live, agreed, meta.now_ms)?;
        self.begin(&mut change, &mut after, (granted.actor(), OperationKind::Recover)).await?;
        change.save(&before, &mut after, meta.now_ms).await?;
        let operation = after.operation.clone();
        if let Some(operation) = &operation {
            change.put_request(&operation.id, &meta.request_hash).await?;
        }
        let outcome = Outcome { record: after, operation, warnings };
        Box::pin(self.finish(change, granted, action_of(OperationKind::Recover), outcome, &meta))
            .await
    }

    /// Who the members are after the newest block that a node has, if that is not in the export.
    async fn newer(
        &self,
        record: &Record,
        live: &BTreeMap<NodeId, LiveNode>,
        judged: &Judged,
    ) -> Answer<Option<Newer>> {
        let ahead = recovering::ahead(record, live, judged);
        let Some(tip) = ahead.iter().map(|(_, tip)| *tip).max() else { return Ok(None) };
        let mut targets = self.inner.monitor.targets(&record.network.id);
        let newest = ahead.iter().filter(|(_, number)| *number == tip);
        let targets = newest.filter_map(|(node, _)| targets.remove(&node.id)).collect();
        let council = open_at(&self.inner.world, record, targets).await?;
        let roll = council.roll().await?;
        Ok(Some(Newer::new(council.head.block.number, &roll.members, judged)))
    }

    fn engine(&self, record: &Record) -> Answer<&Arc<dyn Engine>> {
        let engine = self.inner.world.engines.get(record.network.spec.engine);
        engine.ok_or_else(|| unavailable(record, "this platform does not have its engine"))
    }
}

fn recovery_of<'a>(engine: &'a dyn Engine, record: &Record) -> Answer<&'a dyn Recovery> {
    engine.recovery().ok_or_else(|| {
        Box::new(Problem::new(
            ErrorCode::RecoveryRefused,
            format!("networks of the engine of `{}` have no recovery", record.network.name),
            "use what its engine offers",
        ))
    })
}

/// The accounts whose signatures are in the file that a network began anew with.
fn signers(recovery: &dyn Recovery, record: &Record) -> BTreeSet<String> {
    let kept = record.network.status.succession.as_ref();
    let kept = kept.and_then(|kept| recovery.agreement(&kept.recovery).ok());
    kept.map(|kept| kept.accounts).unwrap_or_default()
}

/// What a recovery that is carried out makes of a network, and what it gives up.
fn decide(
    (before, had): (&Record, &BTreeSet<String>),
    live: &BTreeMap<NodeId, LiveNode>,
    (judged, recovery, consent): (&Judged, &str, (Force, Option<&Newer>)),
    now_ms: u64,
) -> Answer<(Record, Vec<String>)> {
    let mut after = before.clone();
    match recovering::place(before, &judged.predecessor, &judged.genesis.hash)? {
        Place::Before => {
            recovering::check(before, live, judged, consent)?;
            let (force, newer) = consent;
            recovering::apply(&mut after, judged, (recovery, force, newer), now_ms);
            Ok((after, recovering::losses(before, live, judged)))
        }
        Place::After => {
            recovering::check_now(before)?;
            if recovering::is_more(judged, had) {
                recovering::endorse(&mut after, judged, recovery);
            }
            recovering::retry(&mut after);
            Ok((after, Vec::new()))
        }
    }
}

/// The next piece of an export.
async fn advance(mut course: Course) -> Option<(Answer<Bytes>, Course)> {
    let next = std::mem::replace(&mut course.next, Next::Over);
    let engine = Arc::clone(&course.engine);
    let recovery = engine.recovery()?;
    let page = match next {
        Next::Over => return None,
        Next::End => {
            let sum: [u8; 32] = course.hash.clone().finalize().into();
            let end = recovery.end(course.counts.0, course.counts.1, sum) + "\n";
            return Some((Ok(Bytes::from(end)), course));
        }
        Next::Page(page) => *page,
        Next::Fetch(cursor) => {
            match page(&course.world, recovery, &course.target, Some(&cursor)).await {
                Ok(page) => page,
                Err(problem) => return Some((Err(problem), course)),
            }
        }
    };
    course.counts.0 += page.accounts;
    course.counts.1 += page.slots;
    course.next = page.next.map_or(Next::End, Next::Fetch);
    let mut text = String::new();
    for line in page.lines {
        text.push_str(&line);
        text.push('\n');
    }
    course.hash.update(text.as_bytes());
    Some((Ok(Bytes::from(text)), course))
}

/// Asks a node for a page.
async fn page(
    world: &World,
    recovery: &dyn Recovery,
    target: &Target,
    cursor: Option<&str>,
) -> Answer<ExportPage> {
    let request = recovery.page(cursor);
    let asked = (request.method, &request.params);
    let answer = rpc(&*world.wire, target, "/", asked, PAGE_TIMEOUT).await;
    let answer = answer.map_err(|error| match error {
        RpcError::Refused { message, .. } => Box::new(Problem::new(
            ErrorCode::NetworkBusy,
            format!("the node does not export: {message}"),
            "an export needs a chain that does not move meanwhile: send nothing, and try again",
        )),
        RpcError::Elsewhere { .. } | RpcError::Wire { .. } | RpcError::Status { .. } => {
            Box::new(Problem::new(
                ErrorCode::NetworkUnavailable,
                format!("the node does not answer: {error}{}", causes(&error)),
                "`windlass network show` says how its nodes do",
            ))
        }
    })?;
    recovery.read_page(&answer).map_err(|error| {
        let detail = format!("{error}{}", causes(&error));
        Box::new(Problem::new(ErrorCode::Internal, detail, "this is a defect: please report it"))
    })
}

/// The member that signs, its key and its account.
fn signer(record: &Record, member: Option<&str>) -> Answer<(String, KeyId, String)> {
    let held: Vec<(String, KeyId, String)> = record
        .accounts()
        .filter_map(|(name, account)| {
            Some((name.to_string(), account.key.clone()?, account.address.clone()?))
        })
        .collect();
    let absent = |detail: String| {
        let hint = "add `--print` to have what is signed printed for the tool that holds the key";
        Box::new(Problem::new(ErrorCode::MemberKeyAbsent, detail, hint))
    };
    if let Some(member) = member {
        let found = held.into_iter().find(|(name, _, _)| name == member);
        return found
            .ok_or_else(|| absent(format!("this platform does not hold the key of `{member}`")));
    }
    let names: Vec<&str> = held.iter().map(|(name, _, _)| name.as_str()).collect();
    match held.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(absent("this platform holds the key of no member".to_owned())),
        _ => Err(Box::new(Problem::new(
            ErrorCode::InvalidRequest,
            format!("this platform holds the keys of {} members", held.len()),
            format!("say which of them signs, with `--as`: {}", names.join(", ")),
        ))),
    }
}

/// Checks the files, on a thread of its own: a state is read and hashed.
async fn judge(engine: Arc<dyn Engine>, record: &Record, upload: &Upload) -> Answer<Judged> {
    recovery_of(&*engine, record)?;
    let (recovery, path) = (upload.recovery.clone(), upload.export.clone());
    let judged = tokio::task::spawn_blocking(move || {
        let mut export = BufReader::with_capacity(1 << 20, File::open(&path)?);
        // Whether it is empty, or can't be read at all, is told as what it is.
        export.fill_buf()?;
        let judged = engine.recovery().map(|one| one.judge(&recovery, &mut export));
        Ok::<_, std::io::Error>(judged)
    })
    .await;
    match judged {
        Ok(Ok(Some(judged))) => judged.map_err(|error| invalid(&error)),
        Ok(Ok(None)) => Err(unavailable(record, "its engine has no recovery")),
        Ok(Err(error)) => Err(unusable(&upload.export, &error)),
        Err(error) => Err(unusable(&upload.export, &std::io::Error::other(error))),
    }
}

async fn keep(from: &Path, to: &Path) -> Answer<()> {
    let kept = async {
        if let Some(directory) = to.parent() {
            tokio::fs::create_dir_all(directory).await?;
        }
        shelf::keep(from, to).await
    };
    kept.await.map_err(|error| unusable(to, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::DataDirectoryUnusable,
        format!("cannot use {}: {error}", path.display()),
        "see that the platform may write in its data directory, and that its disk has room",
    ))
}

fn invalid(error: &EngineError) -> Box<Problem> {
    let code = match error {
        EngineError::Export(_) => ErrorCode::ExportInvalid,
        EngineError::Genesis(_)
        | EngineError::Value { .. }
        | EngineError::Key(_)
        | EngineError::Configuration(_)
        | EngineError::Recovery(_)
        | EngineError::Answer { .. } => ErrorCode::RecoveryInvalid,
    };
    let detail = format!("{error}{}", causes(error));
    let hint = "`windlass network recovery show` says what the files are about";
    Box::new(Problem::new(code, detail, hint))
}
