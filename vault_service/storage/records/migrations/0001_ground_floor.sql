-- Records database: ciphertext, sessions and who touched what. Nothing here opens without a session's
-- secret or a password. Every growing table is keyed by user_id first, so that it can be distributed
-- by it; sign_ups is distributed by the app.

CREATE TABLE apps (                            -- names to show; the key service decides who is an app
  app_id uuid PRIMARY KEY,
  name   text NOT NULL
);

CREATE TABLE users (
  user_id    uuid PRIMARY KEY,
  tenant_id  uuid NOT NULL,
  epoch      bigint NOT NULL CHECK (epoch >= 1),  -- floor: sessions and unlocks below it are dead
  created_at timestamptz NOT NULL
);

-- A sign-up that has begun; kept for a day so that a retry finds the same user.
CREATE TABLE sign_ups (
  app_id     uuid NOT NULL,
  key_hash   bytea NOT NULL CHECK (octet_length(key_hash) = 32),
  user_id    uuid NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (app_id, key_hash)
);
CREATE INDEX sign_ups_by_age ON sign_ups (created_at);

CREATE TABLE sessions (
  user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  session_id  uuid NOT NULL,
  secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
  dek_id      uuid NOT NULL,
  dek_wrap    bytea NOT NULL CHECK (octet_length(dek_wrap) = 93),
  epoch       bigint NOT NULL,
  app_id      uuid NOT NULL,
  unlock_id   uuid NOT NULL,
  must_change boolean NOT NULL,
  created_at  timestamptz NOT NULL,
  last_seen   timestamptz NOT NULL,
  idle_s      integer NOT NULL CHECK (idle_s > 0),
  expires_at  timestamptz NOT NULL,
  PRIMARY KEY (user_id, session_id)
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE records (
  user_id        uuid NOT NULL REFERENCES users,
  record_id      uuid NOT NULL,
  version        bigint NOT NULL CHECK (version >= 1),
  dek_id         uuid NOT NULL,
  collection_tag bytea NOT NULL CHECK (octet_length(collection_tag) = 32),
  sealed         bytea NOT NULL,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  PRIMARY KEY (user_id, record_id)
);
CREATE INDEX records_by_collection ON records (user_id, collection_tag, record_id);

-- Blind index: HMACs under the user's own key.
CREATE TABLE record_tags (
  user_id   uuid NOT NULL,
  tag       bytea NOT NULL CHECK (octet_length(tag) = 32),
  record_id uuid NOT NULL,
  PRIMARY KEY (user_id, tag, record_id),
  FOREIGN KEY (user_id, record_id) REFERENCES records ON DELETE CASCADE
);
CREATE INDEX record_tags_by_record ON record_tags (user_id, record_id);

-- What a retry needs: an HMAC of the body and a sealed answer, both under the user's own key.
CREATE TABLE idempotency (
  user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  key_hash   bytea NOT NULL CHECK (octet_length(key_hash) = 32),
  body_mac   bytea NOT NULL CHECK (octet_length(body_mac) = 32),
  answer     bytea NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, key_hash)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- A change that spans both databases and has begun; the worker finishes what a crash left.
CREATE TABLE intents (
  user_id    uuid NOT NULL,
  intent_id  uuid NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('password', 'erase')),
  epoch      bigint NOT NULL,                  -- as it was when the change began
  created_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, intent_id)
);
CREATE INDEX intents_by_age ON intents (created_at, intent_id);

CREATE TABLE audit_events (
  user_id    uuid NOT NULL,
  event_id   uuid NOT NULL,
  kind       smallint NOT NULL,
  at         timestamptz NOT NULL,
  app_id     uuid,
  session_id uuid,
  unlock_id  uuid,
  record_id  uuid,
  n          integer NOT NULL DEFAULT 1,
  tx         xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (user_id, event_id)
);
CREATE INDEX audit_events_by_tx ON audit_events (tx);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_events
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER no_truncate;

-- Events are inserted without `tx`: whoever could choose it could keep an event from ever being sealed.
-- No row ever moves to another user: user_id is not among what may change.
GRANT SELECT, INSERT, DELETE ON users, sessions, records, record_tags TO vault_api;
GRANT UPDATE (epoch) ON users TO vault_api;
GRANT UPDATE (last_seen) ON sessions TO vault_api;
GRANT UPDATE (version, dek_id, collection_tag, sealed, updated_at) ON records TO vault_api;
GRANT SELECT, INSERT, UPDATE (name) ON apps TO vault_api;
GRANT SELECT, INSERT, DELETE ON intents, sign_ups, idempotency TO vault_api;
GRANT SELECT, INSERT (user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id, n)
  ON audit_events TO vault_api;

-- The worker ends and removes; it reads no wrap, no ciphertext, no secret's hash and no trail.
GRANT SELECT, UPDATE (epoch), DELETE ON users TO vault_worker_records;
GRANT SELECT (user_id, session_id, epoch, expires_at), DELETE ON sessions TO vault_worker_records;
GRANT SELECT (user_id, record_id), DELETE ON records TO vault_worker_records;
GRANT SELECT (user_id, key_hash, created_at), DELETE ON idempotency TO vault_worker_records;
GRANT SELECT, DELETE ON intents, sign_ups TO vault_worker_records;
GRANT INSERT (user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id, n)
  ON audit_events TO vault_worker_records;
