"""Somebody is moved to a new login index between two statements of one look at their rows.

What is read then does not belong together: one part is bound to the old index, the other to the new one. That
is nobody's tampering, and the call reads once more.
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from uuid import UUID

import pytest

from tests.rig.vault import Vault
from tests.rotation.login_index import a_new_index, begin, rotate
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker, events_of
from tests.rotation.test_login_moved_meanwhile import CALLS, scene_of
from vault_service.domain.events import KeysEvent
from vault_service.kms.client import KmsClient
from vault_service.kms.recovery import complete
from vault_service.kms.service import KeyService
from vault_service.kms.users import login_change, recovery_code


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


def just_before(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, read: str, then: Callable[[], object]
) -> None:
    """Something else is done before the first of these reads."""
    real, times = getattr(module, read), list[int]()

    def late(*args: object) -> object:
        times.append(1)
        if len(times) == 1:
            then()
        return real(*args)

    monkeypatch.setattr(module, read, late)


@pytest.mark.parametrize(
    ("name", "module", "read"),
    [
        ("regain", complete, "find_regain_key"),
        ("change login", login_change, "find_escrow"),
        ("change login", login_change, "find_code"),
        ("use a code", recovery_code, "find_code"),
    ],
)
def test_what_was_read_from_before_and_after_a_move_is_read_again(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker,
    monkeypatch: pytest.MonkeyPatch, name: str, module: ModuleType, read: str,
) -> None:  # fmt: skip
    scene = scene_of(name, turned, api, second)
    user = scene.person.user
    a_new_index(operator, second)
    rotation = begin(second)
    just_before(monkeypatch, module, read, lambda: worker.rewrap(rotation, UUID(int=user.int - 1), user))

    CALLS[name](second, scene)
    rotate(second, worker)

    assert KeysEvent.WRAP_INTEGRITY_FAILED not in events_of(turned, user)
    assert scene.person.opens_with(scene.person.password)
