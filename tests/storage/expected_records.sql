CREATE FUNCTION public.checkpoint_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.tree_size = OLD.tree_size AND NEW.covers_until >= OLD.covers_until
     AND split_part(NEW.note, E'\n\n', 1) = split_part(OLD.note, E'\n\n', 1) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'checkpoints are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
ALTER FUNCTION public.checkpoint_stays() OWNER TO vault_records_owner;
CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
ALTER FUNCTION public.refuse_change() OWNER TO vault_records_owner;
CREATE FUNCTION public.tile_grows() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.level = OLD.level AND NEW.tile_index = OLD.tile_index
     AND substring(NEW.hashes FOR octet_length(OLD.hashes)) = OLD.hashes THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'tiles only grow' USING ERRCODE = 'insufficient_privilege';
END $$;
ALTER FUNCTION public.tile_grows() OWNER TO vault_records_owner;
CREATE TABLE public.apps (
    app_id uuid NOT NULL,
    name text NOT NULL
);
ALTER TABLE public.apps OWNER TO vault_records_owner;
CREATE TABLE public.audit_checkpoints (
    tree_size bigint NOT NULL,
    note text NOT NULL,
    covers_until timestamp with time zone NOT NULL,
    CONSTRAINT audit_checkpoints_tree_size_check CHECK ((tree_size >= 0))
);
ALTER TABLE public.audit_checkpoints OWNER TO vault_records_owner;
CREATE TABLE public.audit_dead_letters (
    receiver text NOT NULL,
    leaf_index bigint NOT NULL,
    error text NOT NULL,
    at timestamp with time zone NOT NULL
);
ALTER TABLE public.audit_dead_letters OWNER TO vault_records_owner;
CREATE TABLE public.audit_events (
    user_id uuid NOT NULL,
    event_id uuid NOT NULL,
    kind smallint NOT NULL,
    at timestamp with time zone NOT NULL,
    app_id uuid,
    session_id uuid,
    unlock_id uuid,
    record_id uuid,
    n integer DEFAULT 1 NOT NULL,
    tx xid8 DEFAULT pg_current_xact_id() NOT NULL,
    digest bytea
);
ALTER TABLE public.audit_events OWNER TO vault_records_owner;
CREATE TABLE public.audit_leaves (
    leaf_index bigint NOT NULL,
    user_id uuid NOT NULL,
    event_id uuid NOT NULL,
    CONSTRAINT audit_leaves_leaf_index_check CHECK ((leaf_index >= 0))
);
ALTER TABLE public.audit_leaves OWNER TO vault_records_owner;
CREATE TABLE public.audit_outbox (
    receiver text NOT NULL,
    next_index bigint DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone,
    last_error text,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT audit_outbox_next_index_check CHECK ((next_index >= 0))
);
ALTER TABLE public.audit_outbox OWNER TO vault_records_owner;
CREATE TABLE public.audit_tiles (
    level smallint NOT NULL,
    tile_index bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT audit_tiles_hashes_check CHECK ((((octet_length(hashes) >= 32) AND (octet_length(hashes) <= 8192)) AND ((octet_length(hashes) % 32) = 0))),
    CONSTRAINT audit_tiles_level_check CHECK (((level >= 0) AND (level <= 7))),
    CONSTRAINT audit_tiles_tile_index_check CHECK ((tile_index >= 0))
);
ALTER TABLE ONLY public.audit_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
ALTER TABLE public.audit_tiles OWNER TO vault_records_owner;
CREATE TABLE public.audit_tree (
    only_row boolean DEFAULT true NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    last_tx xid8 DEFAULT '0'::xid8 NOT NULL,
    last_user_id uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    last_event_id uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    cluster bigint DEFAULT 0 NOT NULL,
    CONSTRAINT audit_tree_only_row_check CHECK (only_row),
    CONSTRAINT audit_tree_size_check CHECK ((size >= 0))
);
ALTER TABLE public.audit_tree OWNER TO vault_records_owner;
CREATE TABLE public.followed (
    only_row boolean DEFAULT true NOT NULL,
    generation integer DEFAULT 1 NOT NULL,
    next_index bigint DEFAULT 0 NOT NULL,
    CONSTRAINT followed_next_index_check CHECK ((next_index >= 0)),
    CONSTRAINT followed_only_row_check CHECK (only_row)
);
ALTER TABLE public.followed OWNER TO vault_records_owner;
CREATE TABLE public.idempotency (
    user_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    body_mac bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    dek_id uuid,
    CONSTRAINT idempotency_body_mac_check CHECK ((octet_length(body_mac) = 32)),
    CONSTRAINT idempotency_key_hash_check CHECK ((octet_length(key_hash) = 32))
);
ALTER TABLE public.idempotency OWNER TO vault_records_owner;
CREATE TABLE public.intents (
    user_id uuid NOT NULL,
    intent_id uuid NOT NULL,
    kind text NOT NULL,
    epoch bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT intents_kind_check CHECK ((kind = ANY (ARRAY['password'::text, 'erase'::text, 'data-key'::text])))
);
ALTER TABLE public.intents OWNER TO vault_records_owner;
CREATE TABLE public.officer_actions (
    user_id uuid NOT NULL,
    event_id uuid NOT NULL,
    kind smallint NOT NULL,
    at timestamp with time zone NOT NULL,
    digest bytea,
    show_at timestamp with time zone NOT NULL
);
ALTER TABLE public.officer_actions OWNER TO vault_records_owner;
CREATE TABLE public.record_tags (
    user_id uuid NOT NULL,
    tag bytea NOT NULL,
    record_id uuid NOT NULL,
    CONSTRAINT record_tags_tag_check CHECK ((octet_length(tag) = 32))
);
ALTER TABLE public.record_tags OWNER TO vault_records_owner;
CREATE TABLE public.records (
    user_id uuid NOT NULL,
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    dek_id uuid NOT NULL,
    collection_tag bytea NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT records_collection_tag_check CHECK ((octet_length(collection_tag) = 32)),
    CONSTRAINT records_version_check CHECK ((version >= 1))
);
ALTER TABLE public.records OWNER TO vault_records_owner;
CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE public.schema_migrations OWNER TO vault_records_owner;
CREATE TABLE public.sessions (
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    dek_id uuid NOT NULL,
    dek_wrap bytea NOT NULL,
    epoch bigint NOT NULL,
    app_id uuid NOT NULL,
    unlock_id uuid NOT NULL,
    must_change boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen timestamp with time zone NOT NULL,
    idle_s integer NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    older_deks uuid[],
    older_wraps bytea[],
    CONSTRAINT sessions_dek_wrap_check CHECK ((octet_length(dek_wrap) = 93)),
    CONSTRAINT sessions_idle_s_check CHECK ((idle_s > 0)),
    CONSTRAINT sessions_older CHECK (((num_nulls(older_deks, older_wraps) <> 1) AND (cardinality(older_deks) = cardinality(older_wraps)))),
    CONSTRAINT sessions_secret_hash_check CHECK ((octet_length(secret_hash) = 32))
);
ALTER TABLE public.sessions OWNER TO vault_records_owner;
CREATE TABLE public.sign_ups (
    app_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT sign_ups_key_hash_check CHECK ((octet_length(key_hash) = 32))
);
ALTER TABLE public.sign_ups OWNER TO vault_records_owner;
CREATE TABLE public.users (
    user_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    epoch bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT users_epoch_check CHECK ((epoch >= 1))
);
ALTER TABLE public.users OWNER TO vault_records_owner;
CREATE TABLE public.witnessed_heads (
    origin text NOT NULL,
    tree_size bigint NOT NULL,
    note text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT witnessed_heads_tree_size_check CHECK ((tree_size >= 0))
);
ALTER TABLE public.witnessed_heads OWNER TO vault_records_owner;
ALTER TABLE ONLY public.apps
    ADD CONSTRAINT apps_pkey PRIMARY KEY (app_id);
