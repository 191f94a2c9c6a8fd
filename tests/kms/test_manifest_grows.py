"""A running key service and new links of the chain: what it believes at once, and what stops it."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import msgspec
import pytest

from tests.kms.chains import (
    delete,
    endorse,
    follow,
    genesis,
    health,
    key_service,
    officer,
    put,
    restart,
    seen,
    sign_in_token,
    signed_by,
    with_foreign_escrow,
)
from tests.rig.people import enrol, kms_of
from tests.rig.vault import Vault
from vault_service.crypto.manifest_chain import Endorsement
from vault_service.domain.errors import KmsUnavailableError, ManifestError
from vault_service.domain.manifest import Manifest
from vault_service.kms.service import KeyService


@pytest.fixture
def running(sound: Vault) -> Iterator[tuple[Vault, KeyService]]:
    """A key service that has asked for the manifest; looks when it is told to."""
    with key_service(sound) as service:
        assert service.manifests.current().serial == 1
        yield sound, service


def without_cleo(vault: Vault) -> Manifest:
    before = genesis(vault)
    return follow(before, officers=before.officers[:2])


def endorsements(vault: Vault, manifest: Manifest) -> list[Endorsement]:
    return [endorse(officer(vault, name), manifest) for name in ("ana", "bob")]


def garbage(vault: Vault, serial: int = 2, body: bytes = b"no manifest", endorsed: bytes = b"[]") -> None:
    with vault.keys.superuser() as conn:
        conn.execute(
            "INSERT INTO manifests VALUES (%s, %s, %s, %s, now())", (serial, body, b"\0" * 64, endorsed)
        )


RUBBISH: dict[str, Callable[[bytes], tuple[bytes, bytes]]] = {
    "no JSON": lambda _: (b"no manifest", b"[]"),
    "no text": lambda body: (body.replace(b'"name":"', b'"name":"\xff', 1), b"[]"),
    "a number that has no canonical form": lambda body: (
        body.replace(b'"serial":2', b'"serial":%d' % 2**60),
        b"[]",
    ),
    "a signature that is no text": lambda body: (
        body,
        b'[{"officer_id":"%s","authenticator_id":"%s","signature":"\xff"}]'
        % (2 * (bytes(32).hex()[:32].encode(),)),
    ),
}


def test_a_link_that_another_host_added_counts_at_the_next_look(running: tuple[Vault, KeyService]) -> None:
    vault, service = running
    manifest = without_cleo(vault)
    put(vault, signed_by(service, manifest, *endorsements(vault, manifest)))
    assert service.manifests.current().serial == 1, "nothing was looked at yet"

    assert [each.name for each in service.manifests.fresh().officers] == ["ana", "bob"]
    assert seen(vault).read_text() == "2"


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
def test_a_row_of_rubbish_stops_what_needs_a_manifest_until_it_is_gone(
    running: tuple[Vault, KeyService], rubbish: Callable[[bytes], tuple[bytes, bytes]]
) -> None:
    """It may be what is left of a genuine link: whom that removed must not count a little longer."""
    vault, service = running
    body, endorsed = rubbish(without_cleo(vault).encode())
    garbage(vault, body=body, endorsed=endorsed)
    with pytest.raises(ManifestError, match="cannot be read"):
        service.manifests.fresh()
    with pytest.raises(ManifestError):
        service.manifests.current()

    delete(vault, since=2)

    assert service.manifests.fresh().serial == 1


def test_a_gap_in_the_chain_stops_it_as_well(running: tuple[Vault, KeyService]) -> None:
    vault, service = running
    garbage(vault, 7)

    with pytest.raises(ManifestError):
        service.manifests.fresh()


def test_an_officer_inserted_with_the_tokens_signature_alone_is_none(
    running: tuple[Vault, KeyService],
) -> None:
    vault, service = running
    before = genesis(vault)
    mallory = msgspec.structs.replace(before.officers[0], name="mallory")
    put(vault, signed_by(service, follow(before, officers=(mallory, *before.officers[1:]))))

    with pytest.raises(ManifestError, match="0 of 2 officers"):
        service.manifests.fresh()


def test_it_never_goes_back(running: tuple[Vault, KeyService]) -> None:
    vault, service = running
    manifest = without_cleo(vault)
    put(vault, signed_by(service, manifest, *endorsements(vault, manifest)))
    assert service.manifests.fresh().serial == 2

    delete(vault, since=2)

    assert service.manifests.fresh().serial == 2
    service.manifests.reload()
    assert service.manifests.current().serial == 2
    with vault.keys.superuser() as conn:
        (newest,) = conn.execute("SELECT body FROM manifests WHERE serial = 2").fetchall()
    assert newest == (manifest.encode(),), "put back"

    delete(vault, since=2)
    (seen(vault).parent / "manifest-chain").unlink()  # this host has lost its copy
    service.manifests.reload()
    with pytest.raises(ManifestError, match="manifest 2 has been seen"):
        service.manifests.current()


def test_nothing_is_looked_at_before_it_is_asked_for(sound: Vault) -> None:
    with key_service(sound) as service:
        garbage(sound)
        service.manifests.look()

        with pytest.raises(ManifestError):
            service.manifests.current()


def test_a_service_that_runs_looks_by_itself(sound: Vault) -> None:
    restart(sound)
    sound.wait_for(sound.kms_is_healthy, sound.running["kms"])
    manifest = with_foreign_escrow(sound)
    link = sign_in_token(sound, manifest)

    put(sound, link)
    sound.wait_for(lambda: _state(sound) == ManifestError.code, sound.running["kms"])
    delete(sound, since=2)
    sound.wait_for(lambda: _state(sound) == "ok", sound.running["kms"])
    put(sound, dataclasses.replace(link, endorsements=tuple(endorsements(sound, manifest))))

    def is_believed() -> bool:
        with contextlib.suppress(KmsUnavailableError):
            person = enrol(sound, kms_of(sound))
            with sound.keys.superuser() as conn:
                gen = conn.execute(
                    "SELECT escrow_gen FROM deks WHERE user_id = %s", (person.user,)
                ).fetchone()
            return gen == (2,)
        return False

    sound.wait_for(is_believed, sound.running["kms"])


def _state(vault: Vault) -> str:
    found = health(vault)
    return "" if found is None else found.manifest
