-- The queue that workers take batches of users from: procrastinate's tables, in a schema of their own. Their
-- text is the package's own, and is in this file's checksum by its hash.

CREATE SCHEMA jobs;
SET LOCAL search_path = jobs, pg_catalog;
-- from procrastinate: sql/schema.sql sha256=c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009
SET LOCAL search_path TO DEFAULT;

-- Whoever calls them, they mean these tables; and nobody calls them whose work is not here.
DO $$ DECLARE each regprocedure; BEGIN
  FOR each IN SELECT oid FROM pg_proc WHERE pronamespace = 'jobs'::regnamespace LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = jobs, pg_catalog, pg_temp', each);
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each);
  END LOOP;
END $$;

-- How far the users of a rotation are handed out as jobs: moved in the transaction that adds the jobs, so that
-- none is left out and none is there twice, wherever a worker dies.
CREATE TABLE rotation_plans (
  rotation_id uuid PRIMARY KEY REFERENCES rotations,
  sweep       integer NOT NULL DEFAULT 1,      -- over all users; another one while something is left behind
  upto        uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  not_before  timestamptz NOT NULL DEFAULT now() -- the next sweep waits longer each time
);

GRANT SELECT, INSERT, DELETE, UPDATE (sweep, upto, not_before) ON rotation_plans TO vault_worker_keys;
GRANT USAGE ON SCHEMA jobs TO vault_worker_keys;
GRANT SELECT, INSERT, DELETE,
  UPDATE (status, scheduled_at, attempts, priority, queue_name, lock, abort_requested, worker_id)
  ON jobs.procrastinate_jobs TO vault_worker_keys;
GRANT SELECT, INSERT, DELETE, UPDATE (last_heartbeat) ON jobs.procrastinate_workers TO vault_worker_keys;
GRANT INSERT ON jobs.procrastinate_events TO vault_worker_keys;
GRANT SELECT (job_id), UPDATE (job_id) ON jobs.procrastinate_periodic_defers TO vault_worker_keys;
GRANT USAGE ON SEQUENCE jobs.procrastinate_jobs_id_seq, jobs.procrastinate_events_id_seq TO vault_worker_keys;
GRANT EXECUTE ON FUNCTION
  jobs.procrastinate_defer_jobs_v1, jobs.procrastinate_fetch_job_v2, jobs.procrastinate_finish_job_v1,
  jobs.procrastinate_retry_job_v2, jobs.procrastinate_register_worker_v1,
  jobs.procrastinate_unregister_worker_v1, jobs.procrastinate_update_heartbeat_v1,
  jobs.procrastinate_prune_stalled_workers_v1
  TO vault_worker_keys;