ALTER TABLE ONLY public.audit_checkpoints
    ADD CONSTRAINT audit_checkpoints_pkey PRIMARY KEY (tree_size);
ALTER TABLE ONLY public.audit_dead_letters
    ADD CONSTRAINT audit_dead_letters_pkey PRIMARY KEY (receiver, leaf_index);
ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (user_id, event_id);
ALTER TABLE ONLY public.audit_leaves
    ADD CONSTRAINT audit_leaves_pkey PRIMARY KEY (leaf_index);
ALTER TABLE ONLY public.audit_leaves
    ADD CONSTRAINT audit_leaves_user_id_event_id_key UNIQUE (user_id, event_id);
ALTER TABLE ONLY public.audit_outbox
    ADD CONSTRAINT audit_outbox_pkey PRIMARY KEY (receiver);
ALTER TABLE ONLY public.audit_tiles
    ADD CONSTRAINT audit_tiles_pkey PRIMARY KEY (level, tile_index);
ALTER TABLE ONLY public.audit_tree
    ADD CONSTRAINT audit_tree_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY public.followed
    ADD CONSTRAINT followed_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (user_id, key_hash);
ALTER TABLE ONLY public.intents
    ADD CONSTRAINT intents_pkey PRIMARY KEY (user_id, intent_id);
