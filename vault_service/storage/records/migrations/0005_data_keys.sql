-- A user's data key may be changed: until every record is under the new one, sessions hold both.

ALTER TABLE sessions ADD COLUMN older_deks uuid[], ADD COLUMN older_wraps bytea[],
  ADD CONSTRAINT sessions_older CHECK (num_nulls(older_deks, older_wraps) <> 1
    AND cardinality(older_deks) = cardinality(older_wraps));
GRANT UPDATE (older_deks, older_wraps) ON sessions TO vault_api;

ALTER TABLE idempotency ADD COLUMN dek_id uuid;  -- that body_mac and answer are under; NULL: of before

ALTER TABLE intents DROP CONSTRAINT intents_kind_check,
  ADD CONSTRAINT intents_kind_check CHECK (kind IN ('password', 'erase', 'data-key'));
