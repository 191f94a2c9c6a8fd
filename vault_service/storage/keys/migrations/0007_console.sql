-- The officers' web console: how often each passkey has signed, who was invited, what newcomers handed in.

-- A passkey that counts and counts back was copied, or an old answer of it is being replayed.
CREATE TABLE passkey_counters (
  authenticator_id uuid PRIMARY KEY,
  sign_count       bigint NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
  at               timestamptz NOT NULL
);

-- Whoever holds the token of an invitation may hand in one officer's card, which officers then look at.
CREATE TABLE invitations (
  invitation_id uuid PRIMARY KEY,
  token_hash    bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  officer_id    uuid NOT NULL,                  -- whom the card is for: somebody new, or an officer
  name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  invited_by    uuid NOT NULL,
  created_at    timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL
);

CREATE TABLE enrolments (
  invitation_id uuid PRIMARY KEY REFERENCES invitations,  -- so each is used once
  card          bytea NOT NULL CHECK (octet_length(card) <= 8192),
  at            timestamptz NOT NULL
);

-- Why an officer rejects a case; the veto's signature is over it.
ALTER TABLE approvals ADD COLUMN reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 500);

ALTER TABLE audit_events DROP CONSTRAINT audit_events_by_whom,
  ADD CONSTRAINT audit_events_by_whom CHECK (CASE current_user
    WHEN 'vault_recovery' THEN kind IN (42, 43, 47, 48, 53, 54) OR kind BETWEEN 100 AND 107
    WHEN 'vault_ceremony' THEN kind IN (31, 53, 64, 65, 66, 67, 83)
    ELSE true END);

-- Officers look for what an officer did, and at what happened when. By kind and time even the newest of
-- all kinds are found: a few of each.
CREATE INDEX audit_events_of_officer ON audit_events (officer_id, at) WHERE officer_id IS NOT NULL;
CREATE INDEX audit_events_of_kind ON audit_events (kind, at);
CREATE INDEX audit_events_at ON audit_events USING brin (at) WITH (autosummarize = on);

GRANT SELECT, INSERT, UPDATE (sign_count, at) ON passkey_counters TO vault_recovery;
GRANT SELECT, INSERT ON invitations, enrolments TO vault_recovery;
GRANT SELECT ON rotations, rotation_failures TO vault_recovery;

-- Pages that tell how things stand: what was opened when, what an officer did last, how far a rotation was.
CREATE INDEX cases_by_time ON cases (opened_at);
CREATE INDEX approvals_of_officer ON approvals (officer_id, at);
CREATE INDEX releases_of_officer ON releases (officer_id, at);

CREATE TABLE rotation_samples (
  rotation_id uuid NOT NULL REFERENCES rotations,
  at          timestamptz NOT NULL,
  looked_at   bigint NOT NULL,
  rewrapped   bigint NOT NULL,
  PRIMARY KEY (rotation_id, at)
);
GRANT INSERT ON rotation_samples TO vault_kms;
GRANT SELECT ON rotation_samples TO vault_recovery;
GRANT SELECT (app_id, name) ON apps TO vault_recovery;  -- through which app somebody asked
