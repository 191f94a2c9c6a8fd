"""A scripted server, and a client whose waits are written down instead of waited for."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.client.scripted_server import Script, scripted_server
from vault_service.client import VaultClient

APP_KEY = "vsa_" + "A" * 86
TOKEN = "vss_" + "B" * 86


@dataclass
class Patient:
    """A client, and the seconds that it would have waited."""

    vault: VaultClient
    waits: list[float]


@pytest.fixture
def server() -> Iterator[Script]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def patient(server: Script) -> Iterator[Patient]:
    with VaultClient(server.url, app_key=APP_KEY, timeout_s=5) as vault:
        waits: list[float] = []
        vault._sender.pause = waits.append
        yield Patient(vault, waits)
