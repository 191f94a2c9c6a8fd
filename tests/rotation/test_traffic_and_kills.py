"""People use the vault, keys are replaced one after another, and processes are killed at any moment.

VAULT_TEST_KILLS says how often (100), VAULT_TEST_SEED with which chances: a failure names its own.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promises.inside import Row, rows_of
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.vault import PASSWORD, Vault, running_vault
from tests.rotation.operator import Operator
from tests.rotation.sweeper import Sweeper
from tests.rotation.traffic import Traffic
from tests.rotation.turning import Turner
from vault_service.client import VaultClient
from vault_service.domain.rotation import OnlineKind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("VAULT_TEST_KILLS", "100"))
SEED = int(os.environ.get("VAULT_TEST_SEED", str(random.SystemRandom().randrange(10**9))))
BYSTANDERS = 12
KINDS: tuple[OnlineKind, ...] = ("pepper",)


@pytest.fixture(scope="module")
def busy(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault with everything that a rotation goes through."""
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / keys.name, keys, records, small_batches, forked=True) as vault,
    ):
        vault.start_api()
        yield vault


def small_batches(vault: Vault) -> None:
    """So that a kill meets one, and so does each change that somebody makes."""
    file = vault.home / "policies" / "rotation.toml"
    file.write_text(file.read_text().replace("\nbatch = 500 ", "\nbatch = 3 "))


class Bystander:
    """Somebody who does nothing all along."""

    def __init__(self, vault: Vault, client: VaultClient, number: int) -> None:
        self.vault, self.login = vault, f"bystander-{number}@example.org"
        self.user = client.sign_up(self.login, PASSWORD).user_id
        with client.sign_in(self.login, PASSWORD) as session:
            self.session = session
            session.records.create("contact", {"full_name": f"Bystander {number}"})
            session.records.create("note", {"title": "plums", "text": f"{number} kilos"})
        self.rows = self.data()

    def data(self) -> list[Row]:
        """All rows that hold the person's data, as they stand on the disk."""
        return [
            row
            for table in ("records", "record_tags")
            for row in rows_of(self.vault.records, table, self.user)
        ]

    def reads(self, client: VaultClient) -> list[object]:
        with client.sign_in(self.login, PASSWORD) as session:
            return sorted((record.fields for record in session.records.find()), key=str)


class Killer:
    """Kills one of the vault's processes after another, and lets it come back."""

    def __init__(self, vault: Vault, chance: random.Random) -> None:
        self.vault, self.chance = vault, chance

    def kill_one(self) -> None:
        time.sleep(self.chance.uniform(0.0, 0.4))
        self.vault.running["kms"].kill()
        self.vault.start_forked_kms()


def test_nothing_is_lost_or_left_behind_whatever_is_killed(busy: Vault) -> None:
    print(f"VAULT_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    with VaultClient(busy.api_url, app_key=busy.app_key, retries=0) as client, Operator.of(busy) as operator:
        bystanders = [Bystander(busy, client, number) for number in range(BYSTANDERS)]
        traffic = Traffic(client, SEED)
        over = threading.Event()
        turner = Turner(operator, stopped=lambda: over.is_set() or traffic.stopped)
        broken: list[BaseException] = []

        def turn() -> None:
            try:
                while not turner.stopped():
                    for kind in KINDS:
                        turner.turn(kind)
            except BaseException as error:  # noqa: BLE001  # told below
                broken.append(error)

        turning = threading.Thread(target=turn, daemon=True)
        with Sweeper(busy).running(), traffic.running():
            turning.start()
            killer = Killer(busy, chance)
            for _ in range(KILLS):
                if broken or traffic.failures:
                    break
                killer.kill_one()
            over.set()
            turning.join(120)
        assert broken == []
        assert traffic.failures == []
        print(dict(traffic.done), dict(turner.turned))
        with Sweeper(busy).running():
            turner.stopped = lambda: False
            for kind in KINDS:
                turner.turn(kind)
        traffic.check()
        assert turner.unreadable() == ()
        for kind in KINDS:
            older = [row for row in turner.all(kind) if row.state != "current"]
            assert {row.state for row in older} == {"destroyed"}
        for each in bystanders:
            assert each.data() == each.rows, "no row of anybody's data was touched"
            assert each.reads(client) == [
                {"full_name": f"Bystander {each.login.split('-')[1].split('@')[0]}"},
                {"title": "plums", "text": f"{each.login.split('-')[1].split('@')[0]} kilos"},
            ]
