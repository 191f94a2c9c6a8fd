-- Recovery under dual control: cases, what officers signed, ceremonies, what was released to them.
-- All of it is small and grows with officers' work, not with users; the credential of a regain stands with
-- the other credentials.

CREATE TABLE cases (
  case_id     uuid PRIMARY KEY,
  kind        text NOT NULL CHECK (kind IN
                ('regain', 'disclosure', 'erasure', 'drill', 'key-ceremony', 'officer-change')),
  user_id     uuid,
  login_index bytea CHECK (octet_length(login_index) = 32),
  app_id      uuid,
  body        bytea NOT NULL,                  -- canonical JSON: what officers sign
  mac         bytea NOT NULL CHECK (octet_length(mac) = 32),
  state       text NOT NULL DEFAULT 'open' CHECK (state IN
                ('open', 'executing', 'executed', 'cancelled', 'vetoed', 'expired')),
  decoy       boolean NOT NULL DEFAULT false,  -- asked for with a login that nobody has
  opened_at   timestamptz NOT NULL,
  not_before  timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL,
  waited_s    double precision NOT NULL DEFAULT 0 CHECK (waited_s >= 0),  -- accumulated by the worker
  wrong_identifications integer NOT NULL DEFAULT 0,
  ceremony_id uuid,                            -- while executing, and afterwards
  result      bytea,                           -- SHA-256 of what a ceremony left
  closed_at   timestamptz
);
CREATE INDEX cases_of_user ON cases (user_id) WHERE state IN ('open', 'executing');
CREATE INDEX cases_of_login ON cases (login_index, opened_at);
CREATE INDEX cases_of_app ON cases (app_id, opened_at);
CREATE INDEX cases_under_way ON cases (expires_at) WHERE state IN ('open', 'executing');

-- A regain's private key under the new password; apart, so that no officer's process can read it.
CREATE TABLE regain_keys (
  case_id        uuid PRIMARY KEY REFERENCES cases ON DELETE CASCADE,
  kdf_memory_kib integer NOT NULL,
  kdf_iterations integer NOT NULL,
  kdf_lanes      integer NOT NULL,
  salt           bytea NOT NULL CHECK (octet_length(salt) = 16),
  pepper_gen     integer NOT NULL,
  wrap           bytea NOT NULL CHECK (octet_length(wrap) = 154)
);

-- What is to become the next manifest, for an officer change; approvals carry signatures over it as well.
CREATE TABLE proposed_manifests (
  case_id uuid PRIMARY KEY REFERENCES cases ON DELETE CASCADE,
  body    bytea NOT NULL
);

-- Officers' decisions. Anybody with the role may append; what counts is judged by the signature, so that no
-- planted row stands in the way of a genuine one; nor may a single one be too large to be read in time.
CREATE TABLE approvals (
  case_id          uuid NOT NULL REFERENCES cases,
  approval_id      uuid NOT NULL,
  officer_id       uuid NOT NULL,
  authenticator_id uuid NOT NULL,
  decision         text NOT NULL CHECK (decision IN ('approve', 'veto')),
  signature        bytea NOT NULL CHECK (octet_length(signature) <= 4096),
  identified       bytea CHECK (octet_length(identified) = 32),   -- of a regain
  endorsement      bytea CHECK (octet_length(endorsement) <= 4096),  -- of an officer change: over the manifest
  at               timestamptz NOT NULL,
  PRIMARY KEY (case_id, approval_id)
);

CREATE TABLE ceremonies (
  ceremony_id uuid PRIMARY KEY,
  note        bytea NOT NULL,
  signature   bytea NOT NULL CHECK (octet_length(signature) = 64),
  expires_at  timestamptz NOT NULL,
  closed_at   timestamptz
);
CREATE INDEX ceremonies_open ON ceremonies (expires_at) WHERE closed_at IS NULL;

-- Shares of the escrow PIN, each sealed to the ephemeral key of one ceremony.
CREATE TABLE releases (
  ceremony_id uuid NOT NULL REFERENCES ceremonies,
  release_id  uuid NOT NULL,
  officer_id  uuid NOT NULL,
  pin_gen     integer NOT NULL,
  sealed      bytea NOT NULL CHECK (octet_length(sealed) <= 1024),
  at          timestamptz NOT NULL,
  PRIMARY KEY (ceremony_id, release_id)
);

-- Who is to be told of what: an app's webhook, the officers'. The case itself is never sent.
CREATE TABLE notifications (
  notification_id uuid PRIMARY KEY,
  case_id    uuid NOT NULL REFERENCES cases,
  audience   text NOT NULL CHECK (audience IN ('app', 'officers')),
  what       text NOT NULL,                    -- opened, approved, executed, cancelled, vetoed, expired
  created_at timestamptz NOT NULL,
  not_before timestamptz NOT NULL,
  failures   integer NOT NULL DEFAULT 0,
  last_error text,
  sent_at    timestamptz
);
CREATE INDEX notifications_of_case ON notifications (case_id);
CREATE INDEX notifications_to_send ON notifications (not_before) WHERE sent_at IS NULL;

