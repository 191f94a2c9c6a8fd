CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
ALTER FUNCTION public.refuse_change() OWNER TO vault_keys_owner;
CREATE TABLE public.app_keys (
    app_id uuid NOT NULL,
    key_id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT app_keys_secret_hash_check CHECK ((octet_length(secret_hash) = 32))
);
ALTER TABLE public.app_keys OWNER TO vault_keys_owner;
CREATE TABLE public.apps (
    app_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);
ALTER TABLE public.apps OWNER TO vault_keys_owner;
CREATE TABLE public.audit_events (
    user_id uuid NOT NULL,
    event_id uuid NOT NULL,
    kind smallint NOT NULL,
    at timestamp with time zone NOT NULL,
    app_id uuid,
    unlock_id uuid,
    epoch bigint,
    login_index bytea,
    digest bytea,
    tx xid8 DEFAULT pg_current_xact_id() NOT NULL
);
ALTER TABLE public.audit_events OWNER TO vault_keys_owner;
CREATE TABLE public.credentials (
    user_id uuid NOT NULL,
    credential_id uuid NOT NULL,
    kind text NOT NULL,
    dek_id uuid NOT NULL,
    epoch bigint NOT NULL,
    kdf_memory_kib integer NOT NULL,
    kdf_iterations integer NOT NULL,
    kdf_lanes integer NOT NULL,
    salt bytea NOT NULL,
    pepper_gen integer NOT NULL,
    wrap bytea NOT NULL,
    must_change boolean DEFAULT false NOT NULL,
    used_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT credentials_kind_check CHECK ((kind = 'password'::text)),
    CONSTRAINT credentials_salt_check CHECK ((octet_length(salt) = 16)),
    CONSTRAINT credentials_wrap_check CHECK ((octet_length(wrap) = 154))
);
ALTER TABLE public.credentials OWNER TO vault_keys_owner;
CREATE TABLE public.deks (
    user_id uuid NOT NULL,
    dek_id uuid NOT NULL,
    dek_check bytea NOT NULL,
    escrow_gen integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT deks_dek_check_check CHECK ((octet_length(dek_check) = 32))
);
ALTER TABLE public.deks OWNER TO vault_keys_owner;
CREATE TABLE public.escrow_wraps (
    user_id uuid NOT NULL,
    dek_id uuid NOT NULL,
    escrow_gen integer NOT NULL,
    pepper_gen integer NOT NULL,
    wrap bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT escrow_wraps_wrap_check CHECK ((octet_length(wrap) = 174))
);
ALTER TABLE public.escrow_wraps OWNER TO vault_keys_owner;
CREATE TABLE public.guesses (
    login_index bytea NOT NULL,
    failures integer NOT NULL,
    not_before timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT guesses_login_index_check CHECK ((octet_length(login_index) = 32))
);
ALTER TABLE public.guesses OWNER TO vault_keys_owner;
CREATE TABLE public.logins (
    login_index bytea NOT NULL,
    login_index_gen integer NOT NULL,
    user_id uuid NOT NULL,
    CONSTRAINT logins_login_index_check CHECK ((octet_length(login_index) = 32))
);
ALTER TABLE public.logins OWNER TO vault_keys_owner;
CREATE TABLE public.manifests (
    serial integer NOT NULL,
    body bytea NOT NULL,
    signature bytea NOT NULL,
    endorsements bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT manifests_serial_check CHECK ((serial >= 1)),
    CONSTRAINT manifests_signature_check CHECK ((octet_length(signature) = 64))
);
ALTER TABLE public.manifests OWNER TO vault_keys_owner;
CREATE TABLE public.pin_generations (
    pin_gen integer NOT NULL,
    token_serial text NOT NULL,
    state text NOT NULL,
    pin_check bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT pin_generations_pin_check_check CHECK ((octet_length(pin_check) = 32)),
    CONSTRAINT pin_generations_pin_gen_check CHECK ((pin_gen >= 1)),
    CONSTRAINT pin_generations_state_check CHECK ((state = ANY (ARRAY['prepared'::text, 'switching'::text, 'active'::text, 'retired'::text, 'void'::text])))
);
ALTER TABLE public.pin_generations OWNER TO vault_keys_owner;
CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE public.schema_migrations OWNER TO vault_keys_owner;
CREATE TABLE public.shares (
    purpose text NOT NULL,
    generation integer NOT NULL,
    officer_id uuid NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT shares_purpose_check CHECK ((purpose = ANY (ARRAY['escrow-pin'::text, 'break-glass'::text])))
);
ALTER TABLE public.shares OWNER TO vault_keys_owner;
CREATE TABLE public.tenants (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL
);
ALTER TABLE public.tenants OWNER TO vault_keys_owner;
CREATE TABLE public.users (
    user_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    dek_id uuid NOT NULL,
    epoch bigint NOT NULL,
    login_index bytea NOT NULL,
    login_index_gen integer NOT NULL,
    pepper_gen integer NOT NULL,
    sealed_login bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT users_epoch_check CHECK ((epoch >= 1)),
    CONSTRAINT users_login_index_check CHECK ((octet_length(login_index) = 32))
);
ALTER TABLE public.users OWNER TO vault_keys_owner;
ALTER TABLE ONLY public.app_keys
    ADD CONSTRAINT app_keys_pkey PRIMARY KEY (app_id, key_id);
