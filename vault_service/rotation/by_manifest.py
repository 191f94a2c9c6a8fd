"""What officers' hosts can tell of keys by themselves: the generations of the verified manifests."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vault_service.domain.alerts import Alert
from vault_service.domain.manifest import Manifest, State
from vault_service.domain.rotation import KEY_KINDS, KeyKind, manifest_member
from vault_service.policy.rotation_rules import Cryptoperiods
from vault_service.rotation.due import Due, InUse, what_is_due


@dataclass(frozen=True, slots=True)
class KeyOfManifest:
    """One generation."""

    kind: KeyKind
    gen: int
    state: State
    since: datetime  # when the manifest was made that first gave it this state


def keys_of(history: Iterable[Manifest]) -> tuple[KeyOfManifest, ...]:
    """Every generation of every kind, as the newest has it. `history`: the first manifest first."""
    found: dict[tuple[KeyKind, int], KeyOfManifest] = {}
    for manifest in history:
        at = datetime.fromisoformat(manifest.created_at)
        for kind in KEY_KINDS:
            for each in getattr(manifest.keys, manifest_member(kind)):
                before = found.get((kind, each.gen))
                if before is None or before.state != each.state:
                    found[kind, each.gen] = KeyOfManifest(kind, each.gen, each.state, at)
    return tuple(found[name] for name in sorted(found, key=lambda name: (KEY_KINDS.index(name[0]), name[1])))


def keys_due(
    keys: Iterable[KeyOfManifest], shares_since: datetime | None, periods: Cryptoperiods
) -> tuple[Due, ...]:
    """Each current generation with the end of its cryptoperiod, and the officers' share set."""
    return what_is_due(_in_use(keys, shares_since), periods)


def _in_use(keys: Iterable[KeyOfManifest], shares_since: datetime | None) -> Iterator[InUse]:
    for each in keys:
        if each.state == "current":
            yield InUse(each.kind, f"generation {each.gen}", each.since, f"vaultctl rotate {each.kind}")
    yield InUse("officer-shares", "the share set", shares_since, "vaultctl rotate officer-shares")


def key_alerts(due: Sequence[Due], now: datetime, soon_days: float) -> Iterator[Alert]:
    """What is overdue, and what will be soon."""
    for each in due:
        if each.is_due(now):
            yield Alert("key-overdue", "soon", each.kind, at=each.at)
        elif each.at is not None and each.at - now < timedelta(days=soon_days):
            yield Alert("key-soon", "note", each.kind, at=each.at)
