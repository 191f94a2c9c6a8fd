"""Somebody puts a manifest of their own into the keys database: the key service refuses to work under it.

Each attack is made on the database and the state of a vault, whose key service is then started
again: over HTTP it answers 503, and nobody is enrolled under a key that officers did not agree to.
"""

import os
from collections.abc import Callable

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.kms.chains import (
    delete,
    endorse,
    eve,
    follow,
    genesis,
    key_service,
    officer,
    put,
    restart,
    seen,
    sign_in_token,
    stored,
    users,
    with_foreign_escrow,
)
from tests.rig.people import enrol, kms_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.crypto.manifest_chain import SignedManifest
from vault_service.domain.errors import ManifestError, TokenKeyError
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import (
    PublicKeyGeneration,
    SecretKeyGeneration,
    State,
    manifest_signing_input,
)
from vault_service.kms.dispatch import Caller, answer
from vault_service.kms.protocol.messages import HealthIs, Refusal
from vault_service.kms.wrapping.keyring import login_index_label, pepper_label

Attack = Callable[[Vault], None]


# --- the attacks


def a_foreign_escrow_key_signed_by_the_attacker(vault: Vault) -> None:
    manifest, key = with_foreign_escrow(vault), Ed25519PrivateKey.generate()
    body = manifest.encode()
    put(vault, SignedManifest(body, key.sign(manifest_signing_input(body))))


def a_foreign_escrow_key_signed_by_the_manifest_key_that_it_brings_along(vault: Vault) -> None:
    manifest, key = with_foreign_escrow(vault), Ed25519PrivateKey.generate()
    own = (PublicKeyGeneration(1, "current", key.public_key().public_bytes_raw().hex()),)
    manifest = msgspec.structs.replace(manifest, keys=msgspec.structs.replace(manifest.keys, manifest=own))
    body = manifest.encode()
    put(vault, SignedManifest(body, key.sign(manifest_signing_input(body))))


def a_foreign_escrow_key_under_the_genesis_manifests_own_signature(vault: Vault) -> None:
    put(vault, SignedManifest(with_foreign_escrow(vault).encode(), stored(vault).signature))


def a_foreign_escrow_key_in_the_genesis_manifest_itself(vault: Vault) -> None:
    before = genesis(vault)
    foreign = with_foreign_escrow(vault).keys.escrow[1]
    escrow = (msgspec.structs.replace(foreign, gen=1),)
    put(
        vault,
        sign_in_token(
            vault, msgspec.structs.replace(before, keys=msgspec.structs.replace(before.keys, escrow=escrow))
        ),
    )


def a_foreign_escrow_key_signed_in_the_token_without_any_officer(vault: Vault) -> None:
    put(vault, sign_in_token(vault, with_foreign_escrow(vault)))


def a_foreign_escrow_key_endorsed_by_one_officer_twice(vault: Vault) -> None:
    manifest, ana = with_foreign_escrow(vault), officer(vault, "ana")
    put(vault, sign_in_token(vault, manifest, endorse(ana, manifest), endorse(ana, manifest)))


def a_foreign_escrow_key_endorsed_by_one_officer_in_two_names(vault: Vault) -> None:
    manifest, ana, bob = with_foreign_escrow(vault), officer(vault, "ana"), officer(vault, "bob")
    put(
        vault,
        sign_in_token(vault, manifest, endorse(ana, manifest), endorse(ana, manifest, as_officer=bob)),
    )


def a_foreign_escrow_key_with_endorsements_of_another_manifest(vault: Vault) -> None:
    manifest = with_foreign_escrow(vault)
    other = follow(genesis(vault))
    signed = (endorse(officer(vault, name), other) for name in ("ana", "bob"))
    put(vault, sign_in_token(vault, manifest, *signed))


def a_foreign_escrow_key_endorsed_by_officers_whom_it_names_itself(vault: Vault) -> None:
    """The newcomers would vote themselves in."""
    manifest = with_foreign_escrow(vault)
    crew = [OfficerKey.generate(each.officer_id, new_uuid(), each.name) for each in manifest.officers]  # type: ignore[arg-type]  # the id of the officer whose place is taken
    manifest = msgspec.structs.replace(manifest, officers=tuple(key.public(("approver",)) for key in crew))
    put(vault, sign_in_token(vault, manifest, *(endorse(key, manifest) for key in crew)))


def another_quorum_in_a_manifest_that_only_the_token_signed(vault: Vault) -> None:
    before = genesis(vault)
    quorum = msgspec.structs.replace(before.quorum, disclosure=3)
    put(vault, sign_in_token(vault, follow(before, quorum=quorum)))


def a_pepper_key_that_is_not_the_tokens(vault: Vault) -> None:
    before = genesis(vault)
    pepper = (SecretKeyGeneration(1, "current", "00" * 8),)
    keys = msgspec.structs.replace(before.keys, pepper=pepper)
    put(vault, sign_in_token(vault, follow(before, keys=keys)))