ALTER TABLE ONLY public.officer_actions
    ADD CONSTRAINT officer_actions_pkey PRIMARY KEY (user_id, event_id);
ALTER TABLE ONLY public.record_tags
    ADD CONSTRAINT record_tags_pkey PRIMARY KEY (user_id, tag, record_id);
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (user_id, record_id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (user_id, session_id);
ALTER TABLE ONLY public.sign_ups
    ADD CONSTRAINT sign_ups_pkey PRIMARY KEY (app_id, key_hash);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.witnessed_heads
    ADD CONSTRAINT witnessed_heads_pkey PRIMARY KEY (origin);
CREATE INDEX audit_events_at ON public.audit_events USING brin (at) WITH (autosummarize='on');
CREATE INDEX audit_events_by_tx ON public.audit_events USING btree (tx);
CREATE INDEX audit_events_of_kind ON public.audit_events USING btree (kind, at);
CREATE INDEX idempotency_by_age ON public.idempotency USING btree (created_at);
CREATE INDEX intents_by_age ON public.intents USING btree (created_at, intent_id);
CREATE INDEX officer_actions_by_time ON public.officer_actions USING btree (show_at);
CREATE INDEX record_tags_by_record ON public.record_tags USING btree (user_id, record_id);
CREATE INDEX records_by_collection ON public.records USING btree (user_id, collection_tag, record_id);
CREATE INDEX sessions_by_expiry ON public.sessions USING btree (expires_at);
CREATE INDEX sign_ups_by_age ON public.sign_ups USING btree (created_at);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit_events FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_events ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit_leaves FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_leaves ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_checkpoints ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_events ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_leaves ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_tiles FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_tiles ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER only_grows BEFORE DELETE OR UPDATE ON public.audit_tiles FOR EACH ROW EXECUTE FUNCTION public.tile_grows();
ALTER TABLE public.audit_tiles ENABLE ALWAYS TRIGGER only_grows;
CREATE TRIGGER stays BEFORE DELETE OR UPDATE ON public.audit_checkpoints FOR EACH ROW EXECUTE FUNCTION public.checkpoint_stays();
ALTER TABLE public.audit_checkpoints ENABLE ALWAYS TRIGGER stays;
ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.record_tags
    ADD CONSTRAINT record_tags_user_id_record_id_fkey FOREIGN KEY (user_id, record_id) REFERENCES public.records(user_id, record_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) ON DELETE CASCADE;
REVOKE ALL ON FUNCTION pg_catalog.lo_close(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_creat(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_get(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_get(oid, bigint, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_lseek(integer, integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_lseek64(integer, bigint, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_open(oid, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_put(oid, bigint, bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_tell(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_tell64(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_truncate(integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_truncate64(integer, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lo_unlink(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.loread(integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_catalog.lowrite(integer, bytea) FROM PUBLIC;
GRANT SELECT,INSERT ON TABLE public.apps TO vault_api;
GRANT UPDATE(name) ON TABLE public.apps TO vault_api;
GRANT SELECT ON TABLE public.audit_checkpoints TO vault_api;
GRANT SELECT,INSERT ON TABLE public.audit_checkpoints TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_checkpoints TO vault_auditor_records;
GRANT UPDATE(note) ON TABLE public.audit_checkpoints TO vault_worker_records;
GRANT UPDATE(covers_until) ON TABLE public.audit_checkpoints TO vault_worker_records;
GRANT SELECT,INSERT,DELETE ON TABLE public.audit_dead_letters TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_dead_letters TO vault_auditor_records;
GRANT SELECT ON TABLE public.audit_events TO vault_api;
GRANT SELECT ON TABLE public.audit_events TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_events TO vault_auditor_records;
GRANT INSERT(user_id) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(user_id) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(event_id) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(event_id) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(kind) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(kind) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(at) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(at) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(app_id) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(app_id) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(session_id) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(session_id) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(unlock_id) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(unlock_id) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(record_id) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(record_id) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(n) ON TABLE public.audit_events TO vault_api;
GRANT INSERT(n) ON TABLE public.audit_events TO vault_worker_records;
GRANT INSERT(digest) ON TABLE public.audit_events TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_leaves TO vault_api;
GRANT SELECT,INSERT ON TABLE public.audit_leaves TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_leaves TO vault_auditor_records;
GRANT SELECT,INSERT ON TABLE public.audit_outbox TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_outbox TO vault_auditor_records;
GRANT UPDATE(next_index) ON TABLE public.audit_outbox TO vault_worker_records;
GRANT UPDATE(failures) ON TABLE public.audit_outbox TO vault_worker_records;
GRANT UPDATE(not_before) ON TABLE public.audit_outbox TO vault_worker_records;
GRANT UPDATE(last_error) ON TABLE public.audit_outbox TO vault_worker_records;
GRANT UPDATE(updated_at) ON TABLE public.audit_outbox TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_tiles TO vault_api;
GRANT SELECT,INSERT ON TABLE public.audit_tiles TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_tiles TO vault_auditor_records;
GRANT UPDATE(hashes) ON TABLE public.audit_tiles TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_tree TO vault_api;
GRANT SELECT ON TABLE public.audit_tree TO vault_worker_records;
GRANT SELECT ON TABLE public.audit_tree TO vault_auditor_records;
GRANT UPDATE(size) ON TABLE public.audit_tree TO vault_worker_records;
GRANT UPDATE(last_tx) ON TABLE public.audit_tree TO vault_worker_records;
GRANT UPDATE(last_user_id) ON TABLE public.audit_tree TO vault_worker_records;
GRANT UPDATE(last_event_id) ON TABLE public.audit_tree TO vault_worker_records;
GRANT UPDATE(cluster) ON TABLE public.audit_tree TO vault_worker_records;
GRANT SELECT ON TABLE public.followed TO vault_worker_records;
GRANT UPDATE(generation) ON TABLE public.followed TO vault_worker_records;
GRANT UPDATE(next_index) ON TABLE public.followed TO vault_worker_records;
GRANT SELECT,INSERT,DELETE ON TABLE public.idempotency TO vault_api;
GRANT DELETE ON TABLE public.idempotency TO vault_worker_records;
GRANT SELECT(user_id) ON TABLE public.idempotency TO vault_worker_records;
GRANT SELECT(key_hash) ON TABLE public.idempotency TO vault_worker_records;
GRANT SELECT(created_at) ON TABLE public.idempotency TO vault_worker_records;
GRANT SELECT,INSERT,DELETE ON TABLE public.intents TO vault_api;
GRANT SELECT,DELETE ON TABLE public.intents TO vault_worker_records;
GRANT SELECT,INSERT,DELETE ON TABLE public.officer_actions TO vault_worker_records;
GRANT SELECT,INSERT,DELETE ON TABLE public.record_tags TO vault_api;
GRANT SELECT,INSERT,DELETE ON TABLE public.records TO vault_api;
GRANT DELETE ON TABLE public.records TO vault_worker_records;
GRANT SELECT(user_id) ON TABLE public.records TO vault_worker_records;
GRANT SELECT(user_id) ON TABLE public.records TO vault_disclosure;
GRANT SELECT(record_id) ON TABLE public.records TO vault_worker_records;
GRANT SELECT(record_id) ON TABLE public.records TO vault_disclosure;
GRANT UPDATE(version) ON TABLE public.records TO vault_api;
GRANT SELECT(version) ON TABLE public.records TO vault_disclosure;
GRANT UPDATE(dek_id) ON TABLE public.records TO vault_api;
GRANT SELECT(dek_id) ON TABLE public.records TO vault_disclosure;
GRANT UPDATE(collection_tag) ON TABLE public.records TO vault_api;
GRANT SELECT(collection_tag) ON TABLE public.records TO vault_disclosure;
GRANT UPDATE(sealed) ON TABLE public.records TO vault_api;
GRANT SELECT(sealed) ON TABLE public.records TO vault_disclosure;
GRANT SELECT(created_at) ON TABLE public.records TO vault_disclosure;
GRANT UPDATE(updated_at) ON TABLE public.records TO vault_api;
GRANT SELECT(updated_at) ON TABLE public.records TO vault_disclosure;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_api;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_disclosure;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_worker_records;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_auditor_records;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_api;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_disclosure;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_worker_records;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_auditor_records;
GRANT SELECT,INSERT,DELETE ON TABLE public.sessions TO vault_api;
GRANT DELETE ON TABLE public.sessions TO vault_worker_records;
GRANT SELECT(user_id) ON TABLE public.sessions TO vault_worker_records;
GRANT SELECT(session_id) ON TABLE public.sessions TO vault_worker_records;
GRANT SELECT(epoch) ON TABLE public.sessions TO vault_worker_records;
GRANT UPDATE(last_seen) ON TABLE public.sessions TO vault_api;
GRANT SELECT(expires_at) ON TABLE public.sessions TO vault_worker_records;
GRANT UPDATE(older_deks) ON TABLE public.sessions TO vault_api;
GRANT UPDATE(older_wraps) ON TABLE public.sessions TO vault_api;
GRANT SELECT,INSERT,DELETE ON TABLE public.sign_ups TO vault_api;
GRANT SELECT,DELETE ON TABLE public.sign_ups TO vault_worker_records;
GRANT SELECT,INSERT,DELETE ON TABLE public.users TO vault_api;
GRANT SELECT,DELETE ON TABLE public.users TO vault_worker_records;
GRANT SELECT(user_id) ON TABLE public.users TO vault_disclosure;
GRANT SELECT(tenant_id) ON TABLE public.users TO vault_disclosure;
GRANT UPDATE(epoch) ON TABLE public.users TO vault_api;
GRANT UPDATE(epoch) ON TABLE public.users TO vault_worker_records;
GRANT SELECT,INSERT ON TABLE public.witnessed_heads TO vault_worker_records;
GRANT SELECT ON TABLE public.witnessed_heads TO vault_auditor_records;
GRANT UPDATE(tree_size) ON TABLE public.witnessed_heads TO vault_worker_records;
GRANT UPDATE(note) ON TABLE public.witnessed_heads TO vault_worker_records;
GRANT UPDATE(at) ON TABLE public.witnessed_heads TO vault_worker_records;
