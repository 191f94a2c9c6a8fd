-- Records side: what its witness cosigned last, and who may do what with the sealed log.

ALTER TABLE audit_events ADD COLUMN digest bytea;
GRANT INSERT (digest) ON audit_events TO vault_worker_records;

-- The heads of both logs that this side's worker cosigned last; it keeps the same in a file outside.
CREATE TABLE witnessed_heads (
  origin    text PRIMARY KEY,
  tree_size bigint NOT NULL CHECK (tree_size >= 0),
  note      text NOT NULL,
  at        timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE (tree_size, note, at) ON witnessed_heads TO vault_worker_records;

GRANT SELECT ON audit_leaves, audit_tiles, audit_tree, audit_checkpoints TO vault_api;

GRANT SELECT ON audit_events, audit_leaves, audit_tiles, audit_tree, audit_checkpoints,
                audit_outbox, audit_dead_letters TO vault_worker_records;
GRANT INSERT ON audit_leaves, audit_tiles, audit_checkpoints, audit_outbox, audit_dead_letters
  TO vault_worker_records;
GRANT UPDATE (hashes) ON audit_tiles TO vault_worker_records;
GRANT UPDATE (size, last_tx, last_user_id, last_event_id, cluster) ON audit_tree TO vault_worker_records;
GRANT UPDATE (note, covers_until) ON audit_checkpoints TO vault_worker_records;
GRANT UPDATE (next_index, failures, not_before, last_error, updated_at) ON audit_outbox
  TO vault_worker_records;

GRANT SELECT ON audit_events, audit_leaves, audit_tiles, audit_tree, audit_checkpoints,
                audit_outbox, audit_dead_letters, witnessed_heads TO vault_auditor_records;
