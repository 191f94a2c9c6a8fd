"""A login that does not exist costs what one costs that does: counted, not timed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.rig.people import enrol
from tests.rig.vault import Vault
from vault_service.domain.errors import LoginRefusedError
from vault_service.kms.client import KmsClient
from vault_service.kms.messages import Unlock
from vault_service.kms.service import KeyService
from vault_service.kms.unlock import unlock


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Statements by their first word; each of them really runs."""
    counts: Counter[str] = Counter()
    real = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        counts[str(query).split()[0]] += 1
        return real(self, query, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", execute)
        yield counts


def work_of(
    service: KeyService, request: Unlock, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, Counter[str], Counter[str]]:
    """Argon2 derivations, token operations, statements of one refused unlock."""
    derivations, calls = service.argon2.derivations, Counter(service.keyring.token.calls)
    with counted_statements(monkeypatch) as statements, pytest.raises(LoginRefusedError):
        unlock(service, request)
    return service.argon2.derivations - derivations, service.keyring.token.calls - calls, statements


def test_an_unknown_login_costs_the_same_argon2_token_calls_and_statements(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.manifests.current()
    person = enrol(vault, kms)
    wrong = "not the password of anybody here"

    known = work_of(service, Unlock(vault.app_key, person.login, wrong), monkeypatch)
    unknown = work_of(service, Unlock(vault.app_key, "nobody-at-all@example.org", wrong), monkeypatch)

    assert known == unknown
    assert known[0] == 1
    assert known[1] == Counter({"hmac": 2})


def test_the_right_password_costs_the_same_argon2_and_token_calls(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    service.manifests.current()
    person = enrol(vault, kms)
    derivations, calls = service.argon2.derivations, Counter(service.keyring.token.calls)

    unlock(service, Unlock(vault.app_key, person.login, person.password))

    assert service.argon2.derivations - derivations == 1
    assert service.keyring.token.calls - calls == Counter({"hmac": 2})
