"""What break-glass leaves in the key service: the same officers, but the words on paper are others."""

import contextlib
import os
from pathlib import Path

from msgspec.structs import replace

from tests.ceremony.glass import first_secret
from tests.rig.officers import manifest_of
from tests.rig.vault import Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.ceremony.break_glass_words import public_key_of, signing_key_of
from vault_service.domain.manifest import BreakGlass, Officer, manifest_hash, manifest_signing_input
from vault_service.kms.protocol.recovery_messages import ManifestSigned, SignManifest
from vault_service.settings import KmsClient as KmsClientSettings

_newest: dict[Path, bytes] = {}
"""What the words give that count in a vault, once those of genesis were used."""


def use_break_glass(vault: Vault, *newcomers: Officer) -> None:
    """Sign by the words that count; afterwards others do. It may bring in officers."""
    secret, fresh = _newest.get(vault.home) or first_secret(vault), os.urandom(16)
    newest = manifest_of(vault)
    serial = newest.tokens.escrow
    candidate = replace(
        newest,
        serial=newest.serial + 1,
        previous=manifest_hash(newest.encode()).hex(),
        break_glass=BreakGlass(public_key_of(fresh, serial), 2),
        officers=(*newest.officers, *newcomers),
    )
    body = candidate.encode()
    signature = signing_key_of(secret, serial).sign(manifest_signing_input(body))
    with contextlib.closing(kms_client(KmsClientSettings(url=vault.socket("ceremony")))) as kms:
        kms.call(SignManifest(body, signature), ManifestSigned)
    _newest[vault.home] = fresh
