-- Each process looks whether this schema is one that its version can work with (storage/schema_version.py).
GRANT SELECT (number, name) ON schema_migrations
  TO vault_kms, vault_recovery, vault_ceremony, vault_worker_keys, vault_auditor_keys;
