"""Officers who sign with passkeys, as if an officer change had re-keyed them: quicker than one."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from tests.kms.chains import endorse, follow, officer, put, restart, sign_in_token
from tests.rig.officers import manifest_of, words_of
from tests.rig.passkeys import ORIGIN, SoftPasskey
from tests.rig.vault import Vault, settings_of
from vault_service.ceremony.bundle import keep, read_bundle
from vault_service.ceremony.shares import ESCROW_PIN, combine, sealed_set
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Officer
from vault_service.storage.keys.shares import list_pin_generations, replace_shares


def hand_out_passkeys(
    vault: Vault, names: Iterable[str], *, origin: str = ORIGIN, prf: bool = True
) -> dict[str, SoftPasskey]:
    """From now on these officers of a new vault sign with passkeys, and their key files are nobody's.

    The manifest is endorsed by the key files of before, the escrow PIN's shares are sealed anew. Without
    `prf` the manifest has no wrapped share key. `origin`: of the console, on localhost or over TLS.
    """
    before = manifest_of(vault)
    rp_id = origin.split("//", 1)[1].partition(":")[0]
    passkeys = {name: SoftPasskey(origin, rp_id) for name in names}

    def re_keyed(each: Officer) -> Officer:
        passkey = passkeys.get(each.name)
        if passkey is None:
            return each
        authenticator = passkey.authenticator(new_uuid(), each.officer_id, vault.fingerprint, prf=prf)
        return Officer(
            each.officer_id, each.name, each.roles, (authenticator,), passkey.share_key.hex(), each.user_ids
        )

    manifest = follow(before, officers=tuple(map(re_keyed, before.officers)))
    quorum = [each.name for each in before.officers if "approver" in each.roles][: before.quorum.base]
    put(vault, sign_in_token(vault, manifest, *(endorse(officer(vault, name), manifest) for name in quorum)))
    with vault.keys.superuser() as conn:
        (generation,) = (row.pin_gen for row in list_pin_generations(conn) if row.state == "active")
        secret = combine([words_of(vault, name, generation) for name in quorum])
        shares = sealed_set(secret, manifest, generation)
        replace_shares(conn, ESCROW_PIN, generation, shares, datetime.now(UTC))
    _keep_for_ceremonies(vault, generation, shares)
    restart(vault)
    return passkeys


def _keep_for_ceremonies(vault: Vault, generation: int, shares: Mapping[UUID, bytes]) -> None:
    """A ceremony believes its own folder, and puts back into the database what stands there."""
    settings = settings_of(vault)
    assert settings.ceremony is not None
    folder = settings.ceremony.state_dir
    keep(folder, replace(read_bundle(folder).sets[generation], shares=dict(shares)))
