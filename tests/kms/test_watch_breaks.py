"""A key service that can no longer look whether it may serve ends, and its threads with it."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.rig.forked import FORKS, Forked, become
from tests.rig.service import Process
from tests.rig.vault import Vault

pytestmark = pytest.mark.slow


def serve_with_a_broken_watch(environment: dict[str, str], log: Path, broken: Path) -> None:
    from vault_service.settings import load_settings

    kms: Any = import_module("vault_service.bootstrap.kms")
    become(environment, log)
    expire = kms.expire_cases

    def unforeseen(*args: Any) -> Any:
        if broken.exists():
            raise ZeroDivisionError
        return expire(*args)

    kms.expire_cases = unforeseen
    kms.serve_kms(load_settings())


def test_a_defect_in_a_watch_ends_the_key_service(own_vault: Vault) -> None:
    own_vault.running["kms"].stop()
    broken, log = own_vault.home / "broken", own_vault.home / "kms.log"
    arguments = (own_vault.environment, log, broken)
    service = Forked(FORKS.Process(target=serve_with_a_broken_watch, args=arguments))
    own_vault.running["kms"] = process = Process("kms", service, log)
    try:
        own_vault.wait_for(own_vault.kms_is_healthy, process)

        broken.touch()

        assert service.wait(60) not in (0, None)
    finally:
        service.kill()
    assert not own_vault.kms_is_healthy()
