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
ALTER FUNCTION public.checkpoint_stays() OWNER TO vault_keys_owner;
CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
ALTER FUNCTION public.refuse_change() OWNER TO vault_keys_owner;
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
ALTER FUNCTION public.tile_grows() OWNER TO vault_keys_owner;
CREATE TABLE public.app_keys (
    app_id uuid NOT NULL,
    key_id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT app_keys_secret_hash_check CHECK ((octet_length(secret_hash) = 32))
);
ALTER TABLE public.app_keys OWNER TO vault_keys_owner;
CREATE TABLE public.approvals (
    case_id uuid NOT NULL,
    approval_id uuid NOT NULL,
    officer_id uuid NOT NULL,
    authenticator_id uuid NOT NULL,
    decision text NOT NULL,
    signature bytea NOT NULL,
    identified bytea,
    endorsement bytea,
    at timestamp with time zone NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    CONSTRAINT approvals_decision_check CHECK ((decision = ANY (ARRAY['approve'::text, 'veto'::text]))),
    CONSTRAINT approvals_endorsement_check CHECK ((octet_length(endorsement) <= 4096)),
    CONSTRAINT approvals_identified_check CHECK ((octet_length(identified) = 32)),
    CONSTRAINT approvals_reason_check CHECK ((length(reason) <= 500)),
    CONSTRAINT approvals_signature_check CHECK ((octet_length(signature) <= 4096))
);
ALTER TABLE public.approvals OWNER TO vault_keys_owner;
CREATE TABLE public.apps (
    app_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);
