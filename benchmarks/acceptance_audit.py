"""A day of a vault for a thousand people: imported, 100,000 events of random traffic, exported, verified.

    python -m benchmarks.acceptance_audit [PEOPLE] [EVENTS]

Real services throughout: tokens, PostgreSQL, key service, both workers, the API. The people come in through
`vaultctl import` and sign in through the API; the traffic then goes through the API's own use cases in four
threads, as its database role, without HTTP in between. Afterwards the export is copied elsewhere and verified
with the public keys only, and an edit by a superuser must be found. Fails if any of it does.
"""

import csv
import hashlib
import random
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cli.commands import Ran, vaultctl
from tests.rig.postgres import fresh_database, running_server
from tests.rig.vault import Vault, running_vault
from vault_service.client import VaultClient
from vault_service.domain.tokens import SessionToken
from vault_service.policy.load import load_policies
from vault_service.records.store import RecordStore

_THREADS = 4
_FIELDS = b'{"full_name": "Ana Silva", "email": "ana@example.org"}'


def main(people: int, events: int) -> None:
    """All of it."""
    scratch = Path(tempfile.mkdtemp(prefix="vault-acceptance-", dir="/tmp"))
    scratch.chmod(0o755)
    (scratch / "pg").mkdir(mode=0o755)
    try:
        with (
            running_server(scratch / "pg") as server,
            fresh_database(server, "keys") as keys,
            fresh_database(server, "records") as records,
            running_vault(scratch / "vault", keys, records) as vault,
        ):
            vault.start_worker("records")
            vault.start_worker("keys")
            vault.start_api()
            tokens = bring_in(vault, scratch, people)
            traffic(vault, tokens, events)
            audit(vault, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def bring_in(vault: Vault, scratch: Path, people: int) -> list[SessionToken]:
    """Import them, then sign each in."""
    password = "seven lamps over the quiet harbour {}"
    with (scratch / "people.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["mail", "name", "password"])
        rows.writerows([f"p{n}@example.org", f"Person {n}", password.format(n)] for n in range(people))
    (scratch / "app.key").touch(0o600)
    (scratch / "app.key").write_text(vault.app_key)
    began = time.perf_counter()
    done = vaultctl(
        vault, "import", scratch / "people.csv", "--app-key-file", scratch / "app.key", "--map", "login=mail",
        "--map", "full_name=name", "--passwords", "column:password", timeout_s=1800,
    )  # fmt: skip
    expect(done, 0)
    print(f"{people} people imported in {time.perf_counter() - began:.0f} s")
    with (
        VaultClient(vault.api_url, app_key=vault.app_key, timeout_s=60) as client,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        sessions = pool.map(
            lambda n: client.sign_in(f"p{n}@example.org", password.format(n)).reveal_token(),
            range(people),
        )
        return [SessionToken.parse(token) for token in sessions]


def traffic(vault: Vault, tokens: list[SessionToken], events: int) -> None:
    """Random reads, writes and lists by everybody, until the log has so many events."""
    with vault.records.superuser() as conn:
        row = conn.execute("SELECT count(*) FROM audit_events").fetchone()
    missing = events - int(str(row[0] if row else 0))
    db = vault.records.open("vault_api", size=_THREADS)
    store = RecordStore(db, load_policies(vault.home / "policies"))
    left, lock = [max(0, missing)], threading.Lock()

    def person(number: int) -> None:
        chance = random.Random(number)
        own: dict[int, list[object]] = {}
        while True:
            with lock:
                if left[0] <= 0:
                    return
                left[0] -= 1
            who = chance.randrange(len(tokens))
            if not own.get(who) or chance.random() < 0.1:
                own.setdefault(who, []).append(store.create(tokens[who], "contact", _FIELDS)[0].record)
            elif chance.random() < 0.9:
                store.read(tokens[who], chance.choice(own[who]))  # type: ignore[arg-type]
            else:
                store.find(tokens[who])

    began = time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(person, range(_THREADS)))
    db.close()
    took = time.perf_counter() - began
    print(f"{missing} events of traffic in {took:.0f} s, {missing / took:.0f} a second")


def audit(vault: Vault, scratch: Path) -> None:
    """Export, verify elsewhere, compare with plain SHA-256, and find an edit."""
    began = time.perf_counter()
    expect(vaultctl(vault, "audit", "export", scratch / "export", timeout_s=1800), 0)
    print(f"exported in {time.perf_counter() - began:.1f} s")
    shutil.copytree(scratch / "export", scratch / "elsewhere/export")
    shutil.copy(scratch / "export/audit.vkey", scratch / "elsewhere/audit.vkey")
    verify = ("audit", "verify", scratch / "elsewhere/export", "--key", scratch / "elsewhere/audit.vkey")
    began = time.perf_counter()
    done = vaultctl(vault, *verify, timeout_s=1800)
    took = time.perf_counter() - began
    expect(done, 0)
    print(done.out)
    lines = sum(
        (scratch / f"export/{log}/events.jsonl").read_bytes().count(b"\n") for log in ("keys", "records")
    )
    plain = hashed(scratch / "export")
    print(
        f"{lines} events verified in {took:.2f} s, {lines / took:.0f} a second; "
        f"plain SHA-256 of the same bytes: {plain:.3f} s, {lines / plain:.0f} a second"
    )
    with vault.records.superuser() as conn:
        conn.execute("ALTER TABLE audit_events DISABLE TRIGGER USER")
        conn.execute(
            "UPDATE audit_events SET n = n + 1 WHERE event_id = (SELECT event_id FROM audit_leaves "
            "WHERE leaf_index = (SELECT size / 2 FROM audit_tree))"
        )
    expect(vaultctl(vault, "audit", "export", scratch / "altered", timeout_s=1800), 0)
    found = vaultctl(
        vault,
        "audit",
        "verify",
        scratch / "altered",
        "--key",
        scratch / "elsewhere/audit.vkey",
        timeout_s=1800,
    )
    expect(found, 1)
    if "leaf.edited" not in found.out:
        sys.exit(found.out)
    print("an edited event was found:", found.out.splitlines()[1])


def hashed(folder: Path) -> float:
    """Seconds for plain SHA-256 over all files."""
    began = time.perf_counter()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")
    return time.perf_counter() - began


def expect(done: Ran, code: int) -> None:
    """Stop here if it ended otherwise."""
    if done.code != code:
        sys.exit(f"exit code {done.code} instead of {code}:\n{done.out}\n{done.err}")


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["1000", "100000"][len(sys.argv) - 1 :])))