ALTER TABLE ONLY public.apps
    ADD CONSTRAINT apps_pkey PRIMARY KEY (app_id);
ALTER TABLE ONLY public.apps
    ADD CONSTRAINT apps_tenant_id_name_key UNIQUE (tenant_id, name);
ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (user_id, event_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_user_id_epoch_dek_id_key UNIQUE (user_id, epoch, dek_id);
ALTER TABLE ONLY public.deks
    ADD CONSTRAINT deks_pkey PRIMARY KEY (user_id, dek_id);
ALTER TABLE ONLY public.escrow_wraps
    ADD CONSTRAINT escrow_wraps_pkey PRIMARY KEY (user_id, dek_id, escrow_gen);
ALTER TABLE ONLY public.guesses
    ADD CONSTRAINT guesses_pkey PRIMARY KEY (login_index);
ALTER TABLE ONLY public.logins
    ADD CONSTRAINT logins_pkey PRIMARY KEY (login_index);
ALTER TABLE ONLY public.manifests
    ADD CONSTRAINT manifests_pkey PRIMARY KEY (serial);
ALTER TABLE ONLY public.pin_generations
    ADD CONSTRAINT pin_generations_pkey PRIMARY KEY (pin_gen);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_pkey PRIMARY KEY (purpose, generation, officer_id);
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_name_key UNIQUE (name);
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id);
CREATE INDEX audit_events_by_tx ON public.audit_events USING btree (tx);
CREATE INDEX guesses_to_forget ON public.guesses USING btree (updated_at) WHERE (failures = 0);
CREATE UNIQUE INDEX one_active_pin ON public.pin_generations USING btree (state) WHERE (state = 'active'::text);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit_events FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_events ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.manifests FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.manifests ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_events ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.manifests FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.manifests ENABLE ALWAYS TRIGGER no_truncate;
ALTER TABLE ONLY public.app_keys
    ADD CONSTRAINT app_keys_app_id_fkey FOREIGN KEY (app_id) REFERENCES public.apps(app_id);
ALTER TABLE ONLY public.apps
    ADD CONSTRAINT apps_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.deks
    ADD CONSTRAINT deks_user_id_dek_id_escrow_gen_fkey FOREIGN KEY (user_id, dek_id, escrow_gen) REFERENCES public.escrow_wraps(user_id, dek_id, escrow_gen) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.deks
    ADD CONSTRAINT deks_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.escrow_wraps
    ADD CONSTRAINT escrow_wraps_user_id_dek_id_fkey FOREIGN KEY (user_id, dek_id) REFERENCES public.deks(user_id, dek_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_user_id_dek_id_fkey FOREIGN KEY (user_id, dek_id) REFERENCES public.deks(user_id, dek_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_user_id_epoch_dek_id_fkey FOREIGN KEY (user_id, epoch, dek_id) REFERENCES public.credentials(user_id, epoch, dek_id) DEFERRABLE INITIALLY DEFERRED;
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
GRANT SELECT,INSERT ON TABLE public.app_keys TO vault_kms;
GRANT UPDATE(expires_at) ON TABLE public.app_keys TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.apps TO vault_kms;
GRANT UPDATE(revoked_at) ON TABLE public.apps TO vault_kms;
GRANT SELECT ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(user_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(event_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(kind) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(at) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(app_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(unlock_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(epoch) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(login_index) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(digest) ON TABLE public.audit_events TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(credential_id) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(dek_id) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(epoch) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(kdf_memory_kib) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(kdf_iterations) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(kdf_lanes) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(salt) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(pepper_gen) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(wrap) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(must_change) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(used_at) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(created_at) ON TABLE public.credentials TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.deks TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.escrow_wraps TO vault_kms;
GRANT UPDATE(pepper_gen) ON TABLE public.escrow_wraps TO vault_kms;
GRANT UPDATE(wrap) ON TABLE public.escrow_wraps TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.guesses TO vault_kms;
GRANT DELETE ON TABLE public.guesses TO vault_worker_keys;
GRANT SELECT(login_index) ON TABLE public.guesses TO vault_worker_keys;
GRANT UPDATE(failures) ON TABLE public.guesses TO vault_kms;
GRANT SELECT(failures) ON TABLE public.guesses TO vault_worker_keys;
GRANT UPDATE(not_before) ON TABLE public.guesses TO vault_kms;
GRANT UPDATE(updated_at) ON TABLE public.guesses TO vault_kms;
GRANT SELECT(updated_at) ON TABLE public.guesses TO vault_worker_keys;
GRANT SELECT,INSERT,DELETE ON TABLE public.logins TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.manifests TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.pin_generations TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.shares TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.tenants TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.users TO vault_kms;
GRANT UPDATE(dek_id) ON TABLE public.users TO vault_kms;
GRANT UPDATE(epoch) ON TABLE public.users TO vault_kms;
GRANT UPDATE(login_index) ON TABLE public.users TO vault_kms;
GRANT UPDATE(login_index_gen) ON TABLE public.users TO vault_kms;
GRANT UPDATE(pepper_gen) ON TABLE public.users TO vault_kms;
GRANT UPDATE(sealed_login) ON TABLE public.users TO vault_kms;