ALTER TABLE public.apps OWNER TO vault_keys_owner;
CREATE TABLE public.audit_checkpoints (
    tree_size bigint NOT NULL,
    note text NOT NULL,
    covers_until timestamp with time zone NOT NULL,
    CONSTRAINT audit_checkpoints_tree_size_check CHECK ((tree_size >= 0))
);
ALTER TABLE public.audit_checkpoints OWNER TO vault_keys_owner;
CREATE TABLE public.audit_dead_letters (
    receiver text NOT NULL,
    leaf_index bigint NOT NULL,
    error text NOT NULL,
    at timestamp with time zone NOT NULL
);
ALTER TABLE public.audit_dead_letters OWNER TO vault_keys_owner;
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
    tx xid8 DEFAULT pg_current_xact_id() NOT NULL,
    case_id uuid,
    officer_id uuid,
    CONSTRAINT audit_events_by_whom CHECK (
CASE CURRENT_USER
    WHEN 'vault_recovery'::name THEN ((kind = ANY (ARRAY[42, 43, 47, 48, 53, 54])) OR ((kind >= 100) AND (kind <= 107)))
    WHEN 'vault_ceremony'::name THEN (kind = ANY (ARRAY[31, 53, 64, 65, 66, 67, 83]))
    ELSE true
END),
    CONSTRAINT audit_events_digest_check CHECK ((octet_length(digest) <= 64))
);
ALTER TABLE public.audit_events OWNER TO vault_keys_owner;
CREATE TABLE public.audit_leaves (
    leaf_index bigint NOT NULL,
    user_id uuid NOT NULL,
    event_id uuid NOT NULL,
    CONSTRAINT audit_leaves_leaf_index_check CHECK ((leaf_index >= 0))
);
ALTER TABLE public.audit_leaves OWNER TO vault_keys_owner;
CREATE TABLE public.audit_outbox (
    receiver text NOT NULL,
    next_index bigint DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone,
    last_error text,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT audit_outbox_next_index_check CHECK ((next_index >= 0))
);
ALTER TABLE public.audit_outbox OWNER TO vault_keys_owner;
CREATE TABLE public.audit_tiles (
    level smallint NOT NULL,
    tile_index bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT audit_tiles_hashes_check CHECK ((((octet_length(hashes) >= 32) AND (octet_length(hashes) <= 8192)) AND ((octet_length(hashes) % 32) = 0))),
    CONSTRAINT audit_tiles_level_check CHECK (((level >= 0) AND (level <= 7))),
    CONSTRAINT audit_tiles_tile_index_check CHECK ((tile_index >= 0))
);
ALTER TABLE ONLY public.audit_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
ALTER TABLE public.audit_tiles OWNER TO vault_keys_owner;
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
ALTER TABLE public.audit_tree OWNER TO vault_keys_owner;
CREATE TABLE public.cases (
    case_id uuid NOT NULL,
    kind text NOT NULL,
    user_id uuid,
    login_index bytea,
    app_id uuid,
    body bytea NOT NULL,
    mac bytea NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    decoy boolean DEFAULT false NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    not_before timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    waited_s double precision DEFAULT 0 NOT NULL,
    wrong_identifications integer DEFAULT 0 NOT NULL,
    ceremony_id uuid,
    result bytea,
    closed_at timestamp with time zone,
    login_index_gen integer,
    CONSTRAINT cases_kind_check CHECK ((kind = ANY (ARRAY['regain'::text, 'disclosure'::text, 'erasure'::text, 'drill'::text, 'key-ceremony'::text, 'officer-change'::text, 'escrow-rotation'::text]))),
    CONSTRAINT cases_login_index_check CHECK ((octet_length(login_index) = 32)),
    CONSTRAINT cases_mac_check CHECK ((octet_length(mac) = 32)),
    CONSTRAINT cases_state_check CHECK ((state = ANY (ARRAY['open'::text, 'executing'::text, 'executed'::text, 'cancelled'::text, 'vetoed'::text, 'expired'::text]))),
    CONSTRAINT cases_waited_s_check CHECK ((waited_s >= (0)::double precision))
);
ALTER TABLE public.cases OWNER TO vault_keys_owner;
CREATE TABLE public.ceremonies (
    ceremony_id uuid NOT NULL,
    note bytea NOT NULL,
    signature bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT ceremonies_signature_check CHECK ((octet_length(signature) = 64))
);
ALTER TABLE public.ceremonies OWNER TO vault_keys_owner;
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
    regain_case uuid,
    regain_case_hash bytea,
    regain_pk bytea,
    regain_key bytea,
    regain_key_pepper_gen integer,
    CONSTRAINT credentials_form CHECK ((((kind = 'password'::text) AND (octet_length(wrap) = 154) AND (num_nonnulls(regain_case, regain_case_hash, regain_pk, regain_key, regain_key_pepper_gen) = 0)) OR ((kind = 'regain'::text) AND (octet_length(wrap) = 174) AND (regain_case IS NOT NULL) AND (octet_length(regain_case_hash) = 32) AND (octet_length(regain_pk) = 65) AND (octet_length(regain_key) = 154) AND (regain_key_pepper_gen IS NOT NULL)))),
    CONSTRAINT credentials_salt_check CHECK ((octet_length(salt) = 16))
);
ALTER TABLE public.credentials OWNER TO vault_keys_owner;
CREATE TABLE public.data_key_demands (
    user_id uuid NOT NULL,
    demanded_at timestamp with time zone NOT NULL
);
ALTER TABLE public.data_key_demands OWNER TO vault_keys_owner;
CREATE TABLE public.deks (
    user_id uuid NOT NULL,
    dek_id uuid NOT NULL,
    dek_check bytea NOT NULL,
    escrow_gen integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    next_dek_id uuid,
    kept bytea,
    CONSTRAINT deks_dek_check_check CHECK ((octet_length(dek_check) = 32)),
    CONSTRAINT deks_kept CHECK ((((next_dek_id IS NULL) = (kept IS NULL)) AND (octet_length(kept) = 93)))
);
ALTER TABLE public.deks OWNER TO vault_keys_owner;
CREATE TABLE public.enrolments (
    invitation_id uuid NOT NULL,
    card bytea NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT enrolments_card_check CHECK ((octet_length(card) <= 8192))
);
ALTER TABLE public.enrolments OWNER TO vault_keys_owner;
CREATE TABLE public.escrow_generations (
    gen integer NOT NULL
);
ALTER TABLE public.escrow_generations OWNER TO vault_keys_owner;
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
    carried integer DEFAULT 0 NOT NULL,
    CONSTRAINT guesses_carried_check CHECK ((carried >= 0)),
    CONSTRAINT guesses_login_index_check CHECK ((octet_length(login_index) = 32))
);
ALTER TABLE public.guesses OWNER TO vault_keys_owner;
CREATE TABLE public.invitations (
    invitation_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    officer_id uuid NOT NULL,
    name text NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT invitations_name_check CHECK (((length(name) >= 1) AND (length(name) <= 64))),
    CONSTRAINT invitations_token_hash_check CHECK ((octet_length(token_hash) = 32))
);
ALTER TABLE public.invitations OWNER TO vault_keys_owner;
CREATE TABLE public.login_index_generations (
    gen integer NOT NULL
);
ALTER TABLE public.login_index_generations OWNER TO vault_keys_owner;
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
CREATE TABLE public.notifications (
    notification_id uuid NOT NULL,
    case_id uuid NOT NULL,
    audience text NOT NULL,
    what text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    not_before timestamp with time zone NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    last_error text,
    sent_at timestamp with time zone,
    CONSTRAINT notifications_audience_check CHECK ((audience = ANY (ARRAY['app'::text, 'officers'::text])))
);
ALTER TABLE public.notifications OWNER TO vault_keys_owner;
CREATE TABLE public.passkey_counters (
    authenticator_id uuid NOT NULL,
    sign_count bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT passkey_counters_sign_count_check CHECK (((sign_count >= 0) AND (sign_count <= '4294967295'::bigint)))
);
ALTER TABLE public.passkey_counters OWNER TO vault_keys_owner;
CREATE TABLE public.pepper_generations (
    gen integer NOT NULL
);
ALTER TABLE public.pepper_generations OWNER TO vault_keys_owner;
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
CREATE TABLE public.proposed_manifests (
    case_id uuid NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE public.proposed_manifests OWNER TO vault_keys_owner;
CREATE TABLE public.recovery_codes (
    user_id uuid NOT NULL,
    code_id uuid NOT NULL,
    dek_id uuid NOT NULL,
    epoch bigint NOT NULL,
    pepper_gen integer NOT NULL,
    wrap bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT recovery_codes_wrap_check CHECK ((octet_length(wrap) = 154))
);
ALTER TABLE public.recovery_codes OWNER TO vault_keys_owner;
CREATE TABLE public.regain_keys (
    case_id uuid NOT NULL,
    kdf_memory_kib integer NOT NULL,
    kdf_iterations integer NOT NULL,
    kdf_lanes integer NOT NULL,
    salt bytea NOT NULL,
    pepper_gen integer NOT NULL,
    wrap bytea NOT NULL,
    CONSTRAINT regain_keys_salt_check CHECK ((octet_length(salt) = 16)),
    CONSTRAINT regain_keys_wrap_check CHECK ((octet_length(wrap) = 154))
);
ALTER TABLE public.regain_keys OWNER TO vault_keys_owner;
CREATE TABLE public.releases (
    ceremony_id uuid NOT NULL,
    release_id uuid NOT NULL,
    officer_id uuid NOT NULL,
    pin_gen integer NOT NULL,
    sealed bytea NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT releases_sealed_check CHECK ((octet_length(sealed) <= 1024))
);
ALTER TABLE public.releases OWNER TO vault_keys_owner;
CREATE TABLE public.rotation_failures (
    rotation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    wrap text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT rotation_failures_wrap_check CHECK ((wrap = ANY (ARRAY['password'::text, 'regain'::text, 'regain-key'::text, 'code'::text, 'escrow'::text, 'login-name'::text])))
);
ALTER TABLE public.rotation_failures OWNER TO vault_keys_owner;
CREATE TABLE public.rotation_plans (
    rotation_id uuid NOT NULL,
    sweep integer DEFAULT 1 NOT NULL,
    upto uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE public.rotation_plans OWNER TO vault_keys_owner;
CREATE TABLE public.rotation_samples (
    rotation_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    looked_at bigint NOT NULL,
    rewrapped bigint NOT NULL
);
ALTER TABLE public.rotation_samples OWNER TO vault_keys_owner;
CREATE TABLE public.rotations (
    rotation_id uuid NOT NULL,
    kind text NOT NULL,
    to_gen integer NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    rate integer DEFAULT 0 NOT NULL,
    workers integer DEFAULT 1 NOT NULL,
    users bigint DEFAULT 0 NOT NULL,
    looked_at bigint DEFAULT 0 NOT NULL,
    rewrapped bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone NOT NULL,
    progress_at timestamp with time zone,
    next_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT rotations_kind_check CHECK ((kind = ANY (ARRAY['escrow'::text, 'pepper'::text, 'login-index'::text]))),
    CONSTRAINT rotations_rate_check CHECK ((rate >= 0)),
    CONSTRAINT rotations_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'finished'::text]))),
    CONSTRAINT rotations_to_gen_check CHECK ((to_gen >= 1)),
    CONSTRAINT rotations_workers_check CHECK ((workers >= 1))
);
ALTER TABLE public.rotations OWNER TO vault_keys_owner;
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
    CONSTRAINT shares_purpose_check CHECK ((purpose = 'escrow-pin'::text))
);
ALTER TABLE public.shares OWNER TO vault_keys_owner;
CREATE TABLE public.signed_heads (
    log text NOT NULL,
    generation integer NOT NULL,
    tree_size bigint NOT NULL,
    note text NOT NULL,
    signed_at timestamp with time zone NOT NULL,
    CONSTRAINT signed_heads_generation_check CHECK ((generation >= 1)),
    CONSTRAINT signed_heads_log_check CHECK ((log = ANY (ARRAY['keys'::text, 'records'::text]))),
    CONSTRAINT signed_heads_tree_size_check CHECK ((tree_size >= 0))
);
ALTER TABLE public.signed_heads OWNER TO vault_keys_owner;
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
ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (case_id, approval_id);
ALTER TABLE ONLY public.apps
    ADD CONSTRAINT apps_pkey PRIMARY KEY (app_id);
