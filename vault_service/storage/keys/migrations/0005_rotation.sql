-- Rotation of every key. Which generations something may be made with stands in tables of their own, and
-- whatever is made with one refers to it: so a generation that is still needed cannot be given up, not even
-- by a process that believes an older manifest, and nothing can be written under one that was given up.

CREATE TABLE pepper_generations      (gen integer PRIMARY KEY);
CREATE TABLE login_index_generations (gen integer PRIMARY KEY);
CREATE TABLE escrow_generations      (gen integer PRIMARY KEY);

INSERT INTO pepper_generations
  SELECT 1 UNION SELECT pepper_gen FROM users UNION SELECT pepper_gen FROM credentials
  UNION SELECT regain_key_pepper_gen FROM credentials WHERE regain_key_pepper_gen IS NOT NULL
  UNION SELECT pepper_gen FROM escrow_wraps UNION SELECT pepper_gen FROM regain_keys
  UNION SELECT pepper_gen FROM recovery_codes;
INSERT INTO login_index_generations
  SELECT 1 UNION SELECT login_index_gen FROM users UNION SELECT login_index_gen FROM logins;
INSERT INTO escrow_generations SELECT 1 UNION SELECT escrow_gen FROM escrow_wraps;

ALTER TABLE users
  ADD FOREIGN KEY (pepper_gen) REFERENCES pepper_generations,
  ADD FOREIGN KEY (login_index_gen) REFERENCES login_index_generations;
ALTER TABLE logins ADD FOREIGN KEY (login_index_gen) REFERENCES login_index_generations;
ALTER TABLE credentials
  ADD FOREIGN KEY (pepper_gen) REFERENCES pepper_generations,
  ADD FOREIGN KEY (regain_key_pepper_gen) REFERENCES pepper_generations;
ALTER TABLE escrow_wraps
  ADD FOREIGN KEY (pepper_gen) REFERENCES pepper_generations,
  ADD FOREIGN KEY (escrow_gen) REFERENCES escrow_generations;
ALTER TABLE regain_keys ADD FOREIGN KEY (pepper_gen) REFERENCES pepper_generations;
ALTER TABLE recovery_codes ADD FOREIGN KEY (pepper_gen) REFERENCES pepper_generations;

-- A case names its subject's login by an index; which generation made it decides how long that one is needed.
ALTER TABLE cases ADD COLUMN login_index_gen integer;
UPDATE cases SET login_index_gen = 1 WHERE login_index IS NOT NULL;

-- Failures in a row that were counted under an index which a rotation has replaced: they go on towards the
-- lock, and show in no wait, since nobody can carry over those of a login that nobody has.
ALTER TABLE guesses ADD COLUMN carried integer NOT NULL DEFAULT 0 CHECK (carried >= 0);
GRANT UPDATE (carried) ON guesses TO vault_kms;
GRANT SELECT (carried) ON guesses TO vault_worker_keys;

ALTER TABLE cases DROP CONSTRAINT cases_kind_check,
  ADD CONSTRAINT cases_kind_check CHECK (kind IN
    ('regain', 'disclosure', 'erasure', 'drill', 'key-ceremony', 'officer-change', 'escrow-rotation'));

CREATE TABLE rotations (
  rotation_id uuid PRIMARY KEY,
  kind        text NOT NULL CHECK (kind IN ('escrow', 'pepper', 'login-index')),
  to_gen      integer NOT NULL CHECK (to_gen >= 1),
  state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'finished')),
  rate        integer NOT NULL DEFAULT 0 CHECK (rate >= 0),        -- users a second over all workers; 0: no limit
  workers     integer NOT NULL DEFAULT 1 CHECK (workers >= 1),     -- batches at once over all workers
  users       bigint NOT NULL DEFAULT 0,                           -- how many there were at the start
  looked_at   bigint NOT NULL DEFAULT 0,                           -- users, those that need nothing too
  rewrapped   bigint NOT NULL DEFAULT 0,                           -- wraps
  started_at  timestamptz NOT NULL,
  progress_at timestamptz,                                         -- of the last event about its progress
  next_at     timestamptz,                                         -- when the next batch may begin: the rate
  ended_at    timestamptz
);
CREATE UNIQUE INDEX one_rotation_of_a_kind ON rotations (kind) WHERE state <> 'finished';

-- Wraps that did not open: left as they are, told by the user's id.
CREATE TABLE rotation_failures (
  rotation_id uuid NOT NULL REFERENCES rotations,
  user_id     uuid NOT NULL,
  wrap        text NOT NULL CHECK (wrap IN
                ('password', 'regain', 'regain-key', 'code', 'escrow', 'login-name')),
  at          timestamptz NOT NULL,
  PRIMARY KEY (rotation_id, user_id, wrap)
);

-- A data key that is being given up is kept under the one that follows, until no record is under it.
ALTER TABLE deks ADD COLUMN next_dek_id uuid, ADD COLUMN kept bytea,
  ADD CONSTRAINT deks_kept CHECK ((next_dek_id IS NULL) = (kept IS NULL) AND octet_length(kept) = 93),
  ADD FOREIGN KEY (user_id, next_dek_id) REFERENCES deks (user_id, dek_id) DEFERRABLE INITIALLY DEFERRED;

-- Users whose data key is to be rotated at their next sign-in.
CREATE TABLE data_key_demands (
  user_id     uuid PRIMARY KEY,
  demanded_at timestamptz NOT NULL,
  FOREIGN KEY (user_id) REFERENCES users DEFERRABLE INITIALLY DEFERRED
);

-- A ceremony destroys escrow keys that the officers have given up, and says so.
ALTER TABLE audit_events DROP CONSTRAINT audit_events_by_whom,
  ADD CONSTRAINT audit_events_by_whom CHECK (CASE current_user
    WHEN 'vault_recovery' THEN kind IN (42, 43, 47, 53, 54)
    WHEN 'vault_ceremony' THEN kind IN (31, 53, 64, 65, 66, 67, 83)
    ELSE true END);

GRANT SELECT, INSERT, DELETE ON pepper_generations, login_index_generations, escrow_generations TO vault_kms;
GRANT SELECT, INSERT ON rotations, rotation_failures TO vault_kms;
GRANT UPDATE (state, rate, workers, looked_at, rewrapped, progress_at, next_at, ended_at) ON rotations TO vault_kms;
GRANT DELETE ON rotation_failures TO vault_kms;
GRANT UPDATE (escrow_gen) ON escrow_wraps TO vault_kms;
GRANT UPDATE (escrow_gen, next_dek_id, kept) ON deks TO vault_kms;
GRANT UPDATE (pepper_gen, wrap) ON regain_keys TO vault_kms;
GRANT SELECT, INSERT, DELETE ON data_key_demands TO vault_kms;

-- The worker takes batches of users; what is in their rows is the key service's.
GRANT SELECT (user_id) ON users TO vault_worker_keys;
GRANT SELECT, UPDATE (next_at) ON rotations TO vault_worker_keys;
GRANT SELECT ON rotation_failures TO vault_worker_keys;
