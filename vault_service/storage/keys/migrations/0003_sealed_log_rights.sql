-- Keys side: what the key service signed last, and who may do what with the sealed log.

-- The key service's memory of heads, of both logs; it keeps the same in a file outside the database.
CREATE TABLE signed_heads (
  log        text NOT NULL CHECK (log IN ('keys', 'records')),
  generation integer NOT NULL CHECK (generation >= 1),   -- one more with each accepted restore
  tree_size  bigint NOT NULL CHECK (tree_size >= 0),
  note       text NOT NULL,
  signed_at  timestamptz NOT NULL,
  PRIMARY KEY (log, generation)
);
GRANT SELECT, INSERT, UPDATE (tree_size, note, signed_at) ON signed_heads TO vault_kms;

GRANT SELECT ON audit_leaves, audit_tiles, audit_tree, audit_checkpoints TO vault_kms;

GRANT SELECT ON audit_events, audit_leaves, audit_tiles, audit_tree, audit_checkpoints,
                audit_outbox, audit_dead_letters TO vault_worker_keys;
GRANT INSERT ON audit_leaves, audit_tiles, audit_checkpoints, audit_outbox, audit_dead_letters
  TO vault_worker_keys;
GRANT UPDATE (hashes) ON audit_tiles TO vault_worker_keys;
GRANT UPDATE (size, last_tx, last_user_id, last_event_id, cluster) ON audit_tree TO vault_worker_keys;
GRANT UPDATE (note, covers_until) ON audit_checkpoints TO vault_worker_keys;
GRANT UPDATE (next_index, failures, not_before, last_error, updated_at) ON audit_outbox TO vault_worker_keys;

GRANT SELECT ON audit_events, audit_leaves, audit_tiles, audit_tree, audit_checkpoints,
                audit_outbox, audit_dead_letters, signed_heads, manifests TO vault_auditor_keys;
