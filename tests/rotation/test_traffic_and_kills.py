"""People use the vault, keys are replaced one after another, and processes are killed at any moment.

VAULT_TEST_KILLS says how often (in make acceptance-rotation 100 times), VAULT_TEST_SEED with which chances:
a failure names its own.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ceremony.office import office_of
from tests.promises.inside import Row, rows_of
from tests.rig.postgres import TestServer
from tests.rig.vault import PASSWORD, Vault, vault_of_its_own
from tests.rotation.operator import Operator
from tests.rotation.recovering import Recovering
from tests.rotation.traffic import Traffic
from tests.rotation.turning import Turner
from vault_service.client import VaultClient
from vault_service.domain.rotation import OnlineKind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("VAULT_TEST_KILLS", "12"))
SEED = int(os.environ.get("VAULT_TEST_SEED", str(random.SystemRandom().randrange(10**9))))
BYSTANDERS = 12
VICTIMS, WEIGHTS = ("kms", "worker_keys", "another_worker"), (2, 3, 3)
KINDS: tuple[tuple[OnlineKind, ...], ...] = (
    ("pepper", "manifest", "case"), ("login-index", "note", "audit-signing"),
)  # fmt: skip
"""Two operators at the same time, each with kinds of their own."""
REWRAPPED_HERE: tuple[OnlineKind, ...] = ("pepper", "login-index")


@pytest.fixture(scope="module")
def busy(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault with everything that a rotation goes through."""
    with vault_of_its_own(scratch, postgres, many_meet) as vault:
        vault.start_api()
        vault.start_forked_worker("keys")
        vault.start_forked_worker("keys", name="another_worker")
        yield vault


def many_meet(vault: Vault) -> None:
    """So that a kill meets one, and so does each change that somebody makes."""
    file = vault.home / "policies" / "rotation.toml"
    file.write_text(file.read_text().replace("\nbatch = 500 ", "\nbatch = 20 "))
    vault.dawdle_s = 1.5


class Bystander:
    """Somebody who does nothing all along."""

    def __init__(self, vault: Vault, client: VaultClient, number: int) -> None:
        self.vault, self.login = vault, f"bystander-{number}@example.org"
        self.user = client.sign_up(self.login, PASSWORD).user_id
        with client.sign_in(self.login, PASSWORD) as session:
            session.records.create("contact", {"full_name": f"Bystander {number}"})
            session.records.create("note", {"title": "plums", "text": f"{number} kilos"})
        self.fields = self.reads(client)
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
        self.killed: Counter[str] = Counter()

    def kill_one(self) -> None:
        time.sleep(self.chance.uniform(0.0, 0.5))
        name = self.chance.choices(VICTIMS, WEIGHTS)[0]
        self.vault.running[name].kill()
        if name == "kms":
            self.vault.start_forked_kms()
        else:
            self.vault.start_forked_worker("keys", name=name)
        self.killed[name] += 1


def turning(turner: Turner, kinds: tuple[OnlineKind, ...], broken: list[BaseException]) -> None:
    """One key after another, until it is enough."""
    try:
        while not turner.stopped():
            for kind in kinds:
                if not turner.stopped():
                    turner.turn(kind)
    except BaseException as error:  # noqa: BLE001  # told by the test that waits for this thread
        broken.append(error)


def test_nothing_is_lost_or_left_behind_whatever_is_killed(busy: Vault) -> None:
    chance = random.Random(SEED)
    with (
        VaultClient(busy.api_url, app_key=busy.app_key, retries=0) as client,
        Operator.of(busy) as operator,
        office_of(busy) as office,
    ):
        bystanders = [Bystander(busy, client, number) for number in range(BYSTANDERS)]
        traffic, over = Traffic(client, SEED), threading.Event()
        recovering = Recovering(client, office, over)
        killer, broken = Killer(busy, chance), list[BaseException]()
        turners = [
            Turner(operator, stopped=lambda: over.is_set() or traffic.stopped, give_up_every=3) for _ in KINDS
        ]
        threads = [
            *(
                threading.Thread(target=turning, args=(turner, kinds, broken), daemon=True)
                for turner, kinds in zip(turners, KINDS, strict=True)
            ),
            threading.Thread(target=recovering.run, daemon=True),
        ]
        with traffic.running():
            for thread in threads:
                thread.start()
            for _ in range(KILLS):
                if not (broken or traffic.failures or recovering.failures):
                    killer.kill_one()
            over.set()
            for thread in threads:
                thread.join(150)
        told = f"VAULT_TEST_SEED={SEED} {dict(killer.killed)} {dict(traffic.done)} {recovering.regained}"
        told += f" {[dict(turner.turned) for turner in turners]}"
        assert (broken, traffic.failures, recovering.failures) == ([], [], []), told

        turner = Turner(operator)
        for kind in REWRAPPED_HERE:
            turner.turn(kind)
        traffic.check()
        assert turner.unreadable() == ()
        for kind in REWRAPPED_HERE:
            states = [row.state for row in turner.all(kind)]
            assert states[:-1] == ["destroyed"] * (len(states) - 1), f"{kind}: {states}; {told}"
        for each in bystanders:
            assert each.data() == each.rows, "no row of anybody's data was touched"
            assert each.reads(client) == each.fields
