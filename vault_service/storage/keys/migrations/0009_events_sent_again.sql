-- A receiver that an operator moves back gets its dead letters again: they are none any more.
GRANT DELETE ON audit_dead_letters TO vault_worker_keys;
