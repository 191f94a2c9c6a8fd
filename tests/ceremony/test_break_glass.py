"""Break-glass: the words on paper put others in the officers' place, whatever dies on the way."""

import contextlib
import dataclasses
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ceremony.glass import (
    NEW_COUNTS_FROM,
    NEWCOMERS,
    STEPS,
    counts,
    first_secret,
    named,
    run,
    successors,
)
from tests.ceremony.test_sheets import Keepers
from tests.ceremony.typing_in import type_in_a_terminal
from tests.rig.officers import manifest_of
from tests.rig.postgres import TestServer
from tests.rig.vault import Vault, settings_of, vault_of_its_own
from vault_service.bootstrap.ceremony import build_ceremony
from vault_service.bootstrap.connections import kms_client
from vault_service.ceremony.break_glass import (
    BreakGlassRefusedError,
    break_glass,
    demand_ready,
    successors_of,
)
from vault_service.ceremony.break_glass_words import so_pin_of
from vault_service.ceremony.escrow_token import open_escrow_token
from vault_service.ceremony.kept_so_pin import unfinished
from vault_service.ceremony.lock import ceremony_lock
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.security_officer import SoPinRefusedError, security_officer
from vault_service.ceremony.shares import ESCROW_PIN, combine, open_share, pin_of, split
from vault_service.ceremony.sheets import SheetsAbandonedError
from vault_service.domain.errors import KmsUnavailableError, ManifestError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.recovery.officer_card import make_card
from vault_service.settings import KmsClient as Away
from vault_service.storage.keys.shares import list_pin_generations, list_shares

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def glazed(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault whose officers are to be replaced; its tests follow one another."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@dataclass
class Safe:
    """The sheets that count at present."""

    secret: bytes
    used: list[bytes] = field(default_factory=list)

    def put(self, secret: bytes) -> None:
        self.used.append(self.secret)
        self.secret = secret


@pytest.fixture(scope="module")
def safe(glazed: Vault) -> Safe:
    return Safe(first_secret(glazed))


@contextlib.contextmanager
def parts_of(vault: Vault) -> Iterator[CeremonyParts]:
    parts = build_ceremony(settings_of(vault))
    try:
        yield parts
    finally:
        parts.db.close()
        parts.kms.close()
        assert parts.records is not None
        parts.records.close()


def state(vault: Vault) -> tuple[object, ...]:
    """All that break-glass may change."""
    tokens = sorted((vault.home / "tokens" / "escrow").rglob("token.object"))
    with vault.keys.superuser() as conn:
        rows = [
            conn.execute(query).fetchall()
            for query in ("SELECT serial FROM manifests", "SELECT pin_gen, state FROM pin_generations",
                          "SELECT generation, officer_id FROM shares WHERE purpose = 'escrow-pin'")
        ]  # fmt: skip
    return (*map(sorted, rows), [file.stat().st_mtime_ns for file in tokens],
            sorted(path.name for path in (vault.home / "ceremony").glob("*.json")))  # fmt: skip


def last_events(vault: Vault, number: int) -> set[K]:
    with vault.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT kind FROM audit_events ORDER BY event_id DESC LIMIT %s", (number,)
        ).fetchall()
    return {K(row[0]) for row in rows}


def opens_with_two_newcomers(vault: Vault) -> bool:
    """The shares that the new officers hold are the token's PIN."""
    manifest = manifest_of(vault)
    with parts_of(vault) as parts:
        with parts.db.connection() as conn:
            (active,) = [row.pin_gen for row in list_pin_generations(conn) if row.state == "active"]
            shares = list_shares(conn, ESCROW_PIN, active)
        assert set(shares) == {key.officer for key in NEWCOMERS}
        words = [
            open_share(
                key.share_seed, shares[key.officer], officer=key.officer, purpose=ESCROW_PIN,
                token_serial=manifest.tokens.escrow, generation=active,
            )
            for key in NEWCOMERS[1:]
        ]  # fmt: skip
        with open_escrow_token(parts.place, pin_of(combine(words))) as token:
            return token.public_key("escrow/1").hex() == manifest.escrow_key.public_key


def test_words_that_are_not_the_present_set_change_nothing(glazed: Vault) -> None:
    """Not even a try at the token: its security officer's PIN must not be guessed at."""
    before = state(glazed)
    with parts_of(glazed) as parts, pytest.raises(BreakGlassRefusedError):
        break_glass(parts, bytes(16), successors(), Keepers())

    assert state(glazed) == before
    assert last_events(glazed, 1) == {K.CEREMONY_REFUSED}


def test_sheets_that_nobody_read_back_change_nothing(glazed: Vault, safe: Safe) -> None:
    before = state(glazed)
    with parts_of(glazed) as parts, pytest.raises(SheetsAbandonedError):
        break_glass(parts, safe.secret, successors(), Keepers(leave_at=2))

    assert state(glazed)[:3] == before[:3]


def test_people_who_could_not_meet_are_refused_before_a_sheet_is_shown(glazed: Vault, safe: Safe) -> None:
    keepers = Keepers()
    with parts_of(glazed) as parts, pytest.raises(ManifestError, match="role approver"):
        break_glass(parts, safe.secret, successors(successors().officers[:1]), keepers)

    assert not keepers.papers


