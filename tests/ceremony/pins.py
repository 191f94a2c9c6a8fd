"""A genesis of one's own without any server: its escrow token, its database, its officers."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.rig.postgres import TestDatabase
from tests.rig.vault import MODULE, OFFICERS, REPOSITORY
from vault_service.ceremony.genesis import run_genesis
from vault_service.ceremony.genesis_plan import GenesisPlan, NewToken, with_key_files
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.pin_change import prepare_change
from vault_service.ceremony.pin_open import Opened, generations, look, open_pin
from vault_service.ceremony.pin_records import PinParts
from vault_service.ceremony.shares import ESCROW_PIN, check_secret, combine, open_share
from vault_service.domain.ids import OfficerId
from vault_service.domain.manifest import Manifest, parse_manifest
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.keys.own_shares import list_own_shares
from vault_service.storage.pool import Database

PASSPHRASE = "an officer's passphrase of the tests"
PAIR = ("ana", "bob")


def parts_of(home: Path, db: Database, manifest: Manifest) -> PinParts:
    """What a ceremony has of a genesis in this folder."""
    conf, state = home / "tokens/escrow/softhsm2.conf", home / "state/escrow"
    place = TokenPlace(MODULE, "vault-escrow", conf, state)
    return PinParts(db, place, home / "ceremony", manifest.tokens.escrow, lambda: datetime.now(UTC))


@dataclass
class Escrow:
    """The escrow token of one vault and all that a ceremony knows of its PIN."""

    home: Path
    keys: TestDatabase
    db: Database
    manifest: Manifest
    people: dict[str, OfficerKey] = field(repr=False)

    @property
    def parts(self) -> PinParts:
        return parts_of(self.home, self.db, self.manifest)

    @property
    def place(self) -> TokenPlace:
        return self.parts.place

    @property
    def folder(self) -> Path:
        return self.parts.folder

    def words(self, officer: str, generation: int) -> str | None:
        """What this officer hands in: from the database, with the own key."""
        key = self.people[officer]
        with self.db.connection() as conn:
            sealed = list_own_shares(conn, ESCROW_PIN, OfficerId(key.officer)).get(generation)
        if sealed is None:
            return None
        return open_share(
            key.share_seed, sealed, officer=key.officer, purpose=ESCROW_PIN,
            token_serial=self.manifest.tokens.escrow, generation=generation,
        )  # fmt: skip

    def secret_of(self, generation: int, words: Sequence[str]) -> bytes:
        """What these shares give, if it is that generation's."""
        secret = combine(words)
        (pin,) = [pin for pin in look(self.parts).candidates if pin.generation == generation]
        check_secret(secret, pin.pin_check, self.manifest.tokens.escrow, generation)
        return secret

    def released(self, officers: Sequence[str] = PAIR) -> dict[int, bytes]:
        """Both officers release the shares that they have of each generation that is asked for."""
        return {
            generation: self.secret_of(generation, words)
            for generation in generations(self.parts)
            if (words := [held for name in officers if (held := self.words(name, generation))])
        }

    @contextmanager
    def opened(self, officers: Sequence[str] = PAIR) -> Iterator[Opened]:
        with open_pin(self.parts, self.released(officers)) as opened:
            yield opened

    def opens(self) -> int:
        """A ceremony that changes nothing: which generation opened the token."""
        with self.opened() as opened:
            opened.token.public_key("escrow/1")
            return opened.generation

    def change(self, manifest: Manifest | None = None) -> int:
        """A whole ceremony; the new generation."""
        with self.opened() as opened:
            change = prepare_change(self.parts, opened, manifest or self.manifest)
            change.switch(opened)
        change.confirm()
        return change.generation

    def states(self) -> dict[int, str]:
        with self.keys.superuser() as conn:
            rows = conn.execute("SELECT pin_gen, state FROM pin_generations ORDER BY pin_gen").fetchall()
        return {int(str(gen)): str(state) for gen, state in rows}

    def shares_of(self) -> dict[int, int]:
        """Generation -> how many shares the database holds."""
        with self.keys.superuser() as conn:
            rows = conn.execute(
                "SELECT generation, count(*) FROM shares WHERE purpose = 'escrow-pin' GROUP BY 1 ORDER BY 1"
            ).fetchall()
        return {int(str(gen)): int(str(count)) for gen, count in rows}

    def events(self) -> list[int]:
        with self.keys.superuser() as conn:
            rows = conn.execute("SELECT kind FROM audit_events ORDER BY tx, event_id").fetchall()
        return [int(str(kind)) for (kind,) in rows]


def made(home: Path, keys: TestDatabase, officers: Sequence[str] = OFFICERS) -> Manifest:
    """Run a genesis in this folder and this database."""
    script = REPOSITORY / "scripts" / "softhsm_setup.sh"
    subprocess.run([str(script), str(home / "tokens")], check=True, capture_output=True, timeout=30)

    def new(name: str) -> NewToken:
        folder = home / "tokens" / name
        place = TokenPlace(MODULE, f"vault-{name}", folder / "softhsm2.conf", home / "state" / name)
        return NewToken(place, folder / "transport-so-pin")

    plan = GenesisPlan(
        online=new("online"), escrow=new("escrow"), online_pin_file=home / "online.pin",
        ceremony_dir=home / "ceremony", officers_dir=home / "officers",
        officers=with_key_files(officers, PASSPHRASE), hand_out=lambda *_: None,
    )  # fmt: skip
    db = keys.open("vault_kms", size=1)
    try:
        run_genesis(plan, db)
        with db.connection() as conn:
            return parse_manifest(load_chain(conn)[-1].body)
    finally:
        db.close()
