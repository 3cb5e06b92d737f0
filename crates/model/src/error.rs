//! Errors that a user meets: one code each, what was wrong, and what to do.
//!
//! The code is the contract: scripts match on it, `docs/errors/<code>.md` explains it. Over HTTP an
//! error is a problem document of RFC 9457; on a terminal it is the same three things in three lines.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = ($code:literal, $status:literal, $title:literal, $exit:ident);)*) => {
        /// Every error code of the platform. The text form is the variant in snake case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// All codes, for the test that each has its page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as scripts see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status of a response with this code.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What the code means, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What the `windlass` command exits with.
            pub fn exit(self) -> Exit {
                match self { $(Self::$variant => Exit::$exit,)* }
            }
        }
    };
}

/// Exit codes of the `windlass` command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 1: it failed for a reason of its own.
    Failed,
    /// 2: the input was wrong.
    Input,
    /// 3: what was named does not exist.
    Absent,
    /// 4: it conflicts with what exists or is under way.
    Conflict,
    /// 5: who asks may not, or is not known.
    Denied,
    /// 6: the platform cannot be reached, or something that it needs can't.
    Unavailable,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Input => 2,
            Self::Absent => 3,
            Self::Conflict => 4,
            Self::Denied => 5,
            Self::Unavailable => 6,
        }
    }
}

