-- Counts the changes of access keys and of settings of buckets, so that nodes
-- know when to read again what they have cached.
INSERT INTO counters (name, value) VALUES ('changes', 0);
