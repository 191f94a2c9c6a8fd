"""What fails within a ceremony costs no more than it has to, and is told with what was done all the same."""

import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.ceremony.office import NEW_PASSWORD, Office
from tests.rig.vault import settings_of
from vault_service.bootstrap.ceremony import build_ceremony
from vault_service.ceremony.process import Ceremony
from vault_service.domain.errors import TokenKeyError, UnavailableError
from vault_service.domain.ids import CaseId


@contextlib.contextmanager
def without_keys(office: Office) -> Iterator[None]:
    """The escrow token as a backup of before its keys has it: it is there, it takes its PIN, and is empty."""
    found = sorted((office.vault.home / "tokens" / "escrow").rglob("*.object"))
    keys = [path for path in found if path.name != "token.object"]
    assert keys
    for path in keys:
        path.rename(path.with_suffix(".aside"))
    yield
    for path in keys:
        path.with_suffix(".aside").rename(path)


@contextlib.contextmanager
def full_folder(office: Office) -> Iterator[None]:
    """No share set can be written into the ceremony folder any more."""
    folder = office.vault.home / "ceremony"
    newest = active_pin(office)
    in_the_way = [folder / f"shares-{gen}.json.new" for gen in range(newest + 1, newest + 20)]
    for path in in_the_way:
        path.mkdir()
    yield
    for path in in_the_way:
        path.rmdir()


def active_pin(office: Office) -> int:
    with office.vault.keys.superuser() as conn:
        row = conn.execute("SELECT pin_gen FROM pin_generations WHERE state = 'active'").fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_key_that_the_token_has_not_got_fails_its_cases_and_no_others(office: Office) -> None:
    """Nor does it keep the PIN, which this process has known, from being replaced."""
    person, leaving = office.somebody(), office.somebody()
    regain, erasure = office.begin(person), office.open("erasure", user=leaving.user)
    pin = active_pin(office)
    with without_keys(office), office.in_this_process() as here:
        office.await_gathering(regain, erasure)
        for case in (regain, erasure):
            office.sign(case, "ana")
            office.sign(case, "bob")
        office.release("ana", "bob")
        result = here.running.result(110)

    assert result is not None
    errors = {outcome.case: outcome.error for outcome in result.outcomes}
    assert errors[CaseId(erasure)] is None
    failed = errors[CaseId(regain)]
    assert isinstance(failed, TokenKeyError)
    assert "escrow/1" in failed.detail
    assert active_pin(office) > pin

    office.serve(regain, "ana", "bob")
    assert person.opens_with(NEW_PASSWORD)


def test_where_the_pin_cannot_be_replaced_what_was_executed_is_told_all_the_same(office: Office) -> None:
    """The public half of a new escrow key is told nowhere else. Code 3: nobody starts it again blindly."""
    case, pin = office.open("key-ceremony"), active_pin(office)
    with full_folder(office):
        process = office.start()
        office.await_gathering(case)
        office.approve(case, "ana", "bob")
        assert process.popen.wait(60) == 3, process.log.read_text()[-2000:]

    said = process.log.read_text()
    told = json.JSONDecoder().raw_decode(said[said.index('{\n  "ceremony"') :])[0]
    assert told["cases"][0]["state"] == "executed"
    assert told["cases"][0]["detail"].startswith("escrow/")
    assert json.loads(said.strip().splitlines()[-1])["error"]["code"] == "escrow.bundle"
    assert active_pin(office) == pin
    assert office.state(case) == "executed"

    drill = office.open("drill")
    office.serve(drill, "ana", "bob")
    assert active_pin(office) > pin


def test_a_process_that_was_to_open_the_token_waits_for_nothing_any_more(office: Office) -> None:
    """It may have known the PIN: what is to be done again, another process does."""
    case, stop = office.begin(office.somebody()), threading.Event()
    parts = replace(build_ceremony(settings_of(office.vault)), look_every_s=0.02)
    token = office.vault.home / "tokens" / "escrow" / "objects"
    away = _moved_away(token)
    with contextlib.closing(parts.db), ThreadPoolExecutor(1) as pool:
        running = pool.submit(Ceremony(parts, stop).run_for_ever)
        try:
            office.await_gathering(case)
            with away:
                office.approve(case, "ana", "bob")
                with pytest.raises(UnavailableError, match="cannot be used"):
                    running.result(60)
        finally:
            stop.set()

    assert office.state(case) == "open"


def test_one_that_idles_while_its_database_is_away_says_so_once(office: Office) -> None:
    """It looks each second, for nights: that must not fill the disk."""
    looks: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            looks.append(timeout or 0.0)
            if len(looks) == 4:
                self.set()
            return self.is_set()

    parts = build_ceremony(settings_of(office.vault))
    for database in (parts.db, parts.records):
        if database is not None:
            database.close()
    with capture_logs() as logged:
        assert Ceremony(parts, Stop()).run_for_ever() is None

    waits = [(line["code"], line["n"]) for line in logged if line["event"] == "ceremony.waits"]
    assert (len(looks), waits) == (4, [("service.database_unavailable", 1)])


@contextlib.contextmanager
def _moved_away(folder: Path) -> Iterator[None]:
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        yield
    finally:
        aside.rename(folder)