codes! {
    /// The request is not of the form that the endpoint takes.
    InvalidRequest = ("invalid_request", 400, "the request is malformed", Input);
    /// A spec has an unknown field, a wrong type or a value out of range.
    InvalidSpec = ("invalid_spec", 422, "the spec is not valid", Input);
    /// A name breaks the rule for names.
    InvalidName = ("invalid_name", 422, "the name is not valid", Input);
    /// The change is not one that a running network can take.
    ImmutableField = ("immutable_field", 422, "the field cannot be changed", Input);
    /// The organization has something of that name.
    NameTaken = ("name_taken", 409, "the name is taken", Conflict);
    /// Another network of this installation has that chain id.
    ChainIdTaken = ("chain_id_taken", 409, "the chain id is taken", Conflict);
    /// The nodes asked for do not fit the machine.
    InsufficientMemory = ("insufficient_memory", 422, "the network does not fit this machine", Input);
    /// The network has more validators than the machine's processors can serve.
    InsufficientProcessors = ("insufficient_processors", 422, "the network is too large for this machine's processors", Input);
    /// The network would have more nodes than one may have.
    TooManyNodes = ("too_many_nodes", 422, "the network would have too many nodes", Input);
    /// The member would have more observers than one may have.
    TooManyObservers = ("too_many_observers", 422, "the member would have too many observers", Input);
    /// The node is a validator's that votes.
    NodeVotes = ("node_votes", 409, "the node votes", Conflict);
    /// Without the node, or the nodes, no quorum would be left.
    QuorumAtRisk = ("quorum_at_risk", 409, "no quorum would be left", Conflict);
    /// The organization is not known.
    OrganizationNotFound = ("organization_not_found", 404, "no such organization", Absent);
    /// The organization has no such network.
    NetworkNotFound = ("network_not_found", 404, "no such network", Absent);
    /// The network has no such node.
    NodeNotFound = ("node_not_found", 404, "no such node", Absent);
    /// The network's endpoint has no such key.
    KeyNotFound = ("key_not_found", 404, "no such key", Absent);
    /// The network's endpoint would have more keys than one may have.
    TooManyKeys = ("too_many_keys", 422, "the network would have too many keys", Input);
    /// The organization has no such operation.
    OperationNotFound = ("operation_not_found", 404, "no such operation", Absent);
    /// The network has no such member.
    MemberNotFound = ("member_not_found", 404, "no such member", Absent);
    /// The network has no such validator.
    ValidatorNotFound = ("validator_not_found", 404, "no such validator", Absent);
    /// The network has no such proposal.
    ProposalNotFound = ("proposal_not_found", 404, "no such proposal", Absent);
    /// The path is not one of the API's.
    RouteNotFound = ("route_not_found", 404, "no such path", Absent);
    /// The path does not take the method.
    MethodNotAllowed = ("method_not_allowed", 405, "the path does not take this method", Input);
    /// No credential, or one that is not known.
    Unauthenticated = ("unauthenticated", 401, "authentication is needed", Denied);
    /// The one-time login link is spent, expired or wrong.
    LoginLinkInvalid = ("login_link_invalid", 401, "the login link is not valid", Denied);
    /// The credential does not allow the action.
    Forbidden = ("forbidden", 403, "not allowed", Denied);
    /// The `Host` header names another host.
    HostRefused = ("host_refused", 421, "the host is not served here", Denied);
    /// The `Origin` header names another site.
    OriginRefused = ("origin_refused", 403, "the origin is not allowed", Denied);
    /// This platform does not hold the key of the member's account.
    MemberKeyAbsent = ("member_key_absent", 403, "the member's key is not held here", Denied);
    /// Who would propose or vote is no member of the network.
    NotAMember = ("not_a_member", 403, "not a member of the network", Denied);
    /// The member is suspended.
    MemberSuspended = ("member_suspended", 403, "the member is suspended", Denied);
    /// The member has voted on the proposal.
    AlreadyVoted = ("already_voted", 409, "the member has voted on it", Conflict);
    /// No more votes are taken on the proposal.
    ProposalClosed = ("proposal_closed", 409, "the proposal takes no votes", Conflict);
    /// The proposal is one that could never be executed.
    ProposalInvalid = ("proposal_invalid", 422, "the proposal is not valid", Input);
    /// An action of a proposal can't be executed as the network is.
    ActionFailed = ("action_failed", 409, "the action cannot be executed", Conflict);
    /// An account can't pay for its transaction.
    InsufficientBalance = ("insufficient_balance", 409, "the account cannot pay for it", Conflict);
    /// A node refused a transaction, or it did not come into a block.
    TransactionRefused = ("transaction_refused", 409, "the transaction was refused", Conflict);
    /// Somebody changed the object in between.
    VersionConflict = ("version_conflict", 409, "the object has changed since", Conflict);
    /// The network's state, or an operation under way, does not allow the action.
    NetworkBusy = ("network_busy", 409, "the network cannot do that now", Conflict);
    /// What was to live as long as somebody holds its lease has no holder.
    LeaseNotHeld = ("lease_not_held", 409, "nobody holds the lease", Conflict);
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused = ("idempotency_key_reused", 409, "the idempotency key was used for another request", Conflict);
    /// The body is larger than the endpoint takes.
    PayloadTooLarge = ("payload_too_large", 413, "the body is too large", Input);
    /// As much of this is under way as there may be at once.
    TooManyRequests = ("too_many_requests", 429, "too much of this is under way", Unavailable);
    /// More was asked than the rate of the key, or of the organization, allows.
    RateLimited = ("rate_limited", 429, "the rate of the key or the organization is used up", Unavailable);
    /// The network is not running.
    NetworkStopped = ("network_stopped", 409, "the network is stopped", Conflict);
    /// The network's time is over.
    NetworkEnded = ("network_ended", 409, "the network's time is over", Conflict);
    /// The organization has as much as it may have.
    QuotaExceeded = ("quota_exceeded", 403, "the organization's quota is used up", Denied);
    /// The network sleeps until somebody asks it for something.
    NetworkSleeping = ("network_sleeping", 409, "the network sleeps", Conflict);
    /// No node of the network answers.
    NetworkUnavailable = ("network_unavailable", 503, "no node answers", Unavailable);
    /// The operation came to its end without success.
    OperationFailed = ("operation_failed", 500, "the operation failed", Failed);
    /// The operation is not finished within the time that the caller waits.
    OperationTimeout = ("operation_timeout", 504, "the operation takes longer", Unavailable);
    /// A process did not start, or ended before it was ready.
    WorkloadFailed = ("workload_failed", 500, "a process did not start", Failed);
    /// A TCP port is taken.
    PortInUse = ("port_in_use", 409, "the port is in use", Conflict);
    /// No space is left on the disk.
    DiskFull = ("disk_full", 507, "the disk is full", Unavailable);
    /// The kernel ended a process for want of memory.
    OutOfMemory = ("out_of_memory", 507, "a node had no memory left", Unavailable);
    /// What a node has stored is not what it wrote.
    LedgerDamaged = ("ledger_damaged", 500, "a node's ledger is damaged", Failed);
    /// The mutation's audit row cannot be written.
    AuditUnavailable = ("audit_unavailable", 503, "the audit log cannot be written", Unavailable);
    /// The store cannot be read or written.
    StoreUnavailable = ("store_unavailable", 503, "the store does not answer", Unavailable);
    /// The data directory cannot be used as it is.
    DataDirectoryUnusable = ("data_directory_unusable", 500, "the data directory cannot be used", Failed);
    /// The data directory was written by a newer version.
    DataDirectoryNewer = ("data_directory_newer", 500, "the data directory is of a newer version", Failed);
    /// A platform runs on the data directory.
    PlatformRunning = ("platform_running", 409, "a platform runs already", Conflict);
    /// No platform was found.
    PlatformNotRunning = ("platform_not_running", 503, "no platform is running", Unavailable);
    /// A proof does not hold, or is none.
    ProofInvalid = ("proof_invalid", 422, "the proof does not hold", Input);
    /// The network's chain has nothing that could be proven, or the node asked can't prove it yet.
    NotProvable = ("not_provable", 404, "there is nothing to prove", Absent);
    /// An export does not hold, or is another network's.
    ExportInvalid = ("export_invalid", 422, "the export does not hold", Input);
    /// A recovery file is none, or not of this network and export.
    RecoveryInvalid = ("recovery_invalid", 422, "the recovery file does not hold", Input);
    /// Too few members agreed, or nothing is lost.
    RecoveryRefused = ("recovery_refused", 409, "the network is not to be recovered", Conflict);
    /// A defect of the platform.
    Internal = ("internal", 500, "an internal error", Failed);
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where in a user's file something is wrong. Lines and columns count from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Location {
    /// The file, as the user named it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// The line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<usize>,
    /// The field's path, such as `fees.policy`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
}

/// A problem document of RFC 9457, with `code` and `hint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The page of the code: `/errors/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time.
    pub detail: String,
    /// The code.
    pub code: ErrorCode,
    /// What to do.
    pub hint: String,
    /// Where in the input, if it was the input.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<Location>,
}

impl Problem {
    /// A problem: its code, what was wrong this time, and what to do.
    pub fn new(code: ErrorCode, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind: format!("/errors/{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.http_status(),
            detail: detail.into(),
            code,
            hint: hint.into(),
            location: None,
        }
    }

    /// The same problem, with the place in the input.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_code_is_its_json() {
        for code in ErrorCode::ALL {
            let json = serde_json::to_string(code).expect("a unit variant serializes");
            assert_eq!(json, format!("\"{code}\""));
        }
    }
}
