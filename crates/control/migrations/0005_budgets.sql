-- When the platform has to do something about a network's time to live next.
ALTER TABLE networks ADD COLUMN due_at_ms BIGINT;
CREATE INDEX networks_by_due ON networks (due_at_ms);

-- What an organization may have; null is what it may have unless said.
ALTER TABLE organizations ADD COLUMN quota TEXT;

-- What was used, by network and hour of the clock. It outlives the network.
CREATE TABLE usage (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    network_id TEXT NOT NULL,
    network_name TEXT NOT NULL,
    hour_ms BIGINT NOT NULL,
    cpu_ms BIGINT NOT NULL,
    memory_mib_ms BIGINT NOT NULL,
    disk_mib_ms BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (organization_id, hour_ms, network_id)
);

-- How far each network's meter has read: JSON.
CREATE TABLE meters (
    network_id TEXT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    reading TEXT NOT NULL
);
