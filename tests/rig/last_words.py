"""What the processes of a test's vault wrote to their logs before it failed."""

from collections.abc import Iterable, Iterator

from tests.rig.vault import Vault

_MOST = 3000  # characters of each


def last_words(fixtures: Iterable[object]) -> Iterator[tuple[str, str]]:
    """Title and text of each log of each vault that is one of these, or that one of them works with."""
    found = {id(vault): vault for each in fixtures for vault in _vaults(each)}
    for vault in found.values():
        for log in sorted(vault.home.glob("*.log")):
            if said := log.read_text("utf-8", "replace")[-_MOST:]:
                yield f"the last of {log}", said


def _vaults(fixture: object) -> Iterator[Vault]:
    office = getattr(fixture, "office", None)
    for each in (fixture, getattr(fixture, "vault", None), getattr(office, "vault", None)):
        if isinstance(each, Vault):
            yield each
