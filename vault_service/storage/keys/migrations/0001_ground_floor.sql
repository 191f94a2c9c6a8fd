-- Keys database: who has which wrap. No name, no password hash, no key in the clear stands here.
-- Every growing table is keyed by user_id first, so that it can be distributed by it; logins and
-- guesses are distributed by the login's index instead.

CREATE TABLE tenants (
  tenant_id  uuid PRIMARY KEY,
  name       text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL
);

CREATE TABLE apps (
  app_id     uuid PRIMARY KEY,
  tenant_id  uuid NOT NULL REFERENCES tenants,
  name       text NOT NULL,
  created_at timestamptz NOT NULL,
  revoked_at timestamptz,
  UNIQUE (tenant_id, name)
);

CREATE TABLE app_keys (
  app_id      uuid NOT NULL REFERENCES apps,
  key_id      uuid NOT NULL,
  secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
  created_at  timestamptz NOT NULL,
  expires_at  timestamptz,
  PRIMARY KEY (app_id, key_id)
);

-- Which user a login belongs to; the index is an HMAC made in the token.
CREATE TABLE logins (
  login_index     bytea PRIMARY KEY CHECK (octet_length(login_index) = 32),
  login_index_gen integer NOT NULL,
  user_id         uuid NOT NULL
);

CREATE TABLE users (
  user_id         uuid PRIMARY KEY,
  tenant_id       uuid NOT NULL,
  dek_id          uuid NOT NULL,
  epoch           bigint NOT NULL CHECK (epoch >= 1),
  login_index     bytea NOT NULL CHECK (octet_length(login_index) = 32),
  login_index_gen integer NOT NULL,
  pepper_gen      integer NOT NULL,            -- of the sealed login
  sealed_login    bytea NOT NULL,
  created_at      timestamptz NOT NULL
);

-- The one current credential of a user: the primary key allows no second, the foreign keys demand one.
CREATE TABLE credentials (
  user_id        uuid PRIMARY KEY,
  credential_id  uuid NOT NULL,
  kind           text NOT NULL CHECK (kind IN ('password')),
  dek_id         uuid NOT NULL,
  epoch          bigint NOT NULL,
  kdf_memory_kib integer NOT NULL,
  kdf_iterations integer NOT NULL,
  kdf_lanes      integer NOT NULL,
  salt           bytea NOT NULL CHECK (octet_length(salt) = 16),
  pepper_gen     integer NOT NULL,
  wrap           bytea NOT NULL CHECK (octet_length(wrap) = 154),
  must_change    boolean NOT NULL DEFAULT false,
  used_at        timestamptz,
  created_at     timestamptz NOT NULL,
  UNIQUE (user_id, epoch, dek_id),
  FOREIGN KEY (user_id) REFERENCES users DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE deks (
  user_id    uuid NOT NULL,
  dek_id     uuid NOT NULL,
  dek_check  bytea NOT NULL CHECK (octet_length(dek_check) = 32),
  escrow_gen integer NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, dek_id),
  FOREIGN KEY (user_id) REFERENCES users DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE escrow_wraps (
  user_id    uuid NOT NULL,
  dek_id     uuid NOT NULL,
  escrow_gen integer NOT NULL,
  pepper_gen integer NOT NULL,
  wrap       bytea NOT NULL CHECK (octet_length(wrap) = 174),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, dek_id, escrow_gen),
  FOREIGN KEY (user_id, dek_id) REFERENCES deks DEFERRABLE INITIALLY DEFERRED
);

ALTER TABLE users
  ADD FOREIGN KEY (user_id, epoch, dek_id) REFERENCES credentials (user_id, epoch, dek_id)
    DEFERRABLE INITIALLY DEFERRED,
  ADD FOREIGN KEY (user_id, dek_id) REFERENCES deks (user_id, dek_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE deks
  ADD FOREIGN KEY (user_id, dek_id, escrow_gen)
    REFERENCES escrow_wraps (user_id, dek_id, escrow_gen) DEFERRABLE INITIALLY DEFERRED;

-- Failures in a row of one login, known or not; counted and committed before the check.
CREATE TABLE guesses (
  login_index bytea PRIMARY KEY CHECK (octet_length(login_index) = 32),
  failures    integer NOT NULL,
  not_before  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL
);
CREATE INDEX guesses_to_forget ON guesses (updated_at) WHERE failures = 0;

-- The chain of signed key manifests; the newest serial counts.
CREATE TABLE manifests (
  serial     integer PRIMARY KEY CHECK (serial >= 1),
  body       bytea NOT NULL,
  signature  bytea NOT NULL CHECK (octet_length(signature) = 64),
  endorsements bytea NOT NULL,                 -- officers' signatures, canonical JSON
  created_at timestamptz NOT NULL
);

-- Generations of the escrow token's PIN, and the officers' sealed shares of it and of the break-glass secret.
CREATE TABLE pin_generations (
  pin_gen      integer PRIMARY KEY CHECK (pin_gen >= 1),
  token_serial text NOT NULL,
  state        text NOT NULL CHECK (state IN ('prepared', 'switching', 'active', 'retired', 'void')),
  pin_check    bytea NOT NULL CHECK (octet_length(pin_check) = 32),
  created_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX one_active_pin ON pin_generations (state) WHERE state = 'active';

CREATE TABLE shares (
  purpose    text NOT NULL CHECK (purpose IN ('escrow-pin', 'break-glass')),
  generation integer NOT NULL,
  officer_id uuid NOT NULL,
  sealed     bytea NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (purpose, generation, officer_id)
);

-- The audit trail: written in the transaction of what it records, never changed afterwards.
CREATE TABLE audit_events (
  user_id     uuid NOT NULL,
  event_id    uuid NOT NULL,
  kind        smallint NOT NULL,
  at          timestamptz NOT NULL,
  app_id      uuid,
  unlock_id   uuid,
  epoch       bigint,
  login_index bytea,
  digest      bytea,
  tx          xid8 NOT NULL DEFAULT pg_current_xact_id(),
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
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON manifests
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON manifests
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE manifests ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE manifests ENABLE ALWAYS TRIGGER no_truncate;

-- Events are inserted without `tx`: whoever could choose it could keep an event from ever being sealed.
GRANT SELECT, INSERT ON tenants, apps, app_keys, manifests, pin_generations, shares TO vault_kms;
GRANT UPDATE (revoked_at) ON apps TO vault_kms;
GRANT UPDATE (expires_at) ON app_keys TO vault_kms;
-- No row ever moves to another user or another login: what it is keyed by is not among what may change.
GRANT SELECT, INSERT, DELETE ON logins, users, credentials, deks, escrow_wraps TO vault_kms;
GRANT UPDATE (dek_id, epoch, login_index, login_index_gen, pepper_gen, sealed_login) ON users TO vault_kms;
GRANT UPDATE (credential_id, dek_id, epoch, kdf_memory_kib, kdf_iterations, kdf_lanes, salt, pepper_gen,
              wrap, must_change, used_at, created_at) ON credentials TO vault_kms;
GRANT UPDATE (pepper_gen, wrap) ON escrow_wraps TO vault_kms;
GRANT SELECT, INSERT, UPDATE (failures, not_before, updated_at) ON guesses TO vault_kms;
GRANT SELECT, INSERT (user_id, event_id, kind, at, app_id, unlock_id, epoch, login_index, digest)
  ON audit_events TO vault_kms;

GRANT SELECT (login_index, failures, updated_at), DELETE ON guesses TO vault_worker_keys;
