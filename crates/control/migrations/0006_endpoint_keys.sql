-- An endpoint has several keys, each with a name. `body` has what it allows, and its secrets: those that
-- were shown once as their SHA-256 only.
CREATE TABLE network_keys (
    network_id TEXT NOT NULL REFERENCES networks (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (network_id, name)
);
INSERT INTO network_keys (network_id, organization_id, name, body, created_at_ms)
SELECT network_id, organization_id, 'default',
    '{"scope":"send","secrets":[{"secret":{"shown":"' || secret || '"}}]}', created_at_ms
FROM endpoint_keys;
DROP TABLE endpoint_keys;