ALTER TABLE ONLY public.apps
    ADD CONSTRAINT apps_tenant_id_name_key UNIQUE (tenant_id, name);
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
ALTER TABLE ONLY public.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (case_id);
ALTER TABLE ONLY public.ceremonies
    ADD CONSTRAINT ceremonies_pkey PRIMARY KEY (ceremony_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_user_id_epoch_dek_id_key UNIQUE (user_id, epoch, dek_id);
ALTER TABLE ONLY public.data_key_demands
    ADD CONSTRAINT data_key_demands_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.deks
    ADD CONSTRAINT deks_pkey PRIMARY KEY (user_id, dek_id);
ALTER TABLE ONLY public.enrolments
    ADD CONSTRAINT enrolments_pkey PRIMARY KEY (invitation_id);
ALTER TABLE ONLY public.escrow_generations
    ADD CONSTRAINT escrow_generations_pkey PRIMARY KEY (gen);
ALTER TABLE ONLY public.escrow_wraps
    ADD CONSTRAINT escrow_wraps_pkey PRIMARY KEY (user_id, dek_id, escrow_gen);
ALTER TABLE ONLY public.guesses
    ADD CONSTRAINT guesses_pkey PRIMARY KEY (login_index);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (invitation_id);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_token_hash_key UNIQUE (token_hash);
ALTER TABLE ONLY public.login_index_generations
    ADD CONSTRAINT login_index_generations_pkey PRIMARY KEY (gen);
ALTER TABLE ONLY public.logins
    ADD CONSTRAINT logins_pkey PRIMARY KEY (login_index);
ALTER TABLE ONLY public.manifests
    ADD CONSTRAINT manifests_pkey PRIMARY KEY (serial);
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (notification_id);
ALTER TABLE ONLY public.passkey_counters
    ADD CONSTRAINT passkey_counters_pkey PRIMARY KEY (authenticator_id);
ALTER TABLE ONLY public.pepper_generations
    ADD CONSTRAINT pepper_generations_pkey PRIMARY KEY (gen);
ALTER TABLE ONLY public.pin_generations
    ADD CONSTRAINT pin_generations_pkey PRIMARY KEY (pin_gen);
ALTER TABLE ONLY public.proposed_manifests
    ADD CONSTRAINT proposed_manifests_pkey PRIMARY KEY (case_id);
ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.regain_keys
    ADD CONSTRAINT regain_keys_pkey PRIMARY KEY (case_id);
ALTER TABLE ONLY public.releases
    ADD CONSTRAINT releases_pkey PRIMARY KEY (ceremony_id, release_id);
ALTER TABLE ONLY public.rotation_failures
    ADD CONSTRAINT rotation_failures_pkey PRIMARY KEY (rotation_id, user_id, wrap);
ALTER TABLE ONLY public.rotation_plans
    ADD CONSTRAINT rotation_plans_pkey PRIMARY KEY (rotation_id);
ALTER TABLE ONLY public.rotation_samples
    ADD CONSTRAINT rotation_samples_pkey PRIMARY KEY (rotation_id, at);
ALTER TABLE ONLY public.rotations
    ADD CONSTRAINT rotations_pkey PRIMARY KEY (rotation_id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_pkey PRIMARY KEY (purpose, generation, officer_id);
ALTER TABLE ONLY public.signed_heads
    ADD CONSTRAINT signed_heads_pkey PRIMARY KEY (log, generation);
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_name_key UNIQUE (name);
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id);
CREATE INDEX approvals_of_officer ON public.approvals USING btree (officer_id, at);
CREATE INDEX audit_events_at ON public.audit_events USING brin (at) WITH (autosummarize='on');
CREATE INDEX audit_events_by_tx ON public.audit_events USING btree (tx);
CREATE INDEX audit_events_of_case ON public.audit_events USING btree (case_id) WHERE (case_id IS NOT NULL);
CREATE INDEX audit_events_of_kind ON public.audit_events USING btree (kind, at);
CREATE INDEX audit_events_of_officer ON public.audit_events USING btree (officer_id, at) WHERE (officer_id IS NOT NULL);
CREATE INDEX audit_events_that_tell_the_epoch ON public.audit_events USING btree (user_id, epoch) WHERE (kind = ANY (ARRAY[6, 12, 57, 58, 69, 92]));
CREATE INDEX cases_by_time ON public.cases USING btree (opened_at);
CREATE INDEX cases_of_app ON public.cases USING btree (app_id, opened_at);
CREATE INDEX cases_of_login ON public.cases USING btree (login_index, opened_at);
CREATE INDEX cases_of_user ON public.cases USING btree (user_id) WHERE (state = ANY (ARRAY['open'::text, 'executing'::text]));
CREATE INDEX cases_under_way ON public.cases USING btree (expires_at) WHERE (state = ANY (ARRAY['open'::text, 'executing'::text]));
CREATE INDEX ceremonies_open ON public.ceremonies USING btree (expires_at) WHERE (closed_at IS NULL);
CREATE INDEX guesses_to_forget ON public.guesses USING btree (updated_at) WHERE (failures = 0);
CREATE INDEX notifications_of_case ON public.notifications USING btree (case_id);
CREATE INDEX notifications_to_send ON public.notifications USING btree (not_before) WHERE (sent_at IS NULL);
CREATE UNIQUE INDEX one_active_pin ON public.pin_generations USING btree (state) WHERE (state = 'active'::text);
CREATE UNIQUE INDEX one_rotation_of_a_kind ON public.rotations USING btree (kind) WHERE (state <> 'finished'::text);
CREATE INDEX releases_of_officer ON public.releases USING btree (officer_id, at);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.approvals FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.approvals ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit_events FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_events ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit_leaves FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_leaves ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.manifests FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.manifests ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.approvals FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.approvals ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_checkpoints ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_events ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_leaves ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.audit_tiles FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_tiles ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.manifests FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.manifests ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER only_grows BEFORE DELETE OR UPDATE ON public.audit_tiles FOR EACH ROW EXECUTE FUNCTION public.tile_grows();
ALTER TABLE public.audit_tiles ENABLE ALWAYS TRIGGER only_grows;
CREATE TRIGGER stays BEFORE DELETE OR UPDATE ON public.audit_checkpoints FOR EACH ROW EXECUTE FUNCTION public.checkpoint_stays();
ALTER TABLE public.audit_checkpoints ENABLE ALWAYS TRIGGER stays;
ALTER TABLE ONLY public.app_keys
    ADD CONSTRAINT app_keys_app_id_fkey FOREIGN KEY (app_id) REFERENCES public.apps(app_id);
ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_case_id_fkey FOREIGN KEY (case_id) REFERENCES public.cases(case_id);
ALTER TABLE ONLY public.apps
    ADD CONSTRAINT apps_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_pepper_gen_fkey FOREIGN KEY (pepper_gen) REFERENCES public.pepper_generations(gen);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_regain_key_pepper_gen_fkey FOREIGN KEY (regain_key_pepper_gen) REFERENCES public.pepper_generations(gen);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.data_key_demands
    ADD CONSTRAINT data_key_demands_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.deks
    ADD CONSTRAINT deks_user_id_dek_id_escrow_gen_fkey FOREIGN KEY (user_id, dek_id, escrow_gen) REFERENCES public.escrow_wraps(user_id, dek_id, escrow_gen) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.deks
    ADD CONSTRAINT deks_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.deks
    ADD CONSTRAINT deks_user_id_next_dek_id_fkey FOREIGN KEY (user_id, next_dek_id) REFERENCES public.deks(user_id, dek_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.enrolments
    ADD CONSTRAINT enrolments_invitation_id_fkey FOREIGN KEY (invitation_id) REFERENCES public.invitations(invitation_id);
ALTER TABLE ONLY public.escrow_wraps
    ADD CONSTRAINT escrow_wraps_escrow_gen_fkey FOREIGN KEY (escrow_gen) REFERENCES public.escrow_generations(gen);
ALTER TABLE ONLY public.escrow_wraps
    ADD CONSTRAINT escrow_wraps_pepper_gen_fkey FOREIGN KEY (pepper_gen) REFERENCES public.pepper_generations(gen);
ALTER TABLE ONLY public.escrow_wraps
    ADD CONSTRAINT escrow_wraps_user_id_dek_id_fkey FOREIGN KEY (user_id, dek_id) REFERENCES public.deks(user_id, dek_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.logins
    ADD CONSTRAINT logins_login_index_gen_fkey FOREIGN KEY (login_index_gen) REFERENCES public.login_index_generations(gen);
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_case_id_fkey FOREIGN KEY (case_id) REFERENCES public.cases(case_id);
ALTER TABLE ONLY public.proposed_manifests
    ADD CONSTRAINT proposed_manifests_case_id_fkey FOREIGN KEY (case_id) REFERENCES public.cases(case_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_pepper_gen_fkey FOREIGN KEY (pepper_gen) REFERENCES public.pepper_generations(gen);
ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.regain_keys
    ADD CONSTRAINT regain_keys_case_id_fkey FOREIGN KEY (case_id) REFERENCES public.cases(case_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.regain_keys
    ADD CONSTRAINT regain_keys_pepper_gen_fkey FOREIGN KEY (pepper_gen) REFERENCES public.pepper_generations(gen);
ALTER TABLE ONLY public.releases
    ADD CONSTRAINT releases_ceremony_id_fkey FOREIGN KEY (ceremony_id) REFERENCES public.ceremonies(ceremony_id);
ALTER TABLE ONLY public.rotation_failures
    ADD CONSTRAINT rotation_failures_rotation_id_fkey FOREIGN KEY (rotation_id) REFERENCES public.rotations(rotation_id);
ALTER TABLE ONLY public.rotation_plans
    ADD CONSTRAINT rotation_plans_rotation_id_fkey FOREIGN KEY (rotation_id) REFERENCES public.rotations(rotation_id);
ALTER TABLE ONLY public.rotation_samples
    ADD CONSTRAINT rotation_samples_rotation_id_fkey FOREIGN KEY (rotation_id) REFERENCES public.rotations(rotation_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_login_index_gen_fkey FOREIGN KEY (login_index_gen) REFERENCES public.login_index_generations(gen);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pepper_gen_fkey FOREIGN KEY (pepper_gen) REFERENCES public.pepper_generations(gen);
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
GRANT SELECT,INSERT ON TABLE public.approvals TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.approvals TO vault_recovery;
GRANT SELECT ON TABLE public.approvals TO vault_ceremony;
GRANT SELECT,INSERT ON TABLE public.apps TO vault_kms;
GRANT SELECT(app_id) ON TABLE public.apps TO vault_worker_keys;
GRANT SELECT(app_id) ON TABLE public.apps TO vault_recovery;
GRANT SELECT(name) ON TABLE public.apps TO vault_worker_keys;
GRANT SELECT(name) ON TABLE public.apps TO vault_recovery;
GRANT UPDATE(revoked_at) ON TABLE public.apps TO vault_kms;
GRANT SELECT ON TABLE public.audit_checkpoints TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.audit_checkpoints TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_checkpoints TO vault_auditor_keys;
GRANT UPDATE(note) ON TABLE public.audit_checkpoints TO vault_worker_keys;
GRANT UPDATE(covers_until) ON TABLE public.audit_checkpoints TO vault_worker_keys;
GRANT SELECT,INSERT,DELETE ON TABLE public.audit_dead_letters TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_dead_letters TO vault_auditor_keys;
GRANT SELECT ON TABLE public.audit_events TO vault_kms;
GRANT SELECT ON TABLE public.audit_events TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_events TO vault_auditor_keys;
GRANT INSERT(user_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(user_id) ON TABLE public.audit_events TO vault_recovery;
GRANT INSERT(user_id) ON TABLE public.audit_events TO vault_ceremony;
GRANT INSERT(event_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(event_id) ON TABLE public.audit_events TO vault_recovery;
GRANT INSERT(event_id) ON TABLE public.audit_events TO vault_ceremony;
GRANT INSERT(kind) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(kind) ON TABLE public.audit_events TO vault_recovery;
GRANT INSERT(kind) ON TABLE public.audit_events TO vault_ceremony;
GRANT INSERT(at) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(at) ON TABLE public.audit_events TO vault_recovery;
GRANT INSERT(at) ON TABLE public.audit_events TO vault_ceremony;
GRANT INSERT(app_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(unlock_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(epoch) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(login_index) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(digest) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(digest) ON TABLE public.audit_events TO vault_recovery;
GRANT INSERT(digest) ON TABLE public.audit_events TO vault_ceremony;
GRANT INSERT(case_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(case_id) ON TABLE public.audit_events TO vault_recovery;
GRANT INSERT(case_id) ON TABLE public.audit_events TO vault_ceremony;
GRANT INSERT(officer_id) ON TABLE public.audit_events TO vault_kms;
GRANT INSERT(officer_id) ON TABLE public.audit_events TO vault_recovery;
GRANT INSERT(officer_id) ON TABLE public.audit_events TO vault_ceremony;
GRANT SELECT ON TABLE public.audit_leaves TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.audit_leaves TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_leaves TO vault_auditor_keys;
GRANT SELECT,INSERT ON TABLE public.audit_outbox TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_outbox TO vault_auditor_keys;
GRANT UPDATE(next_index) ON TABLE public.audit_outbox TO vault_worker_keys;
GRANT UPDATE(failures) ON TABLE public.audit_outbox TO vault_worker_keys;
GRANT UPDATE(not_before) ON TABLE public.audit_outbox TO vault_worker_keys;
GRANT UPDATE(last_error) ON TABLE public.audit_outbox TO vault_worker_keys;
GRANT UPDATE(updated_at) ON TABLE public.audit_outbox TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_tiles TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.audit_tiles TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_tiles TO vault_auditor_keys;
GRANT UPDATE(hashes) ON TABLE public.audit_tiles TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_tree TO vault_kms;
GRANT SELECT ON TABLE public.audit_tree TO vault_worker_keys;
GRANT SELECT ON TABLE public.audit_tree TO vault_auditor_keys;
GRANT UPDATE(size) ON TABLE public.audit_tree TO vault_worker_keys;
GRANT UPDATE(last_tx) ON TABLE public.audit_tree TO vault_worker_keys;
GRANT UPDATE(last_user_id) ON TABLE public.audit_tree TO vault_worker_keys;
GRANT UPDATE(last_event_id) ON TABLE public.audit_tree TO vault_worker_keys;
GRANT UPDATE(cluster) ON TABLE public.audit_tree TO vault_worker_keys;
GRANT SELECT,INSERT ON TABLE public.cases TO vault_kms;
GRANT SELECT ON TABLE public.cases TO vault_recovery;
GRANT SELECT ON TABLE public.cases TO vault_ceremony;
GRANT SELECT(case_id) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT(kind) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT(user_id) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT(app_id) ON TABLE public.cases TO vault_worker_keys;
GRANT UPDATE(state) ON TABLE public.cases TO vault_kms;
GRANT SELECT(state) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT(decoy) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT(opened_at) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT(not_before) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT(expires_at) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT(waited_s),UPDATE(waited_s) ON TABLE public.cases TO vault_worker_keys;
GRANT UPDATE(wrong_identifications) ON TABLE public.cases TO vault_kms;
GRANT UPDATE(ceremony_id) ON TABLE public.cases TO vault_kms;
GRANT UPDATE(result) ON TABLE public.cases TO vault_kms;
GRANT UPDATE(closed_at) ON TABLE public.cases TO vault_kms;
GRANT SELECT(closed_at) ON TABLE public.cases TO vault_worker_keys;
GRANT SELECT,INSERT ON TABLE public.ceremonies TO vault_kms;
GRANT SELECT ON TABLE public.ceremonies TO vault_recovery;
GRANT SELECT ON TABLE public.ceremonies TO vault_ceremony;
GRANT UPDATE(closed_at) ON TABLE public.ceremonies TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(credential_id) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(kind) ON TABLE public.credentials TO vault_kms;
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
GRANT UPDATE(regain_case) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(regain_case_hash) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(regain_pk) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(regain_key) ON TABLE public.credentials TO vault_kms;
GRANT UPDATE(regain_key_pepper_gen) ON TABLE public.credentials TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.data_key_demands TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.deks TO vault_kms;
GRANT UPDATE(escrow_gen) ON TABLE public.deks TO vault_kms;
GRANT UPDATE(next_dek_id) ON TABLE public.deks TO vault_kms;
GRANT UPDATE(kept) ON TABLE public.deks TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.enrolments TO vault_recovery;
GRANT SELECT,INSERT,DELETE ON TABLE public.escrow_generations TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.escrow_wraps TO vault_kms;
GRANT UPDATE(escrow_gen) ON TABLE public.escrow_wraps TO vault_kms;
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
GRANT UPDATE(carried) ON TABLE public.guesses TO vault_kms;
GRANT SELECT(carried) ON TABLE public.guesses TO vault_worker_keys;
GRANT SELECT,INSERT ON TABLE public.invitations TO vault_recovery;
GRANT SELECT,INSERT,DELETE ON TABLE public.login_index_generations TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.logins TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.manifests TO vault_kms;
GRANT SELECT ON TABLE public.manifests TO vault_auditor_keys;
GRANT SELECT ON TABLE public.manifests TO vault_recovery;
GRANT SELECT ON TABLE public.manifests TO vault_ceremony;
GRANT SELECT(serial) ON TABLE public.manifests TO vault_worker_keys;
GRANT SELECT(created_at) ON TABLE public.manifests TO vault_worker_keys;
GRANT INSERT ON TABLE public.notifications TO vault_kms;
GRANT SELECT,DELETE ON TABLE public.notifications TO vault_worker_keys;
GRANT SELECT(case_id) ON TABLE public.notifications TO vault_kms;
GRANT SELECT(audience) ON TABLE public.notifications TO vault_kms;
GRANT SELECT(what) ON TABLE public.notifications TO vault_kms;
GRANT SELECT(created_at) ON TABLE public.notifications TO vault_kms;
GRANT SELECT(not_before) ON TABLE public.notifications TO vault_kms;
GRANT UPDATE(not_before) ON TABLE public.notifications TO vault_worker_keys;
GRANT UPDATE(failures) ON TABLE public.notifications TO vault_worker_keys;
GRANT UPDATE(last_error) ON TABLE public.notifications TO vault_worker_keys;
GRANT UPDATE(sent_at) ON TABLE public.notifications TO vault_worker_keys;
GRANT SELECT,INSERT ON TABLE public.passkey_counters TO vault_recovery;
GRANT UPDATE(sign_count) ON TABLE public.passkey_counters TO vault_recovery;
GRANT UPDATE(at) ON TABLE public.passkey_counters TO vault_recovery;
GRANT SELECT,INSERT,DELETE ON TABLE public.pepper_generations TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.pin_generations TO vault_kms;
GRANT SELECT ON TABLE public.pin_generations TO vault_recovery;
GRANT SELECT,INSERT ON TABLE public.pin_generations TO vault_ceremony;
GRANT UPDATE(state) ON TABLE public.pin_generations TO vault_ceremony;
GRANT SELECT,INSERT ON TABLE public.proposed_manifests TO vault_kms;
GRANT SELECT ON TABLE public.proposed_manifests TO vault_recovery;
GRANT SELECT ON TABLE public.proposed_manifests TO vault_ceremony;
GRANT SELECT,INSERT,DELETE ON TABLE public.recovery_codes TO vault_kms;
GRANT UPDATE(code_id) ON TABLE public.recovery_codes TO vault_kms;
GRANT UPDATE(dek_id) ON TABLE public.recovery_codes TO vault_kms;
GRANT UPDATE(epoch) ON TABLE public.recovery_codes TO vault_kms;
GRANT UPDATE(pepper_gen) ON TABLE public.recovery_codes TO vault_kms;
GRANT UPDATE(wrap) ON TABLE public.recovery_codes TO vault_kms;
GRANT UPDATE(created_at) ON TABLE public.recovery_codes TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.regain_keys TO vault_kms;
GRANT UPDATE(pepper_gen) ON TABLE public.regain_keys TO vault_kms;
GRANT UPDATE(wrap) ON TABLE public.regain_keys TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.releases TO vault_recovery;
GRANT SELECT ON TABLE public.releases TO vault_ceremony;
GRANT SELECT,INSERT,DELETE ON TABLE public.rotation_failures TO vault_kms;
GRANT SELECT ON TABLE public.rotation_failures TO vault_worker_keys;
GRANT SELECT ON TABLE public.rotation_failures TO vault_recovery;
GRANT SELECT,INSERT,DELETE ON TABLE public.rotation_plans TO vault_worker_keys;
GRANT UPDATE(sweep) ON TABLE public.rotation_plans TO vault_worker_keys;
GRANT UPDATE(upto) ON TABLE public.rotation_plans TO vault_worker_keys;
GRANT UPDATE(not_before) ON TABLE public.rotation_plans TO vault_worker_keys;
GRANT INSERT ON TABLE public.rotation_samples TO vault_kms;
GRANT SELECT ON TABLE public.rotation_samples TO vault_recovery;
GRANT SELECT,INSERT ON TABLE public.rotations TO vault_kms;
GRANT SELECT ON TABLE public.rotations TO vault_worker_keys;
GRANT SELECT ON TABLE public.rotations TO vault_recovery;
GRANT UPDATE(state) ON TABLE public.rotations TO vault_kms;
GRANT UPDATE(rate) ON TABLE public.rotations TO vault_kms;
GRANT UPDATE(workers) ON TABLE public.rotations TO vault_kms;
GRANT UPDATE(looked_at) ON TABLE public.rotations TO vault_kms;
GRANT UPDATE(rewrapped) ON TABLE public.rotations TO vault_kms;
GRANT UPDATE(progress_at) ON TABLE public.rotations TO vault_kms;
GRANT UPDATE(next_at) ON TABLE public.rotations TO vault_kms;
GRANT UPDATE(next_at) ON TABLE public.rotations TO vault_worker_keys;
GRANT UPDATE(ended_at) ON TABLE public.rotations TO vault_kms;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_kms;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_recovery;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_ceremony;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_worker_keys;
GRANT SELECT(number) ON TABLE public.schema_migrations TO vault_auditor_keys;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_kms;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_recovery;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_ceremony;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_worker_keys;
GRANT SELECT(name) ON TABLE public.schema_migrations TO vault_auditor_keys;
GRANT SELECT,INSERT ON TABLE public.shares TO vault_kms;
GRANT SELECT ON TABLE public.shares TO vault_recovery;
GRANT SELECT,INSERT,DELETE ON TABLE public.shares TO vault_ceremony;
GRANT SELECT,INSERT ON TABLE public.signed_heads TO vault_kms;
GRANT SELECT ON TABLE public.signed_heads TO vault_auditor_keys;
GRANT UPDATE(tree_size) ON TABLE public.signed_heads TO vault_kms;
GRANT UPDATE(note) ON TABLE public.signed_heads TO vault_kms;
GRANT UPDATE(signed_at) ON TABLE public.signed_heads TO vault_kms;
GRANT SELECT,INSERT ON TABLE public.tenants TO vault_kms;
GRANT SELECT,INSERT,DELETE ON TABLE public.users TO vault_kms;
GRANT SELECT(user_id) ON TABLE public.users TO vault_worker_keys;
GRANT UPDATE(dek_id) ON TABLE public.users TO vault_kms;
GRANT UPDATE(epoch) ON TABLE public.users TO vault_kms;
GRANT UPDATE(login_index) ON TABLE public.users TO vault_kms;
GRANT UPDATE(login_index_gen) ON TABLE public.users TO vault_kms;
GRANT UPDATE(pepper_gen) ON TABLE public.users TO vault_kms;
GRANT UPDATE(sealed_login) ON TABLE public.users TO vault_kms;
