-- Proposals and votes on their way to a network, until their operation has ended.
CREATE TABLE ballots (
    operation_id TEXT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    network_id TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX ballots_by_time ON ballots (network_id, created_at_ms, operation_id);
