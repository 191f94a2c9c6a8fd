-- Each process looks whether this schema is one that its version can work with (storage/schema_version.py).
GRANT SELECT (number, name) ON schema_migrations
  TO vault_api, vault_disclosure, vault_worker_records, vault_auditor_records;
