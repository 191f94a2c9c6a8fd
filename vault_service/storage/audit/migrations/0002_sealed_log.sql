-- The sealed log, the same in both databases: which event is which leaf, the RFC 6962 tree over them as
-- tiles (C2SP tlog-tiles), its signed and cosigned heads, and how far each receiver of events has got.
-- One log a database: on a distributed one these tables stay on one node, next to the worker that seals.

CREATE TABLE audit_leaves (
  leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
  user_id    uuid NOT NULL,
  event_id   uuid NOT NULL,
  UNIQUE (user_id, event_id)                   -- whatever two workers do at once, no event is two leaves
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_leaves
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit_leaves
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE audit_leaves ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit_leaves ENABLE ALWAYS TRIGGER no_truncate;

CREATE TABLE audit_tiles (
  level      smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
  tile_index bigint NOT NULL CHECK (tile_index >= 0),
  hashes     bytea NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
  PRIMARY KEY (level, tile_index)
);
ALTER TABLE audit_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;  -- hashes do not compress

-- Where the tree ends, and the last event that is in it. One row, which a worker locks while it seals.
CREATE TABLE audit_tree (
  only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  size          bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
  last_tx       xid8 NOT NULL DEFAULT '0',
  last_user_id  uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  last_event_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  cluster       bigint NOT NULL DEFAULT 0           -- whose transaction ids these are (pg_control_system)
);
INSERT INTO audit_tree DEFAULT VALUES;

-- Heads that count: signed by the key service and cosigned by as many as the policy demands.
CREATE TABLE audit_checkpoints (
  tree_size    bigint PRIMARY KEY CHECK (tree_size >= 0),
  note         text NOT NULL,
  covers_until timestamptz NOT NULL            -- whatever was committed before is a leaf of it
);

CREATE TABLE audit_outbox (
  receiver   text PRIMARY KEY,
  next_index bigint NOT NULL DEFAULT 0 CHECK (next_index >= 0),
  failures   integer NOT NULL DEFAULT 0,       -- in a row
  not_before timestamptz,
  last_error text,
  updated_at timestamptz NOT NULL
);

-- Events that a living receiver refused for themselves.
CREATE TABLE audit_dead_letters (
  receiver   text NOT NULL,
  leaf_index bigint NOT NULL,
  error      text NOT NULL,
  at         timestamptz NOT NULL,
  PRIMARY KEY (receiver, leaf_index)
);

-- A tile's hashes stay; it only gets more of them.
CREATE FUNCTION tile_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.level = OLD.level AND NEW.tile_index = OLD.tile_index
     AND substring(NEW.hashes FOR octet_length(OLD.hashes)) = OLD.hashes THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'tiles only grow' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON audit_tiles FOR EACH ROW EXECUTE FUNCTION tile_grows();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit_tiles
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE audit_tiles ENABLE ALWAYS TRIGGER only_grows;
ALTER TABLE audit_tiles ENABLE ALWAYS TRIGGER no_truncate;

-- What a checkpoint says stays; its signatures may be replaced by newer ones.
CREATE FUNCTION checkpoint_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.tree_size = OLD.tree_size AND NEW.covers_until >= OLD.covers_until
     AND split_part(NEW.note, E'\n\n', 1) = split_part(OLD.note, E'\n\n', 1) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'checkpoints are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER stays BEFORE UPDATE OR DELETE ON audit_checkpoints
  FOR EACH ROW EXECUTE FUNCTION checkpoint_stays();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit_checkpoints
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE audit_checkpoints ENABLE ALWAYS TRIGGER stays;
ALTER TABLE audit_checkpoints ENABLE ALWAYS TRIGGER no_truncate;
