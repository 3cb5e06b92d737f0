-- Which request began an operation: its outcome's audit row names it too.
ALTER TABLE operations ADD COLUMN request_hash TEXT;
