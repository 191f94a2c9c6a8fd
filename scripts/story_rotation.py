"""Every user's wraps moved to new keys while people use the vault and processes are killed.

    make story-rotation [USERS=2000] [CROWD=98000] [SEED=…]

On a scratch vault, as `make run` starts one: people sign up; a load of sign-ins, reads, writes, changes of
passwords and logins, and erasures begins, each beside a model of what must be found. Then the pepper, the
login index and the escrow key are replaced, with the commands that operators and officers type, while the
worker, the key service and a ceremony are killed. The old keys are given up and destroyed, and everything is
looked at: the census is zero, every wrap opens, people sign in and find what they left, a drill opens the
escrow wrap of everybody, and both logs verify. Ends with 1 if anything is lost or left, and cleans up
in any case. CROWD: so many more, whose rows are put into the keys database instead of signing up: all their
wraps but the password's are real.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from stage import DiffersError, Stage, Teller, differs, scratch
from story_keys import Keys
from story_officers import Officers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the load is that of the tests

from benchmarks.rotation_people import add_people
from tests.rotation.traffic import Traffic, again
from vault_service.bootstrap.kms import build_key_service
from vault_service.client import VaultClient
from vault_service.client.errors import VaultClientError
from vault_service.domain.errors import VaultError
from vault_service.settings import load_settings, read_secret

PASSWORD = "seven lanterns over the quiet harbour"
_AT_ONCE = 4
_SAMPLE = 1000  # users who sign in at the end


def login(number: int) -> str:
    """Of one of those who sign up at the beginning and do nothing."""
    return f"person-{number}@example.org"


def note(number: int) -> dict[str, str]:
    """What they stored."""
    return {"title": f"note of {number}", "text": f"{number} plums"}


def policies(home: Path, users: int) -> Path:
    """The project's own, but with the least Argon2 cost, codes that people keep, and small batches."""
    folder = home / "policies"
    shutil.copytree(Path(__file__).parent.parent / "policies", folder)
    batch = max(2, min(500, users // 20))
    for name, before, after in (
        ("passwords.toml", "memory_kib = 65536", "memory_kib = 19456"),
        ("passwords.toml", "iterations = 3", "iterations = 2"),
        ("recovery.toml", "enabled = false", "enabled = true"),
        ("rotation.toml", "\nbatch = 500 ", f"\nbatch = {batch} "),
    ):
        text = (folder / name).read_text("utf-8")
        if before not in text:
            differs(f"{name} has no {before!r}")
        (folder / name).write_text(text.replace(before, after, 1), "utf-8")
    return folder


def play(stage: Stage, teller: Teller, users: int, crowd: int, seed: int) -> None:
    """Each chapter; raises DiffersError where the story goes another way."""
    teller.chapter("A vault, with three demo officers, each with a key file")
    stage.start()
    teller.say(f"ready: {', '.join(sorted(stage.ready['pids']))}")
    with VaultClient(stage.ready["api_url"], app_key=stage.ready["app_key"], retries=0) as vault:
        teller.chapter(f"{users} people sign up, and each stores a note")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda number: settle(vault, number), range(users)))
        if crowd:
            gather(stage, crowd)
            teller.say(f"and {crowd} more are there as well")
        teller.chapter("A load begins: people come, sign in, read, write, change what they have, and go")
        traffic = Traffic(vault, seed, threads=2, people=4)
        keys = Keys(stage, teller, random.Random(seed), traffic)
        officers = Officers(stage, teller)
        with traffic.running():
            rotate(keys, officers, teller)
        teller.say("\n".join(f"{what}: {number}" for what, number in sorted(traffic.done.items())))
        look(keys, officers, vault, teller, traffic, users, seed)
    verify(stage, teller)


def settle(vault: VaultClient, number: int) -> None:
    """One of those who do nothing afterwards."""
    again(lambda: vault.sign_up(login(number), PASSWORD, idempotency_key=f"person-{number}"))
    with again(lambda: vault.sign_in(login(number), PASSWORD)) as person:
        person.records.create("note", note(number), idempotency_key=f"note-{number}")


def gather(stage: Stage, crowd: int) -> None:
    """As the key service's user, whose token it is: a soft token's files stay with whoever logs in."""
    owner = Path(f"/proc/{stage.ready['pids']['kms']}").stat()
    environment = os.environ | {"VAULT_HOME": str(stage.home / "vault")}
    subprocess.run(  # this file
        [sys.executable, __file__, "--gather", str(crowd)],
        check=True, env=environment, user=owner.st_uid, group=owner.st_gid, extra_groups=(),
    )  # fmt: skip


