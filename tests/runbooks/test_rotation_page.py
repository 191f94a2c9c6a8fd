"""docs/runbooks/rotation.md, done as it stands: each key rotated, an old pepper and escrow key given up."""

import re

import pytest

from tests.rig.people import Person, enrol, kms_of
from tests.rig.started import start_forked
from tests.rig.vault import Vault
from tests.runbooks.desk import Desk, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_every_key_is_rotated_and_the_people_sign_in_as_before(own_vault: Vault) -> None:
    keys = own_vault.keys
    own = keys.dsn("vault_keys_migrator") + f" password={keys.password('vault_keys_migrator')}"
    app = kms_of(own_vault)
    people = [enrol(own_vault, app) for _ in range(2)]
    with Desk.laid_out(own_vault) as desk:
        desk.variables["KEYS"] = own
        desk.start_ceremonies()
        with desk.follow("runbooks/rotation.md") as page:
            rotate_the_pepper(desk, page)
            page.run()  # case, note, manifest, audit-signing
            give_the_old_pepper_up(desk, page)
            rotate_the_escrow_key(desk, page)
            assert all(person.opens_with(person.password) for person in people)
            rotate_the_rest(desk, page, people)
    app.close()


def rotate_the_pepper(desk: Desk, page: Page) -> None:
    (status,) = page.run()
    assert status.out.startswith("Nothing is to be done.")
    (planned,) = page.run()
    assert "2 password wraps" in planned.out
    _, paused, resumed = page.run()
    assert "old and new wraps work side by side" in paused.out
    assert "It goes on." in resumed.out
    start_forked(desk.vault, "rotate_worker", "rotate", "worker")
    (rotated,) = page.run()
    assert "vaultctl rotate retire pepper 1" in rotated.out
    (verified,) = page.run()
    assert "of everybody open; none does not." in verified.out


def give_the_old_pepper_up(desk: Desk, page: Page) -> None:
    (shown,) = page.run()
    (desk.variables["FINGERPRINT"],) = re.findall(r"^fingerprint ([0-9a-f]{64})$", shown.out, re.MULTILINE)
    (gone,) = page.run()
    assert "Generation 1 of the pepper key is no more." in gone.out


def rotate_the_escrow_key(desk: Desk, page: Page) -> None:
    (guide,) = page.run()
    for step in ("current", "rewrap", "drill", "give-up"):
        page.run()
        assert desk.executed()
        if step == "current":
            desk.variables["ESCROW_KEY"] = desk.ceremony_said(r"escrow/2: 04[0-9a-f]{128}")
        guide = desk.type("vaultctl rotate escrow --json")
        assert f'"next": "{step}"' in guide.out, guide.out
    looked, *_ = page.run()
    assert "--destroy-escrow-key 1" in looked.out
    assert desk.executed()
    assert '"next": "new-key"' in desk.type("vaultctl rotate escrow --json").out


def rotate_the_rest(desk: Desk, page: Page, people: list[Person]) -> None:
    _, shares, cost = page.run()
    assert "a drill does it" in shares.out
    assert "0 of 2 passwords are below it." in cost.out
    with desk.vault.keys.superuser() as conn:
        conn.execute("UPDATE deks SET created_at = created_at - interval '3 years'")
    _, demanded = page.run()
    assert f"{len(people)} users get a new data key at their next sign-in." in demanded.out
