// The API's nouns under short names. The shapes come from openapi.json alone.
export type EngineName = "windlass";
export type NetworkKind = "private" | "consortium";
export type Fees = { policy: "free" } | { policy: "eip1559"; floor_wei?: number };
export interface Allocation { balance: string; nonce?: number; code?: string | null; storage?: Record<string, string> }
export interface Member { organization: string; validators: number }
export interface NodeLimits { memory_mib?: number; cpu_millis?: number }
export interface NetworkSpec {
  engine: EngineName; kind: NetworkKind; chain_id: number; gas_limit: number; transaction_gas_cap: number;
  contract_size_limit: number; min_block_interval_ms: number; epoch_length: number; fees: Fees;
  cors_origins: string[]; alloc: Record<string, Allocation>; members: Member[]; node_limits: NodeLimits;
}
export interface Manifest {
  name?: string | null; engine?: EngineName; kind?: NetworkKind; chain_id?: number | null; gas_limit?: number | null;
  transaction_gas_cap?: number | null; contract_size_limit?: number | null; min_block_interval_ms?: number | null;
  epoch_length?: number | null; fees?: Fees; cors_origins?: string[] | null; alloc?: Record<string, Allocation> | null;
  validators?: number | null; members?: Member[] | null; node_limits?: NodeLimits;
}
export type NetworkState = "declared" | "creating" | "usable" | "stopping" | "stopped" | "starting" | "destroying" | "gone";
export type Intent = "running" | "stopped" | "destroyed";
export type Health = "unknown" | "healthy" | "degraded" | "unavailable";
export interface Reason { code: string; message: string; remedy: string; since_ms: number }
export interface BlockRef { number: number; hash: string }
export type NodeState = "declared" | "starting" | "running" | "stopped" | "failed";
export interface Node {
  id: string; name: string; member: string; role: "validator"; state: NodeState; pid?: number | null;
  started_at_ms?: number | null; tip?: BlockRef | null; resident_bytes?: number | null;
  connected_validators?: number | null; restarts: number; answered_at_ms?: number | null;
  node_key?: string | null; consensus_key?: string | null; address?: string | null; reason?: Reason | null;
}
export interface NodeEvidence { node: string; node_key: string; consensus_key: string; first_block: BlockRef }
export interface StepTiming { step: string; milliseconds: number }
export interface Evidence {
  chain_id: number; genesis_hash: string; nodes: NodeEvidence[]; test_transaction: string; test_block: BlockRef;
  endpoint: string; endpoint_block: number; steps: StepTiming[];
}
export interface Network {
  id: string; organization: string; name: string; state: NetworkState; intent: Intent; health: Health;
  reason?: Reason | null; spec: NetworkSpec; generation: number; resource_version: number;
  genesis_hash?: string | null; endpoint?: string | null; tip?: BlockRef | null; nodes: Node[];
  evidence?: Evidence | null; operation?: string | null; created_at_ms: number; answered_at_ms?: number | null;
}
export type OperationKind = "create" | "stop" | "start" | "destroy" | "update";
export type OperationState = "running" | "succeeded" | "failed" | "superseded";
export interface Step { name: string; state: "pending" | "running" | "done"; started_at_ms?: number | null; finished_at_ms?: number | null; detail?: string | null }
export interface Released { kind: string; name: string; owner: string; verified: string; released_at_ms: number }
export interface ReleaseReceipt { network: string; name: string; requested_at_ms: number; completed_at_ms: number; released: Released[] }
export interface Operation {
  id: string; organization: string; network: string; network_name: string; kind: OperationKind; state: OperationState;
  steps: Step[]; reason?: Reason | null; evidence?: Evidence | null; receipt?: ReleaseReceipt | null;
  created_at_ms: number; finished_at_ms?: number | null;
}
export interface Page<T> { items: T[]; next_cursor?: string | null }
export interface Accepted { network: Network; operation?: Operation | null; warnings?: string[] }
export interface PlatformStatus {
  version: string; pid: number; url: string; gateway_url?: string | null; gateway_pid?: number | null; data_dir: string;
  started_at_ms: number; networks: number; running_nodes: number;
}
export interface TransactionSummary { hash: string; from: string; to?: string | null; value: string }
export interface BlockSummary { number: number; hash: string; timestamp_ms: number; gas_used: number; transactions: TransactionSummary[] }
export interface Location { file?: string | null; line?: number | null; column?: number | null; field?: string | null }
export interface Problem { type: string; title: string; status: number; detail: string; code: string; hint: string; location?: Location | null }
export type EventBody =
  | { kind: "network"; network: Network }
  | { kind: "network_gone"; network: string }
  | { kind: "operation"; operation: Operation }
  | { kind: "tip"; network: string; tip: BlockRef };
export type Event = { id?: number | null; at_ms: number } & EventBody;
