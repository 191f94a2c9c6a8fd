"""docs/runbooks/break-glass.md, done as it stands: of three officers one has a key file."""

import re

import pytest

from tests.rig.vault import Vault
from tests.runbooks.desk import Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_one_officer_who_is_left_goes_on_with_two_new_keys(own_vault: Vault) -> None:
    with Desk.laid_out(own_vault) as desk:
        desk.passphrase("dora")
        ids = {row["name"]: row["officer_id"] for row in desk.look("officer", "list")}
        desk.variables["CLEO"] = ids["cleo"]
        desk.start_ceremonies()
        with desk.follow("runbooks/break-glass.md") as page:
            made = page.run()
            typed = desk.use_the_sheets(page)
            for name, keygen in zip(("dora", "cleo"), made, strict=True):
                fingerprint = keygen.out.rsplit(": ", 1)[1].strip()
                assert f"{name}: requester, approver, discloser, key {fingerprint}" in typed.shown
            assert re.search(r"No officers any more:\n  bob: .*\nType yes", typed.shown)
            assert "Done. The officers are ana, dora, cleo" in typed.shown
            page.run()
            assert desk.executed()
        assert desk.officers() == dict.fromkeys(("ana", "dora", "cleo"), "yes")
