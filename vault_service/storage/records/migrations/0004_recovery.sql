-- What officers did on the keys side, copied here: sessions die, floors rise, subjects see it.

-- How far this side has followed the keys log: the index of the next leaf to look at.
CREATE TABLE followed (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  generation integer NOT NULL DEFAULT 1,       -- of the keys log; another one after a restore
  next_index bigint NOT NULL DEFAULT 0 CHECK (next_index >= 0)
);
INSERT INTO followed DEFAULT VALUES;

-- Officers' actions that the subject is to see, some only after a while (where the law demands it).
CREATE TABLE officer_actions (
  user_id  uuid NOT NULL,
  event_id uuid NOT NULL,                      -- the same as in the keys log
  kind     smallint NOT NULL,
  at       timestamptz NOT NULL,
  digest   bytea,
  show_at  timestamptz NOT NULL,
  PRIMARY KEY (user_id, event_id)
);
CREATE INDEX officer_actions_by_time ON officer_actions (show_at);

GRANT SELECT, UPDATE (generation, next_index) ON followed TO vault_worker_records;
GRANT SELECT, INSERT, DELETE ON officer_actions TO vault_worker_records;

-- A ceremony that discloses reads one user's records with the key that the officers opened, and nothing else.
GRANT SELECT (user_id, tenant_id) ON users TO vault_disclosure;
GRANT SELECT (user_id, record_id, version, dek_id, collection_tag, sealed, created_at, updated_at)
  ON records TO vault_disclosure;
