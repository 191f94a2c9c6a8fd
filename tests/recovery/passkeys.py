"""Two officers with passkeys at the officers' host: ana has a key file still."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.recovery.office import Ceremony, Office, opened_office
from tests.rig.browser import Browser
from tests.rig.passkey_officers import hand_out_passkeys
from tests.rig.postgres import TestServer
from tests.rig.vault import vault_of_its_own
from vault_service.domain.ceremony_note import note_hash, release_info


@dataclass
class PasskeyOffice:
    """An office, and what plays two officers' browsers there."""

    office: Office
    bob: Browser
    cleo: Browser

    def at(self, state_dir: Path) -> "PasskeyOffice":
        """At a console's host that has kept nothing yet."""
        parts = replace(self.office.parts, state_dir=state_dir)
        return PasskeyOffice(
            replace(self.office, parts=parts), replace(self.bob, parts=parts), replace(self.cleo, parts=parts)
        )

    def words(self, ceremony: Ceremony, officer: Browser) -> str:
        """What the officer released last."""
        row = self.office.releases(ceremony)[-1]
        info = release_info(note_hash(ceremony.body), officer.acting.officer_id, row.pin_gen)
        return ceremony.opens(row.sealed, info).decode("ascii")


@contextmanager
def passkey_office(scratch: Path, postgres: TestServer) -> Iterator[PasskeyOffice]:
    with vault_of_its_own(scratch, postgres) as vault:
        passkeys = hand_out_passkeys(vault, ["bob", "cleo"])
        with opened_office(vault) as office:
            bob, cleo = (Browser(office.parts, name, passkeys[name]) for name in ("bob", "cleo"))
            yield PasskeyOffice(office, bob, cleo)