def test_in_a_terminal_nobody_types_a_word_for_people_who_could_not_meet(glazed: Vault) -> None:
    typed = type_in_a_terminal(glazed, ["break-glass", "--keep", manifest_of(glazed).officers[0].name], ())

    assert typed.code == 3
    assert "names 1 officers with the role approver" in typed.shown
    assert "go on" not in typed.shown


def test_nobody_types_a_word_while_a_ceremony_is_at_work(glazed: Vault) -> None:
    """Forty words, and sheets written by hand, for nothing: its service was not stopped."""
    with ceremony_lock(glazed.home / "ceremony"):
        typed = type_in_a_terminal(glazed, ["break-glass", "--keep", "ana"], ())

    assert typed.code == 4
    assert "systemctl stop vault-ceremony" in typed.shown
    assert "Sheet" not in typed.shown


def test_nobody_types_a_word_for_a_key_service_that_is_away(glazed: Vault, tmp_path: Path) -> None:
    with parts_of(glazed) as parts, contextlib.closing(kms_client(Away(url=f"unix:{tmp_path}/none"))) as away:
        with pytest.raises(KmsUnavailableError):
            demand_ready(dataclasses.replace(parts, kms=away))
        demand_ready(parts)


def test_more_sheets_than_there_are_cannot_be_demanded(glazed: Vault) -> None:
    typed = type_in_a_terminal(glazed, ["break-glass", "--keep", "ana", "--threshold", "5"], ())

    assert typed.code == 2
    assert "5 of 3 sheets" in typed.shown


def test_who_comes_with_a_new_key_keeps_the_name_and_the_own_accounts(glazed: Vault) -> None:
    """Or a lost key file would let somebody decide about an account of their own."""
    newest, account = manifest_of(glazed), new_uuid()
    owner = replace(newest.officers[0], user_ids=(account,))
    key = OfficerKey.generate(OfficerId(owner.officer_id), new_uuid(), "another name")

    (made,) = successors_of(replace(newest, officers=(owner,)), (), named(key))

    assert (made.officer_id, made.name, made.user_ids) == (owner.officer_id, owner.name, (account,))
    assert made.share_key == named(key)[0].share_key != owner.share_key


def test_in_a_terminal_it_asks_for_the_words_and_shows_the_new_ones(
    glazed: Vault, safe: Safe, tmp_path: Path
) -> None:
    words = split(safe.secret, threshold=2, people=3)
    options = []
    for key in NEWCOMERS:
        card = tmp_path / f"{key.name}.json"
        card.write_bytes(make_card(key, fingerprint=glazed.fingerprint).encode())
        options += ["--officer", f"{card}:requester,approver,discloser"]

    typed = type_in_a_terminal(glazed, ["break-glass", *options], ["yes", words[2].upper(), words[0]])

    assert typed.code == 0, typed.shown[-2000:]
    assert "Destroy the sheets of the old set" in typed.shown
    safe.put(typed.secret)
    assert counts(manifest_of(glazed), safe.secret)
    assert opens_with_two_newcomers(glazed)


def test_killed_after_any_step_it_is_done_again_with_the_words_that_count(glazed: Vault, safe: Safe) -> None:
    """Each attempt is what repeats the one that died before it, and dies a step later."""
    secret = safe.secret
    for number, step in enumerate(STEPS):
        ended = run(glazed, secret, die_after=step)
        manifest = manifest_of(glazed)
        assert ended.died, f"{step}: {ended.said}"
        assert counts(manifest, ended.secret) == (number >= NEW_COUNTS_FROM), step
        assert counts(manifest, secret) == (number < NEW_COUNTS_FROM), step
        kept = glazed.home.glob("ceremony/break-glass-*.json")
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept)
        if number >= NEW_COUNTS_FROM:
            secret = ended.secret
    assert unfinished(glazed.home / "ceremony")

    ended = run(glazed, secret)

    assert not ended.died
    assert not unfinished(glazed.home / "ceremony")
    assert counts(manifest_of(glazed), ended.secret)
    assert [each.name for each in manifest_of(glazed).officers] == ["dora", "emil", "fee"]
    assert opens_with_two_newcomers(glazed)
    assert {K.MANIFEST_SIGNED, K.BREAK_GLASS_USED, K.PIN_SWITCHING, K.PIN_ACTIVE} <= last_events(glazed, 8)
    _older_words_open_nothing(glazed, [*safe.used, safe.secret, secret], ended.secret)


def _older_words_open_nothing(vault: Vault, older: Sequence[bytes], newest: bytes) -> None:
    """Neither as the key of a manifest nor as the token's security officer."""
    before, serial = state(vault), manifest_of(vault).tokens.escrow
    with parts_of(vault) as parts:
        for used in older:
            with pytest.raises(BreakGlassRefusedError):
                break_glass(parts, used, successors(), Keepers())
            pins = [so_pin_of(used, serial)]
            with pytest.raises(SoPinRefusedError), security_officer(parts.place, pins, serial=serial):
                pytest.fail("the token takes words that were used")
        with security_officer(parts.place, [so_pin_of(newest, serial)], serial=serial):
            pass
    assert state(vault)[:3] == before[:3]
