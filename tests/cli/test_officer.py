"""vaultctl officer: key files, the list, and a proposal that becomes a case which the others decide."""

import stat
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from tests.cli.commands import Ran, vaultctl
from tests.kms.chains import officer
from tests.rig.vault import PASSPHRASE, Vault, settings_of
from vault_service.bootstrap.recovery import officers_host
from vault_service.ceremony.officer_key import load_officer_key
from vault_service.cli.officer import _ids, _number, roles_of
from vault_service.crypto.manifest_chain import Endorsement, endorsers
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import CaseId
from vault_service.domain.manifest_difference import key_fingerprint
from vault_service.recovery import decide
from vault_service.recovery.acting import act
from vault_service.recovery.cases import read_case
from vault_service.recovery.propose import escrow_key_of
from vault_service.storage.keys.approvals import list_approvals

pytestmark = pytest.mark.slow


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_text(PASSPHRASE)
    return path


def keygen(vault: Vault, folder: Path, name: str, *more: str) -> Ran:
    return vaultctl(
        vault, "officer", "keygen", name, "--out", folder / f"{name}.key",
        "--passphrase-file", folder / "passphrase", "--json", *more,
    )  # fmt: skip


def propose(vault: Vault, passphrase_file: Path, *changes: str) -> Ran:
    return vaultctl(
        vault, "officer", "propose", "--key", vault.home / "officers/ana.key",
        "--passphrase-file", passphrase_file, "--json", *changes,
    )  # fmt: skip


@pytest.mark.usefixtures("passphrase_file")
def test_a_key_file_is_its_owners_alone_and_pins_the_vault(vault: Vault, tmp_path: Path) -> None:
    made = keygen(vault, tmp_path, "dora")

    assert made.code == 0, made.err
    file, public = tmp_path / "dora.key", tmp_path / "dora.key.public.json"
    key, pinned = load_officer_key(file, PASSPHRASE)
    assert (key.name, str(key.officer), pinned) == ("dora", made.json["officer_id"], vault.fingerprint)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key_fingerprint(key.public(())) == made.json["key"]
    secret = key.signing.private_bytes_raw().hex()
    assert secret not in public.read_text() + made.out + made.err
    again = keygen(vault, tmp_path, "dora")
    assert again.code == 3, "a key file is never written over"
    assert load_officer_key(file, PASSPHRASE)[0].officer == key.officer


def test_a_short_passphrase_and_a_fingerprint_that_is_none_are_refused(
    vault: Vault, tmp_path: Path, passphrase_file: Path
) -> None:
    assert keygen(vault, tmp_path, "dora", "--fingerprint", "ab").code == 2
    passphrase_file.write_text("too short")
    assert keygen(vault, tmp_path, "dora").code == 2
    assert not list(tmp_path.glob("dora*"))


def test_officers_are_listed_as_the_chain_names_them(vault: Vault) -> None:
    listed = vaultctl(vault, "officer", "list", "--json")

    assert listed.code == 0, listed.err
    # Other tests may have brought somebody to this vault since.
    assert [(each["name"], each["holds_a_share"]) for each in listed.json][:3] == [
        ("ana", "yes"), ("bob", "yes"), ("cleo", "yes"),
    ]  # fmt: skip


def test_a_proposal_is_shown_and_becomes_a_case_that_others_endorse(
    vault: Vault, tmp_path: Path, passphrase_file: Path
) -> None:
    made = keygen(vault, tmp_path, "dora")
    file = f"{tmp_path}/dora.key.public.json:approver,discloser"

    opened = propose(vault, passphrase_file, "--add", file, "--quorum", "3", "--reason", "dora joins us")

    assert opened.code == 0, opened.err
    assert opened.json["changes"] == [
        f"adds officer dora with the roles approver, discloser, key {made.json['key']}, no account here",
        "quorum base: 2 -> 3",
    ]
    case = CaseId(UUID(opened.json["case_id"]))
    with officers_host(settings_of(vault)) as parts:
        for name in ("bob", "cleo"):
            acting = act(parts, officer(vault, name), vault.fingerprint)
            shown = decide.approve(parts, acting, read_case(parts, acting.trusted, case)).shown
        with parts.db.connection() as conn:
            rows = [row.signed for row in list_approvals(conn, case)]
    assert shown.judgement.has_quorum
    assert shown.proposed is not None
    signed = [
        Endorsement(row.officer_id, row.authenticator_id, (row.endorsement or b"").hex()) for row in rows
    ]
    assert len(endorsers(acting.manifest, shown.proposed, signed)) == 2


def test_nothing_is_opened_for_what_could_not_be_worked_under(vault: Vault, passphrase_file: Path) -> None:
    before = cases(vault)

    refused = propose(vault, passphrase_file, "--remove", "bob", "--remove", "cleo", "--reason", "alone")
    key = propose(vault, passphrase_file, "--escrow-key", "escrow/2:04" + "11" * 64, "--reason", "mine")

    assert (refused.code, key.code) == (3, 2), refused.err + key.err
    assert "no key ceremony" in key.err
    assert cases(vault) == before


def cases(vault: Vault) -> int:
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT count(*) FROM cases").fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_proposal_can_be_looked_at_without_a_case(vault: Vault, passphrase_file: Path) -> None:
    before = cases(vault)

    shown = propose(vault, passphrase_file, "--disclosure-quorum", "3", "--only-show")

    assert (shown.code, shown.json) == (0, {"changes": ["quorum disclosure: 2 -> 3"]})
    assert cases(vault) == before


@pytest.mark.parametrize(
    ("read", "text", "word"),
    [
        (roles_of, "approver,king", "king"),
        (_ids, "7", "--accounts"),
        (_number, "soon", "soon"),
        (escrow_key_of, "04" + "11" * 64, "escrow/2"),
        (escrow_key_of, "escrow/0:04" + "11" * 64, "escrow/2"),
    ],
)
def test_what_is_misspelt_is_named(read: Callable[[str], object], text: str, word: str) -> None:
    with pytest.raises(InvalidInputError, match=word):
        read(text)
