// Objects of the API for tests: complete, and changed where a test says so.
import type { Network, NetworkMember, NetworkValidator, Node, Operation, Proposal } from "./api/types";

export function node(change: Partial<Node> = {}): Node {
  return { id: "node-0000000000000000", name: "validator-0", member: "default", role: "validator", state: "running", restarts: 0, ...change };
}

export function network(change: Partial<Network> = {}): Network {
  return {
    id: "net-0000000000000000",
    organization: "org-0000000000000000",
    name: "trade",
    state: "usable",
    intent: "running",
    health: "healthy",
    spec: {
      engine: "windlass",
      kind: "private",
      chain_id: 424242,
      gas_limit: 30_000_000,
      transaction_gas_cap: 16_777_216,
      contract_size_limit: 24_576,
      min_block_interval_ms: 100,
      epoch_length: 1000,
      fees: { policy: "free" },
      cors_origins: [],
      alloc: {},
      members: [{ organization: "default", validators: 4 }],
      node_limits: { memory_mib: 512, cpu_millis: 0 },
      sync: "fast",
      archive: false,
    },
    generation: 1,
    resource_version: 1,
    nodes: [0, 1, 2, 3].map((index) => node({ id: `node-${index}`, name: `validator-${index}` })),
    created_at_ms: 1_000,
    ...change,
  };
}

export function operation(change: Partial<Operation> = {}): Operation {
  return {
    id: "op-0000000000000000",
    organization: "org-0000000000000000",
    network: "net-0000000000000000",
    network_name: "trade",
    kind: "create",
    state: "running",
    steps: [
      { name: "keys", state: "pending" },
      { name: "processes", state: "pending" },
    ],
    created_at_ms: 1_000,
    ...change,
  };
}

export function member(change: Partial<NetworkMember> = {}): NetworkMember {
  return {
    id: 1,
    organization: "acme",
    account: "0x0000000000000000000000000000000000000001",
    endpoint: "",
    state: "active",
    key_held: true,
    validators: [],
    observers: [],
    ...change,
  };
}

export function validator(change: Partial<NetworkValidator> = {}): NetworkValidator {
  return {
    id: 1,
    name: "validator-0",
    member: { id: 1, organization: "acme" },
    state: "active",
    active: true,
    voting: true,
    node_key: "0a",
    consensus_key: "0b",
    endpoint: "",
    node_name: "validator-0",
    ...change,
  };
}

export function proposal(change: Partial<Proposal> = {}): Proposal {
  return {
    id: 1,
    proposer: { id: 1, organization: "acme" },
    actions: [{ words: "suspend the validator `validator-0` (id 1)" }],
    reason: "",
    force: false,
    state: "in_progress",
    votes: [{ member: { id: 1, organization: "acme" }, vote: "yes", cast_at_ms: 1_000 }],
    tally: {
      votes_for: 1,
      votes_against: 0,
      active_members: 3,
      threshold_percent: 50,
      needed_for: 2,
      needed_against: 2,
      arithmetic: "1 for and 0 against",
    },
    created_at_ms: 1_000,
    expires_at_ms: 90_000,
    ...change,
  };
}
