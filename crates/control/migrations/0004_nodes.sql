-- When a node was added to a network that ran; null for those that the genesis has.
ALTER TABLE nodes ADD COLUMN added_at_ms BIGINT;