def a_manifest_key_that_is_not_the_tokens(vault: Vault) -> None:
    """Whoever holds that key could sign all later manifests."""
    before = genesis(vault)
    foreign = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    keys = msgspec.structs.replace(before.keys, manifest=(PublicKeyGeneration(1, "current", foreign),))
    put(vault, sign_in_token(vault, follow(before, keys=keys)))


def an_older_chain_than_the_one_seen(vault: Vault) -> None:
    """The rows of a backup: the newest link is gone again, and so is this host's own copy of it."""
    put(vault, sign_in_token(vault, follow(genesis(vault))))
    with key_service(vault) as service:
        assert service.manifests.current().serial == 2
    delete(vault, since=2)
    (seen(vault).parent / "manifest-chain").unlink()


def no_manifest_at_all(vault: Vault) -> None:
    delete(vault, since=1)


def a_state_file_that_was_overwritten(vault: Vault) -> None:
    seen(vault).write_text("none")


ATTACKS = (
    a_foreign_escrow_key_signed_by_the_attacker,
    a_foreign_escrow_key_signed_by_the_manifest_key_that_it_brings_along,
    a_foreign_escrow_key_under_the_genesis_manifests_own_signature,
    a_foreign_escrow_key_in_the_genesis_manifest_itself,
    a_foreign_escrow_key_signed_in_the_token_without_any_officer,
    a_foreign_escrow_key_endorsed_by_one_officer_twice,
    a_foreign_escrow_key_endorsed_by_one_officer_in_two_names,
    a_foreign_escrow_key_with_endorsements_of_another_manifest,
    a_foreign_escrow_key_endorsed_by_officers_whom_it_names_itself,
    another_quorum_in_a_manifest_that_only_the_token_signed,
    a_manifest_key_that_is_not_the_tokens,
    an_older_chain_than_the_one_seen,
    no_manifest_at_all,
    a_state_file_that_was_overwritten,
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_key_service_that_starts_after_it_refuses(sound: Vault, attack: Attack) -> None:
    before = users(sound)
    attack(sound)

    with key_service(sound) as service:
        caller = Caller("api", "test")
        health_is = answer(service, caller, "health", b"{}")
        refused = answer(service, caller, "enrol", msgspec.json.encode(eve(sound)))

    assert isinstance(health_is, HealthIs)
    assert health_is.manifest == ManifestError.code
    assert isinstance(refused, Refusal)
    assert refused.code == ManifestError.code
    assert users(sound) == before


@pytest.mark.parametrize(
    ("attack", "part"),
    [
        (a_foreign_escrow_key_signed_by_the_attacker, ManifestError.code),
        (a_foreign_escrow_key_signed_in_the_token_without_any_officer, ManifestError.code),
        (a_pepper_key_that_is_not_the_tokens, None),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_over_http_nobody_is_enrolled_after_it(sound: Vault, attack: Attack, part: str | None) -> None:
    before = users(sound)
    attack(sound)
    restart(sound)

    with httpx.Client(base_url=sound.api_url, timeout=30, trust_env=False) as http:
        refused = http.post(
            "/v1/users",
            headers={"Authorization": f"Bearer {sound.app_key}"},
            json={"login": "eve@example.org", "password": PASSWORD},
        )
        parts = http.get("/readyz").json()["parts"]

    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert int(refused.headers["Retry-After"]) >= 1
    assert part is None or parts["manifest"] == part
    assert users(sound) == before


def test_what_two_officers_endorsed_and_the_token_signed_is_believed(sound: Vault) -> None:
    """Without this the tests above would pass with a key service that believes nothing."""
    manifest = with_foreign_escrow(sound)
    signed = (endorse(officer(sound, name), manifest) for name in ("ana", "cleo"))
    put(sound, sign_in_token(sound, manifest, *signed))
    restart(sound)
    sound.wait_for(sound.kms_is_healthy, sound.running["kms"])

    person = enrol(sound, kms_of(sound))

    with sound.keys.superuser() as conn:
        row = conn.execute("SELECT escrow_gen FROM deks WHERE user_id = %s", (person.user,)).fetchone()
    assert row == (2,)
    assert seen(sound).read_text() == "2"
    assert os.stat(seen(sound)).st_mode & 0o022 == 0


def test_a_token_without_the_keys_that_were_destroyed_is_still_the_token(sound: Vault) -> None:
    """Else it would be taken for another one, for good; a row that names such a key just does not open."""
    newest = genesis(sound)
    first = newest.keys
    states: tuple[State, ...] = ("prepared", "destroyed")
    for state in states:
        gone = (SecretKeyGeneration(2, state, "00" * 8),)
        pepper, index = gone + first.pepper, gone + first.login_index
        keys = msgspec.structs.replace(first, pepper=pepper, login_index=index)
        newest = follow(newest, keys=keys)
        put(sound, sign_in_token(sound, newest))

    with key_service(sound) as service:
        assert service.manifests.current().serial == 3
        for label in (pepper_label(2), login_index_label(2)):
            with pytest.raises(TokenKeyError):
                service.keyring.token.hmac(label, b"message")
        health_is = answer(service, Caller("api", "test"), "health", b"{}")

    assert isinstance(health_is, HealthIs)
    assert health_is.token == "ok"
