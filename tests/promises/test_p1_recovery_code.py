"""P1 of recovery codes: a leaked copy of both databases does not even confirm the right code.

A code has 128 random bits, so there is nothing to guess; under the pepper not even a code that was found can
be tried without the key service, which counts.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.cli.people import dump
from tests.promises.test_p1_no_guess_can_be_tested import cannot_peel
from tests.rig.people import Person, enrol, kms_of
from tests.rig.tokens import opened
from tests.rig.vault import Vault, settings_of
from vault_service.bootstrap.kms import build_key_service
from vault_service.crypto.recovery_code import parse_code
from vault_service.crypto.seal import open_sealed
from vault_service.domain.contexts import CodeContext, OuterContext
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import DekId, TenantId
from vault_service.kms.protocol.recovery_messages import CreateRecoveryCode, RecoveryCodeIs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kept(vault: Vault) -> Iterator[tuple[Person, str]]:
    with closing(kms_of(vault)) as kms:
        person = enrol(vault, kms)
        yield person, kms.call(CreateRecoveryCode(person.user, person.password), RecoveryCodeIs).code


def leaked(person: Person) -> tuple[CodeContext, OuterContext, bytes]:
    """The rows, as a dump of the keys database gives them."""
    with person.vault.keys.superuser() as conn:
        row = conn.execute(
            """SELECT u.tenant_id, r.dek_id, r.epoch, u.login_index_gen, u.login_index, r.pepper_gen, r.wrap
               FROM recovery_codes r JOIN users u USING (user_id) WHERE r.user_id = %s""",
            (person.user,),
        ).fetchone()
    assert row is not None
    tenant, dek, epoch, gen, index, pepper, wrap = row
    place = CodeContext(TenantId(tenant), person.user, DekId(dek), int(str(epoch)))  # type: ignore[arg-type]  # uuids
    assert isinstance(index, bytes)
    assert isinstance(wrap, bytes)
    outer = OuterContext(b"code", place.encode(), int(str(gen)), index, int(str(pepper)))
    return place, outer, wrap


def opens(code: bytes, place: CodeContext, candidates: list[bytes]) -> bool:
    for candidate in candidates:
        with contextlib.suppress(SealBrokenError):
            open_sealed(code, place, candidate)
            return True
    return False


def test_without_the_token_the_right_code_opens_nothing(kept: tuple[Person, str]) -> None:
    person, code = kept
    place, outer, wrap = leaked(person)

    assert not opens(parse_code(code), place, [wrap, *cannot_peel(outer, wrap)])


def test_with_the_token_it_does_so_the_attack_is_a_real_one(vault: Vault, kept: tuple[Person, str]) -> None:
    person, code = kept
    place, outer, wrap = leaked(person)
    settings = settings_of(vault)
    assert settings.kms is not None
    service = build_key_service(settings, settings.kms)
    opened(service.keyring.token)
    try:
        peeled = open_sealed(service.keyring.token.hmac("pepper/1", outer.encode()), outer, wrap)
    finally:
        service.db.close()
        service.keyring.token.close()

    assert opens(parse_code(code), place, [peeled])
    assert not opens(bytes(16), place, [peeled])


def test_no_copy_of_the_code_stands_in_either_database(vault: Vault, kept: tuple[Person, str]) -> None:
    everything = dump(vault.keys) + dump(vault.records)
    raw = parse_code(kept[1])

    for trace in (raw, kept[1].encode(), kept[1].replace("-", "").encode(), hashlib.sha256(raw).digest()):
        assert trace not in everything
        assert trace.hex().encode() not in everything
