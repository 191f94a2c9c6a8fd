"""The settings of a test vault: what an operator writes in vault.toml."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig.postgres import TestDatabase

if TYPE_CHECKING:
    from tests.rig.vault import Vault

MODULE = next(Path("/usr/lib").glob("**/libsofthsm2.so"))
CALLERS = ("api", "worker_keys", "worker_records", "operator", "console", "ceremony")


def settings_text(vault: "Vault") -> str:
    """All processes' sections in one file; in production each host has its own."""

    def section(db: TestDatabase, role: str) -> str:
        dsn, password_file = json.dumps(db.dsn(role)), json.dumps(str(db.password_file(role)))
        return f"dsn = {dsn}\npassword_file = {password_file}\n"

    listeners = "".join(
        f'[[kms.listeners]]\ncaller = "{caller}"\nunix = "{vault.home}/{caller}.sock"\n' for caller in CALLERS
    )
    return f"""
policies_dir = "{vault.home}/policies"
manifest_fingerprint = "{vault.fingerprint}"
[[witnesses]]
vkey = "{vault.cosigner}"
url = "unix:{vault.home}/witness.sock"
[kms]
state_dir = "{vault.home}/state/kms"
[kms.database]
{section(vault.keys, "vault_kms")}
[kms.token]
module = "{MODULE}"
label = "vault-online"
pin_file = "{vault.home}/online.pin"
softhsm2_conf = "{vault.home}/tokens/online/softhsm2.conf"
state_dir = "{vault.home}/state/online"
{listeners}
[api]
port = {vault.api_port}
metrics_port = {vault.metrics_port}
user_page_origin = "{vault.api_url}"
user_page_app_key = "{vault.home}/user-page.key"
[api.database]
{section(vault.records, "vault_api")}
[api.kms]
url = "{vault.socket("api")}"
[worker_keys]
state_dir = "{vault.home}/state/worker_keys"
[worker_keys.database]
{section(vault.keys, "vault_worker_keys")}
[worker_keys.kms]
url = "{vault.socket("worker_keys")}"
[worker_records]
state_dir = "{vault.home}/state/worker_records"
[worker_records.database]
{section(vault.records, "vault_worker_records")}
[worker_records.kms]
url = "{vault.socket("worker_records")}"
[worker_records.cosigner]
key_file = "{vault.home}/cosigner.key"
logs = {json.dumps(vault.log_keys)}
listeners = [{{unix = "{vault.home}/witness.sock"}}]
[audit.keys]
{section(vault.keys, "vault_auditor_keys")}
[audit.records]
{section(vault.records, "vault_auditor_records")}
[operator]
url = "{vault.socket("operator")}"
[recovery]
state_dir = "{vault.home}/state/recovery"
[recovery.database]
{section(vault.keys, "vault_recovery")}
[recovery.kms]
url = "{vault.socket("console")}"
[console]
origin = "{vault.console_url}"
port = {vault.console_port}
state_dir = "{vault.home}/state/console"
[console.database]
{section(vault.keys, "vault_recovery")}
[console.kms]
url = "{vault.socket("console")}"
[console.audit_keys]
{section(vault.keys, "vault_auditor_keys")}
[console.audit_records]
{section(vault.records, "vault_auditor_records")}
[ceremony]
state_dir = "{vault.home}/ceremony"
disclosures_dir = "{vault.home}/disclosures"
[ceremony.database]
{section(vault.keys, "vault_ceremony")}
[ceremony.records]
{section(vault.records, "vault_disclosure")}
[ceremony.kms]
url = "{vault.socket("ceremony")}"
[ceremony.token]
module = "{MODULE}"
label = "vault-escrow"
softhsm2_conf = "{vault.home}/tokens/escrow/softhsm2.conf"
state_dir = "{vault.home}/state/escrow"
"""
