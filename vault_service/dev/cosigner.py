"""The records side's witness: its key, made once for that worker alone, and the logs that it watches."""

from vault_service.audit.key_file import signing_keys
from vault_service.bootstrap.connections import connect
from vault_service.dev.configure import Cosigning, auditor_database, cosigner_key
from vault_service.dev.home import Home, hand_over
from vault_service.dev.process import User
from vault_service.storage.keys.manifests import load_chain
from vault_service.witness.key import CosigningKey, load_key


def cosigner_vkey(home: Home, owner: User, fingerprint: str) -> str:
    """The witness's verifier key; where there is no key yet, one is made.

    Raises ConfigurationError when the key file cannot be used.
    """
    file = cosigner_key(home)
    if not file.exists():
        fresh = file.with_suffix(".new")  # what a crash leaves of it has signed nothing
        fresh.unlink(missing_ok=True)
        CosigningKey.generate(f"vault_service/{fingerprint[:32]}/records-witness").save(fresh)
        fresh.replace(file)
    vkey = load_key(file).key.verifier().format()
    hand_over(home.cosigner_secrets, owner)
    return vkey


def cosigning(home: Home, owner: User, fingerprint: str) -> Cosigning:
    """What the settings say of it; the keys database must run. Raises VaultError."""
    db = connect(auditor_database(home, "keys"), size=1, name="keys")
    try:
        logs = signing_keys(db.run(load_chain), fingerprint=fingerprint)
    finally:
        db.close()
    return Cosigning(cosigner_vkey(home, owner, fingerprint), logs)