def add_crowd(crowd: int) -> None:
    """Rows of many, made as the key service makes them."""
    settings = load_settings()
    if settings.kms is None:
        raise DiffersError("no key service in vault.toml")
    service = build_key_service(settings, settings.kms)
    service.keyring.token.open()
    try:
        database = settings.kms.database
        conninfo = make_conninfo(database.dsn, password=read_secret(database.password_file))
        with psycopg.connect(conninfo, autocommit=True) as conn:
            add_people(conn, service, crowd)
    finally:
        service.db.close()
        service.keyring.token.close()


def rotate(keys: Keys, officers: Officers, teller: Teller) -> None:
    """Three new keys, and the end of the old ones, under load and with kills."""
    teller.chapter("A new pepper, while the worker and the key service are killed")
    keys.rotate("pepper")
    teller.chapter("A new login index, likewise")
    keys.rotate("login-index")
    teller.chapter("A new escrow key: two officers have a ceremony make it, and agree to use it")
    point = officers.new_key()
    officers.use_key(point)
    teller.chapter("Every escrow wrap is sealed to it, by a ceremony that is killed in the middle")
    officers.seal_everything_anew(keys)
    teller.chapter("Nothing needs the old keys any more: they are given up and destroyed")
    for kind in ("pepper", "login-index"):
        keys.retire(kind, 1)
    officers.destroy_key(1)


def look(
    keys: Keys,
    officers: Officers,
    vault: VaultClient,
    teller: Teller,
    traffic: Traffic,
    users: int,
    seed: int,
) -> None:
    """What has become of everybody."""
    teller.chapter("The census, and every wrap opened again")
    keys.nothing_is_left()
    keys.every_wrap_opens()
    teller.chapter("People sign in, and find what they left")
    traffic.check()
    teller.say(f"{len(traffic.members)} people of the load: as their model says")
    sample = random.Random(seed).sample(range(users), min(users, _SAMPLE))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip(sample, pool.map(lambda number: found_by(vault, number), sample), strict=True))
    wrong = [number for number in sample if not found[number]]
    if wrong:
        differs(f"{len(wrong)} of {len(sample)} do not find what they stored: {wrong[:10]}")
    teller.say(f"{len(sample)} of those who did nothing all along: each finds the note")
    teller.chapter("A drill opens the escrow wrap of everybody")
    officers.drill()


def found_by(vault: VaultClient, number: int) -> bool:
    """Whether one of them finds the note, and nothing else."""
    with again(lambda: vault.sign_in(login(number), PASSWORD)) as person:
        return [record.fields for record in person.records.find(collection="note")] == [note(number)]


def verify(stage: Stage, teller: Teller) -> None:
    """An auditor with public keys only."""
    teller.chapter("Both logs verify, with public keys only")
    trails = stage.home / "trails"
    stage.vaultctl("audit", "export", str(trails))
    shutil.copy(trails / "audit.vkey", stage.home / "audit.vkey")
    if not stage.vaultctl("audit", "verify", str(trails), "--key", str(stage.home / "audit.vkey")).startswith(
        "sound"
    ):
        differs("the trail is not sound")


def main() -> int:
    """0: nothing is lost, and nothing is left on an old key."""
    users, seed = int(os.environ.get("USERS", "60")), int(os.environ.get("SEED", str(int(time.time()))))
    crowd = int(os.environ.get("CROWD", "0"))
    teller, began = Teller(), time.monotonic()
    print(f"USERS={users} CROWD={crowd} SEED={seed}")
    with scratch() as home:
        stage = Stage(home, teller, {"VAULT_POLICIES": str(policies(home, users + crowd))})
        try:
            play(stage, teller, users, crowd, seed)
        except (
            DiffersError,
            AssertionError,
            VaultError,
            VaultClientError,
            subprocess.TimeoutExpired,
        ) as error:
            print(f"\nThe story differs: {error}", file=sys.stderr)
            return 1
        finally:
            stage.stop()
    print(f"\nNothing is lost, and nothing is left on an old key ({time.monotonic() - began:.0f} s).")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--gather"]:
        add_crowd(int(sys.argv[2]))
    else:
        sys.exit(main())