-- A recovery code that the user keeps: a third wrap, where the policy allows it.
CREATE TABLE recovery_codes (
  user_id    uuid PRIMARY KEY,
  code_id    uuid NOT NULL,
  dek_id     uuid NOT NULL,
  epoch      bigint NOT NULL,
  pepper_gen integer NOT NULL,
  wrap       bytea NOT NULL CHECK (octet_length(wrap) = 154),
  created_at timestamptz NOT NULL,
  FOREIGN KEY (user_id) REFERENCES users DEFERRABLE INITIALLY DEFERRED
);

-- The credential that a regain leaves: the sealed private key, and the DEK sealed to its public half.
ALTER TABLE credentials DROP CONSTRAINT credentials_kind_check, DROP CONSTRAINT credentials_wrap_check,
  ADD COLUMN regain_case uuid, ADD COLUMN regain_case_hash bytea,
  ADD COLUMN regain_pk bytea, ADD COLUMN regain_key bytea, ADD COLUMN regain_key_pepper_gen integer,
  ADD CONSTRAINT credentials_form CHECK (
    (kind = 'password' AND octet_length(wrap) = 154
       AND num_nonnulls(regain_case, regain_case_hash, regain_pk, regain_key, regain_key_pepper_gen) = 0)
    OR (kind = 'regain' AND octet_length(wrap) = 174 AND regain_case IS NOT NULL
       AND octet_length(regain_case_hash) = 32 AND octet_length(regain_pk) = 65
       AND octet_length(regain_key) = 154 AND regain_key_pepper_gen IS NOT NULL));

-- Who and which case an event is about. Officers' processes write events from now on: none may be so large
-- that the log cannot be sealed any more, nor say what is the key service's to say, such as how a case ended.
ALTER TABLE audit_events ADD COLUMN case_id uuid, ADD COLUMN officer_id uuid,
  ADD CONSTRAINT audit_events_digest_check CHECK (octet_length(digest) <= 64),
  ADD CONSTRAINT audit_events_by_whom CHECK (CASE current_user
    WHEN 'vault_recovery' THEN kind IN (42, 43, 47, 53, 54)       -- approvals, shares released, refusals
    WHEN 'vault_ceremony' THEN kind IN (31, 53, 64, 65, 66, 67)   -- the PIN's life, shares stored, refusals
    ELSE true END);
CREATE INDEX audit_events_of_case ON audit_events (case_id) WHERE case_id IS NOT NULL;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON approvals
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE approvals ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE approvals ENABLE ALWAYS TRIGGER no_truncate;

GRANT INSERT (case_id, officer_id) ON audit_events TO vault_kms;
GRANT SELECT, INSERT ON cases, regain_keys, proposed_manifests, approvals, ceremonies, recovery_codes TO vault_kms;
GRANT UPDATE (state, wrong_identifications, ceremony_id, result, closed_at) ON cases TO vault_kms;
GRANT UPDATE (closed_at) ON ceremonies TO vault_kms;
GRANT DELETE ON regain_keys, recovery_codes TO vault_kms;
GRANT UPDATE (code_id, dek_id, epoch, pepper_gen, wrap, created_at) ON recovery_codes TO vault_kms;
GRANT INSERT ON notifications TO vault_kms;
GRANT SELECT (case_id, audience, what, created_at, not_before) ON notifications TO vault_kms;
GRANT UPDATE (kind, regain_case, regain_case_hash, regain_pk, regain_key, regain_key_pepper_gen)
  ON credentials TO vault_kms;

-- Officers' processes: they read cases and append decisions and shares. No wrap, no user, no guess.
GRANT SELECT ON cases, proposed_manifests, approvals, ceremonies, releases, manifests, pin_generations, shares
  TO vault_recovery;
GRANT INSERT ON approvals, releases TO vault_recovery;
GRANT INSERT (user_id, event_id, kind, at, digest, case_id, officer_id) ON audit_events TO vault_recovery;

-- Break-glass words stand on paper and nowhere else. Shares of an older vault's break-glass secret go: no
-- key of a manifest came from it, and nobody was ever given its words.
DELETE FROM shares WHERE purpose = 'break-glass';
ALTER TABLE shares DROP CONSTRAINT shares_purpose_check,
  ADD CONSTRAINT shares_purpose_check CHECK (purpose = 'escrow-pin');

-- Ceremonies: cases, decisions, shares and the PIN's generations, and nothing of users.
GRANT SELECT ON cases, proposed_manifests, approvals, ceremonies, releases, manifests, pin_generations, shares
  TO vault_ceremony;
GRANT INSERT ON pin_generations, shares TO vault_ceremony;
GRANT UPDATE (state) ON pin_generations TO vault_ceremony;
GRANT DELETE ON shares TO vault_ceremony;
GRANT INSERT (user_id, event_id, kind, at, digest, case_id, officer_id) ON audit_events TO vault_ceremony;

-- The worker lets waiting periods run and tells whom it concerns.
GRANT SELECT (case_id, kind, user_id, app_id, state, decoy, opened_at, not_before, expires_at, waited_s, closed_at),
      UPDATE (waited_s) ON cases TO vault_worker_keys;
GRANT SELECT, UPDATE (not_before, failures, last_error, sent_at), DELETE ON notifications TO vault_worker_keys;
GRANT SELECT (app_id, name) ON apps TO vault_worker_keys;
GRANT SELECT (serial, created_at) ON manifests TO vault_worker_keys;
