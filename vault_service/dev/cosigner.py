"""The key that the records side's worker cosigns both logs with: made once, readable by that worker only."""

from vault_service.dev.configure import cosigner_key
from vault_service.dev.home import Home, hand_over
from vault_service.dev.process import User
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
