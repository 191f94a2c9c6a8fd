"""Officers at work with a vault's real services, and ceremonies as processes or in this one."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.rig.officers import officer_key
from tests.rig.people import Person, enrol, kms_of
from tests.rig.service import Process
from tests.rig.vault import Vault, settings_of
from vault_service.bootstrap.ceremony import build_ceremony
from vault_service.bootstrap.recovery import officers_host
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.process import Ceremony, Result
from vault_service.domain.case import from_case_time
from vault_service.domain.ceremony_note import parse_note
from vault_service.domain.clock import utc_now
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CeremonyId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.recovery_messages import BeginRecovery, RecoveryBegun
from vault_service.policy.load import load_policies
from vault_service.policy.rules import Policies
from vault_service.recovery.acting import ActingWithKey, act
from vault_service.recovery.cases import read_case
from vault_service.recovery.decide import Person as Named
from vault_service.recovery.decide import approve, identify, submit, veto
from vault_service.recovery.open_case import Wanted, open_case
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.release import release_to_all
from vault_service.storage.keys.cases import find_case
from vault_service.storage.keys.ceremonies import CeremonyRow, open_ceremonies

NEW_PASSWORD = "eleven swans on a frozen canal"
_PATIENCE_S = 60.0  # of a machine that does much else


@dataclass
class Clock:
    """The ceremony's, which may go ahead; it is asked at each look."""

    ahead: timedelta = timedelta(0)
    asked: int = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return utc_now() + self.ahead


