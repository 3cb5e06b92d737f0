-- The subset that SQLite and PostgreSQL share: TEXT and BIGINT, no defaults that differ.
-- Times are Unix milliseconds. JSON is TEXT. Every object belongs to an organization.

CREATE TABLE platform (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);

CREATE TABLE counters (
    name TEXT PRIMARY KEY NOT NULL,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('outbox', 0), ('audit', 0);

CREATE TABLE organizations (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE networks (
    id TEXT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    engine TEXT NOT NULL,
    chain_id BIGINT NOT NULL UNIQUE,
    intent TEXT NOT NULL,
    state TEXT NOT NULL,
    generation BIGINT NOT NULL,
    resource_version BIGINT NOT NULL,
    operation_id TEXT,
    spec TEXT NOT NULL,
    status TEXT NOT NULL,
    genesis TEXT,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (organization_id, name)
);

CREATE TABLE nodes (
    id TEXT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    network_id TEXT NOT NULL REFERENCES networks (id),
    ordinal BIGINT NOT NULL,
    name TEXT NOT NULL,
    member TEXT NOT NULL,
    status TEXT NOT NULL,
    UNIQUE (network_id, ordinal)
);

CREATE TABLE ports (
    port BIGINT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    network_id TEXT NOT NULL REFERENCES networks (id),
    node_id TEXT NOT NULL REFERENCES nodes (id),
    name TEXT NOT NULL,
    UNIQUE (node_id, name)
);

CREATE TABLE keys (
    id TEXT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    network_id TEXT NOT NULL REFERENCES networks (id),
    node_id TEXT NOT NULL REFERENCES nodes (id),
    purpose TEXT NOT NULL,
    public_key TEXT,
    UNIQUE (node_id, purpose)
);

CREATE TABLE endpoint_keys (
    secret TEXT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    network_id TEXT NOT NULL REFERENCES networks (id),
    created_at_ms BIGINT NOT NULL
);

-- An operation outlives its network: its receipt is the last thing known of it.
CREATE TABLE operations (
    id TEXT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    network_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX operations_by_time ON operations (organization_id, created_at_ms, id);

-- Only ever inserted into.
CREATE TABLE audit (
    id BIGINT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    outcome TEXT NOT NULL
);

-- What changed, in the order of the commits; a reader looks the object up as it is now.
CREATE TABLE outbox (
    id BIGINT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);

CREATE TABLE idempotency (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    response TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (organization_id, key)
);

-- Login codes and sessions are known by the SHA-256 of their secret.
CREATE TABLE login_codes (
    hash TEXT PRIMARY KEY NOT NULL,
    organizations TEXT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);

CREATE TABLE sessions (
    hash TEXT PRIMARY KEY NOT NULL,
    id TEXT NOT NULL,
    organizations TEXT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);
