"""docs/runbooks/break-glass.md, done as it stands: two of three officers are gone."""

import pytest

from tests.rig.vault import Vault
from tests.runbooks.desk import Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_one_officer_who_is_left_goes_on_with_two_new_ones(own_vault: Vault) -> None:
    desk = Desk.laid_out(own_vault)
    for name in ("dora", "emil"):
        desk.passphrase(name)
    desk.start_ceremonies()
    try:
        with desk.follow("runbooks/break-glass.md") as page:
            made = page.run()
            typed = desk.use_the_sheets(page)
            for name, keygen in zip(("dora", "emil"), made, strict=True):
                fingerprint = keygen.out.rsplit(": ", 1)[1].strip()
                assert f"{name}: requester, approver, discloser, key {fingerprint}" in typed.shown
            gone = typed.shown.partition("No officers any more:\n")[2].splitlines()[:2]
            assert [line.split(":")[0].strip() for line in gone] == ["bob", "cleo"]
            assert "Done. The officers are ana, dora, emil" in typed.shown
            page.run()
            assert desk.executed()
        assert desk.officers() == dict.fromkeys(("ana", "dora", "emil"), "yes")
    finally:
        desk.stop_ceremonies()