@dataclass
class Office:
    """One vault's officers, and its users as an app reaches them."""

    vault: Vault
    recovery: RecoveryParts
    app: KmsClient
    clock: Clock = field(default_factory=Clock)
    people: dict[UUID, Person] = field(default_factory=dict)
    logins: dict[UUID, str] = field(default_factory=dict)
    phrases: dict[UUID, str] = field(default_factory=dict)

    # --- users

    def somebody(self) -> Person:
        return enrol(self.vault, self.app)

    def begin(self, person: Person, password: str = NEW_PASSWORD) -> UUID:
        """The user has forgotten the password."""
        request = BeginRecovery(self.vault.app_key, new_uuid(), person.login, password)
        begun = self.app.call(request, RecoveryBegun)
        self.logins[begun.case_id] = person.login
        self.people[begun.case_id] = person
        self.phrases[begun.case_id] = begun.verification_phrase
        return begun.case_id

    # --- officers

    def acting(self, name: str) -> ActingWithKey:
        return act(self.recovery, officer_key(self.vault, name), self.vault.fingerprint)

    def open(self, kind: Any, by: str = "cleo", **wanted: Any) -> UUID:
        return open_case(self.recovery, self.acting(by), Wanted(kind, "a reason", **wanted)).case_id

    def sign(self, case: UUID, name: str) -> None:
        """Approve, and release nothing."""
        acting = self.acting(name)
        shown = read_case(self.recovery, acting.trusted, CaseId(case))
        signed = acting.decide(shown.digest, "approve")
        if case in self.logins:
            named = Named(self.logins[case], self.phrases[case])
            signed = replace(signed, identified=identify(self.recovery, acting, shown, named))
        submit(self.recovery, acting, shown, signed)

    def approve(self, case: UUID, *names: str) -> None:
        """Sign, and release to every ceremony that waits for the case."""
        for name in names:
            acting = self.acting(name)
            shown = read_case(self.recovery, acting.trusted, CaseId(case))
            person = Named(self.logins[case], self.phrases[case]) if case in self.logins else None
            approve(self.recovery, acting, shown, person)

    def veto(self, case: UUID, name: str) -> None:
        acting = self.acting(name)
        veto(self.recovery, acting, read_case(self.recovery, acting.trusted, CaseId(case)))

    def release(self, *names: str) -> None:
        for name in names:
            release_to_all(self.recovery, self.acting(name))

    # --- what is to be seen

    def state(self, case: UUID) -> str:
        with self.recovery.db.connection() as conn:
            row = find_case(conn, CaseId(case))
        assert row is not None
        return row.state

    def gathering(self, case: UUID) -> CeremonyRow | None:
        """The ceremony that waits for shares for this case."""
        with self.recovery.db.connection() as conn:
            rows = open_ceremonies(conn, self.recovery.now())
        return next((row for row in rows if str(case).encode() in row.note), None)

    def await_gathering(self, *cases: UUID, other_than: CeremonyId | None = None) -> CeremonyRow:
        def found() -> CeremonyRow | None:
            rows = [self.gathering(case) for case in cases]
            first = rows[0]
            same = first is not None and all(
                row is not None and row.ceremony == first.ceremony for row in rows
            )
            return first if same and first is not None and first.ceremony != other_than else None

        row: CeremonyRow = until(found)
        return row

    def end_note(self, row: CeremonyRow) -> None:
        """Let a ceremony's time be over, once it has looked at what came in until now."""
        asked = self.clock.asked
        until(lambda: self.clock.asked > asked + 10)
        self.clock.ahead = from_case_time(parse_note(row.note).expires_at) - utc_now()

    @property
    def policies(self) -> Policies:
        settings = settings_of(self.vault)
        return load_policies(settings.policies_dir, recovery=settings.recovery_policy)

    def events(self, case: UUID) -> list[KeysEvent]:
        with self.vault.keys.superuser() as conn:
            rows = conn.execute(
                "SELECT kind FROM audit_events WHERE case_id = %s ORDER BY event_id", (case,)
            ).fetchall()
        return [KeysEvent(row[0]) for row in rows]

    def digest_of(self, case: UUID, kind: KeysEvent) -> bytes:
        with self.vault.keys.superuser() as conn:
            row = conn.execute(
                "SELECT digest FROM audit_events WHERE case_id = %s AND kind = %s", (case, int(kind))
            ).fetchone()
        assert row is not None
        assert isinstance(row[0], bytes)
        return row[0]

    def logins_of_the_token(self) -> tuple[tuple[int, int, bytes], ...]:
        """Changes with each login: SoftHSM writes token.object anew, whether the PIN is right or wrong."""
        files = sorted((self.vault.home / "tokens" / "escrow").rglob("token.object"))
        assert files
        return tuple((file.stat().st_mtime_ns, file.stat().st_ino, file.read_bytes()) for file in files)

    # --- what somebody with the keys database does, and undoes

    @contextlib.contextmanager
    def wrap_of_another(self, user: UUID, other: UUID) -> Iterator[None]:
        with self.vault.keys.superuser() as conn:
            own = conn.execute("SELECT wrap FROM escrow_wraps WHERE user_id = %s", (user,)).fetchone()
            assert own is not None
            conn.execute(
                """UPDATE escrow_wraps SET wrap = (SELECT wrap FROM escrow_wraps WHERE user_id = %s)
                   WHERE user_id = %s""",
                (other, user),
            )
        yield
        with self.vault.keys.superuser() as conn:
            conn.execute("UPDATE escrow_wraps SET wrap = %s WHERE user_id = %s", (*own, user))

    @contextlib.contextmanager
    def other_check_value(self, user: UUID) -> Iterator[None]:
        with self.vault.keys.superuser() as conn:
            own = conn.execute("SELECT dek_check FROM deks WHERE user_id = %s", (user,)).fetchone()
            assert own is not None
            conn.execute("UPDATE deks SET dek_check = sha256(dek_check) WHERE user_id = %s", (user,))
        yield
        with self.vault.keys.superuser() as conn:
            conn.execute("UPDATE deks SET dek_check = %s WHERE user_id = %s", (*own, user))

    # --- ceremonies

    def start(self, *options: str, name: str = "ceremony") -> Process:
        """As a service manager starts it; its result is the last thing in the log."""
        return self.vault.start(name, "ceremony", "run", "--json", *(options or ("--wait", "30")))

    @contextlib.contextmanager
    def in_this_process(self, **changes: Any) -> "Iterator[Here]":
        """A ceremony in a thread, with other parts where a test wants to lie to it."""
        self.clock.ahead = timedelta(0)
        plain = build_ceremony(settings_of(self.vault))
        parts = replace(replace(plain, now=self.clock, look_every_s=0.02), **changes)
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            try:
                yield Here(parts, pool.submit(lambda: Ceremony(parts, stop).run(wait_s=5)))
            finally:
                stop.set()
        parts.db.close()
        if parts.records is not None:
            parts.records.close()

    @contextlib.contextmanager
    def ceremonies(self, number: int) -> "Iterator[list[Ceremony]]":
        """All connected, so that they may start at the same moment."""
        with contextlib.ExitStack() as stack:
            ready: list[Ceremony] = []
            for _ in range(number):
                parts = replace(build_ceremony(settings_of(self.vault)), look_every_s=0.02)
                stack.callback(parts.db.close)
                parts.db.ping()
                ready.append(Ceremony(parts, threading.Event()))
            yield ready

    def serve(self, case: UUID, *names: str, **changes: Any) -> Result:
        """From the approvals to the end, in this process."""
        with self.in_this_process(**changes) as here:
            self.await_gathering(case)
            self.approve(case, *names)
            result = here.running.result(_PATIENCE_S)
        assert result is not None
        return result


@dataclass
class Here:
    parts: CeremonyParts
    running: "Future[Result | None]"


def result_of(process: Process) -> dict[str, Any]:
    """What a ceremony's process printed last."""
    assert process.popen.wait(_PATIENCE_S) in (0, 1), process.log.read_text()[-3000:]
    said = process.log.read_text()
    found: dict[str, Any] = json.loads(said[said.rindex("\n{\n") if "\n{\n" in said else 0 :])
    return found


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def office_of(vault: Vault) -> Iterator[Office]:
    app = kms_of(vault)
    with officers_host(settings_of(vault)) as parts:
        yield Office(vault, parts, app)
    app.close()
