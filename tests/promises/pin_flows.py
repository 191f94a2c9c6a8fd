"""What a ceremony does to the escrow PIN, in the vault of all flows."""

import contextlib
from collections.abc import Callable, Iterator

from tests.ceremony.pins import PAIR, PASSPHRASE, Escrow
from tests.promises.flows import Life
from vault_service.ceremony.officer_key import load_officer_key
from vault_service.ceremony.pin_change import prepare_change
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.manifest import parse_manifest
from vault_service.storage.keys.manifests import load_chain


@contextlib.contextmanager
def _escrow(life: Life) -> Iterator[Escrow]:
    db = life.vault.keys.open("vault_ceremony", size=1)
    with contextlib.closing(db):
        home, manifest = life.vault.home, parse_manifest(db.run(load_chain)[-1].body)
        keys = {name: load_officer_key(home / f"officers/{name}.key", PASSPHRASE)[0] for name in PAIR}
        yield Escrow(home, life.vault.keys, db, manifest, keys)


def _changed(life: Life) -> None:
    with _escrow(life) as escrow:
        escrow.change()


def _voided(life: Life) -> None:
    """A change that died before it touched the token, and the next ceremony."""
    with _escrow(life) as escrow:
        with escrow.opened() as opened:
            prepare_change(escrow.parts, opened, escrow.manifest)
        escrow.opens()


PIN_LEAVES: dict[KeysEvent | RecordsEvent, Callable[[Life], None]] = {
    KeysEvent.PIN_PREPARED: _changed,
    KeysEvent.PIN_SWITCHING: _changed,
    KeysEvent.PIN_ACTIVE: _changed,
    KeysEvent.PIN_VOID: _voided,
}
