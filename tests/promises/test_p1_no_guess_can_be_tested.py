"""P1: a leaked copy of both databases and of every configuration file tests not even one guess.

The attacker here knows the right password and login, which is more than any guess. Whatever can be
computed from them and the leak is computed; if nothing tells the right password from a wrong one,
no guess can be tested. As a control, the same attack with the token's help succeeds.
"""

import contextlib
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.people import dump
from tests.promises.files import contents
from tests.rig.people import Person, enrol, kms_of
from tests.rig.tokens import opened
from tests.rig.vault import PASSWORD, Vault, settings_of
from vault_service.bootstrap.kms import build_key_service
from vault_service.crypto.argon2 import Argon2, prepare_password
from vault_service.crypto.seal import hkdf, open_sealed
from vault_service.domain.contexts import KdfParams, OuterContext, PasswordContext, login_index_input
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import DekId, TenantId, UserId
from vault_service.domain.login import normalise_login

WRONG = "a password that is not the right one"
Peel = Callable[[OuterContext, bytes], list[bytes]]


class Leak:
    """One user's rows, as a dump of the keys database gives them."""

    def __init__(self, vault: Vault, person: Person) -> None:
        with vault.keys.superuser() as conn:
            row: Any = conn.execute(
                """SELECT u.tenant_id, u.user_id, c.dek_id, c.epoch, c.kdf_memory_kib, c.kdf_iterations,
                          c.kdf_lanes, c.salt, c.pepper_gen, c.wrap, u.login_index, u.login_index_gen
                   FROM users u JOIN credentials c USING (user_id) JOIN deks d USING (user_id)
                   WHERE u.user_id = %(u)s""",
                {"u": person.user},
            ).fetchone()
        self.tenant = TenantId(row[0])
        self.kdf = KdfParams(*row[4:7])
        self.salt: bytes = row[7]
        self.place = PasswordContext(self.tenant, UserId(row[1]), DekId(row[2]), row[3], self.kdf, self.salt)
        self.outer = OuterContext(b"password", self.place.encode(), row[11], row[10], row[8])
        self.wrap: bytes = row[9]
        self.everything = dump(vault.keys) + dump(vault.records)

    def derived(self, password: str, login: str) -> dict[str, bytes]:
        """What a guess gives: Argon2's key and everything that is commonly made of passwords."""
        raw = prepare_password(password)
        kek = Argon2(budget_kib=self.kdf.memory_kib, queue_wait_s=60).derive(password, self.salt, self.kdf)
        place, outer = self.place.encode(), self.outer.encode()
        index_input = login_index_input(self.tenant, normalise_login(login))
        return {
            "kek": kek,
            "hash of the kek": hashlib.sha256(kek).digest(),
            "hash of the password": hashlib.sha256(raw).digest(),
            "salted hash of the password": hashlib.sha256(self.salt + raw).digest(),
            "commitment": hkdf(kek, b"vault_service/seal/1\0" + place, 64)[32:],
            "outer commitment": hkdf(kek, b"vault_service/seal/1\0" + outer, 64)[32:],
            "key of the context": hkdf(kek, place),
            "key of the outer context": hkdf(kek, outer),
            "hash of the login": hashlib.sha256(normalise_login(login).encode()).digest(),
            "hash of the login's context": hashlib.sha256(index_input).digest(),
        }


def tells(leak: Leak, password: str, login: str, peel: Peel) -> bool:
    """Does anything in the leak confirm this guess?"""
    derived = leak.derived(password, login)
    for value in derived.values():
        if value in leak.everything or value.hex().encode() in leak.everything:
            return True
    for candidate in [leak.wrap, *peel(leak.outer, leak.wrap)]:
        for key in derived.values():
            for place in (leak.place, leak.outer):
                try:
                    open_sealed(key, place, candidate)
                except SealBrokenError:
                    continue
                return True
    return False


def cannot_peel(place: OuterContext, wrap: bytes) -> list[bytes]:
    """Without the token: the outer key is an HMAC that only the token computes, and no public value."""
    public = (
        b"",
        bytes(32),
        place.inner,
        place.encode(),
        place.login_index,
        f"pepper/{place.pepper_gen}".encode(),
    )
    peeled = [wrap[begin:] for begin in (1, 33, 45, 61)]
    for value in public:
        for key in (
            value,
            hashlib.sha256(value).digest(),
            hkdf(value, place.encode()),
            hmac.digest(value, place.encode(), "sha256"),
        ):
            with contextlib.suppress(SealBrokenError):
                peeled.append(open_sealed(key, place, wrap))
    return peeled


@pytest.fixture
def person(vault: Vault) -> Person:
    return enrol(vault, kms_of(vault))


def test_without_the_token_even_the_right_password_cannot_be_told_from_a_wrong_one(
    vault: Vault, person: Person
) -> None:
    leak = Leak(vault, person)

    assert not tells(leak, PASSWORD, person.login, cannot_peel)
    assert not tells(leak, WRONG, person.login, cannot_peel)


def test_with_the_token_the_same_attack_succeeds_so_the_attack_is_a_real_one(
    vault: Vault, person: Person
) -> None:
    settings = settings_of(vault)
    assert settings.kms is not None
    service = build_key_service(settings, settings.kms)
    opened(service.keyring.token)
    leak = Leak(vault, person)

    def peel(place: OuterContext, wrap: bytes) -> list[bytes]:
        # Not by the product's own code, which might need no token either.
        return [open_sealed(service.keyring.token.hmac("pepper/1", place.encode()), place, wrap)]

    try:
        index = login_index_input(leak.tenant, person.login)
        assert service.keyring.token.hmac("login/1", index) == leak.outer.login_index
        assert tells(leak, PASSWORD, person.login, peel)
        assert not tells(leak, WRONG, person.login, peel)
    finally:
        service.db.close()
        service.keyring.token.close()


def test_no_configuration_file_holds_a_key_that_opens_the_outer_layer(vault: Vault, person: Person) -> None:
    """Secrets of the host are passwords of roles and the token's PIN; none of them is a key."""
    leak = Leak(vault, person)
    for file, content in contents(vault.home.rglob("*"), largest=100_000):
        if "tokens" in file.parts:
            continue
        for key in (content.strip(), hashlib.sha256(content.strip()).digest()):
            with pytest.raises(SealBrokenError):
                open_sealed(key, leak.outer, leak.wrap)
