"""Opening the escrow token: what costs no try, who gets a share, and where the PIN never stands."""

import base64
import dataclasses
import os
import struct
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ceremony.killed import run
from tests.ceremony.logins import counted_logins, tell_logins
from tests.ceremony.pins import Escrow
from tests.cli.people import dump
from tests.rig.vault import MODULE, OFFICERS, Vault
from vault_service.ceremony.bundle import BundleError, read_bundle
from vault_service.ceremony.escrow_token import EscrowPinRefusedError
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.pin_change import prepare_change
from vault_service.ceremony.pin_open import generations, open_pin
from vault_service.ceremony.shares import SharesRefusedError, pin_of
from vault_service.domain.errors import WrongTokenError
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.manifest import Quorum
from vault_service.domain.recovery_errors import PinAlmostLockedError
from vault_service.kms.token.pkcs11_module import PinFlags, TokenPlace

_FLAGS = struct.pack(">QQ", 0x8000534B, 2)  # SoftHSM's attribute of the token's flags: a number


def raise_flag(escrow: Escrow | Vault, flag: PinFlags) -> None:
    """As a token that counts does after wrong PINs; SoftHSM itself never comes that far."""
    (stored,) = (escrow.home / "tokens/escrow").rglob("token.object")
    content = bytearray(stored.read_bytes())
    at = content.index(_FLAGS) + len(_FLAGS)
    (flags,) = struct.unpack_from(">Q", content, at)
    struct.pack_into(">Q", content, at, flags | flag.value)
    stored.write_bytes(content)


@pytest.mark.parametrize("flag", [PinFlags.FINAL_TRY, PinFlags.LOCKED])
def test_a_token_that_is_near_locking_gets_no_try_not_even_a_right_one(
    escrow: Escrow, flag: PinFlags
) -> None:
    released = escrow.released()
    raise_flag(escrow, flag)

    with counted_logins() as logins, pytest.raises(PinAlmostLockedError), open_pin(escrow.parts, released):
        pytest.fail("it was opened")
    assert logins == []


def test_one_wrong_pin_before_does_not_stop_the_right_one(escrow: Escrow) -> None:
    raise_flag(escrow, PinFlags.COUNT_LOW)

    assert escrow.opens() == 1


def test_while_a_change_is_undecided_the_final_try_is_kept_too(escrow: Escrow) -> None:
    run(escrow, set_pin="dies before it")
    raise_flag(escrow, PinFlags.FINAL_TRY)

    with counted_logins() as logins, pytest.raises(PinAlmostLockedError):
        escrow.opens()
    assert logins == []


def test_when_a_wrong_pin_leaves_one_try_the_second_pin_is_not_tried(escrow: Escrow) -> None:
    run(escrow, set_pin="dies before it")
    released = escrow.released()
    seen: list[int] = []

    def tell(answer: int) -> None:
        seen.append(answer)
        raise_flag(escrow, PinFlags.FINAL_TRY)

    stop = tell_logins(tell)
    with pytest.raises(PinAlmostLockedError), open_pin(escrow.parts, released):
        pytest.fail("it was opened")
    stop()
    assert len(seen) == 1


def test_another_token_never_sees_the_pin(escrow: Escrow) -> None:
    released = escrow.released()
    online = TokenPlace(
        MODULE, "vault-online", escrow.home / "tokens/online/softhsm2.conf", escrow.home / "state/online"
    )
    with (
        counted_logins() as logins,
        pytest.raises(WrongTokenError),
        open_pin(dataclasses.replace(escrow.parts, place=online), released),
    ):
        pytest.fail("it was opened")
    assert logins == []


def test_a_secret_that_is_not_the_pins_costs_no_try(escrow: Escrow) -> None:
    for secrets in ({1: os.urandom(16)}, {}, {2: os.urandom(16)}):
        with (
            counted_logins() as logins,
            pytest.raises(SharesRefusedError),
            open_pin(escrow.parts, secrets),
        ):
            pytest.fail("it was opened")
        assert logins == []


def test_of_an_undecided_change_one_bad_secret_costs_no_try_either(escrow: Escrow) -> None:
    run(escrow, set_pin="dies before it")
    released = escrow.released()

    for bad in (1, 2):
        with (
            counted_logins() as logins,
            pytest.raises(SharesRefusedError),
            open_pin(escrow.parts, {**released, bad: os.urandom(16)}),
        ):
            pytest.fail("it was opened")
        assert logins == []


def test_the_old_pin_alone_decides_an_undecided_change_where_it_opens(escrow: Escrow) -> None:
    """When shares of the new one do not come together; what the token never took is void from then on."""
    run(escrow, set_pin="dies before it")
    released = escrow.released()

    with open_pin(escrow.parts, {1: released[1]}) as opened:
        assert opened.generation == 1
    assert generations(escrow.parts) == (1,)
    assert read_bundle(escrow.folder).sets[2].state == "void"


def test_shares_count_as_words_however_they_were_typed(escrow: Escrow) -> None:
    ana, bob = escrow.words("ana", 1) or "", escrow.words("bob", 1) or ""

    typed = escrow.secret_of(1, [ana.upper(), "  " + bob.replace(" ", " \t ") + "\n"])

    assert typed == escrow.released()[1]


def test_too_few_mixed_doubled_or_mistyped_shares_are_refused_before_the_token(escrow: Escrow) -> None:
    first = {name: escrow.words(name, 1) or "" for name in OFFICERS}
    escrow.change()
    ana, bob, cleo = (escrow.words(name, 2) or "" for name in OFFICERS)
    cases = {
        "too few": [ana],
        "too many": [ana, bob, cleo],
        "doubled": [ana, ana],
        "mixed": [first["ana"], bob],
        "one wrong word": [ana, bob.rsplit(" ", 1)[0] + " academic"],
        "one word less": [ana, bob.rsplit(" ", 1)[0]],
        "nothing": [],
        "of the last PIN": [first["ana"], first["bob"]],
    }

    with counted_logins() as logins:
        for what, shares in cases.items():
            with pytest.raises(SharesRefusedError):
                print(what, escrow.secret_of(2, shares).hex())  # noqa: T201  # names the case that fails
    assert logins == []


def test_an_error_of_the_ceremonys_own_is_not_taken_for_a_refused_pin(escrow: Escrow) -> None:
    with pytest.raises(EscrowPinRefusedError, match="of my own"), escrow.opened():
        raise EscrowPinRefusedError("of my own")

    assert escrow.opens() == 1
    assert not list(escrow.folder.glob("refused-*"))


def test_the_new_set_is_for_the_officers_of_the_new_manifest(escrow: Escrow) -> None:
    """A removed one gets none, a new one does, one who only looks does not; the quorum is the new one's."""
    dora, eve = (OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), name) for name in ("dora", "eve"))
    old = {officer.name: officer for officer in escrow.manifest.officers}
    new = replace(
        escrow.manifest,
        serial=2,
        officers=(old["ana"], old["bob"], dora.public(("approver",)), eve.public(("auditor", "requester"))),
        quorum=Quorum(base=3, disclosure=3),
    )
    escrow.change(new)
    escrow.manifest, escrow.people = new, {**escrow.people, "dora": dora, "eve": eve}

    assert [name for name in escrow.people if escrow.words(name, 2)] == ["ana", "bob", "dora"]
    with pytest.raises(SharesRefusedError):
        escrow.released(("ana", "dora"))
    with escrow.opened(("ana", "bob", "dora")) as opened:
        assert opened.generation == 2


@pytest.mark.parametrize("base", [0, 1, 4])
def test_a_set_that_one_person_could_open_or_nobody_is_never_made(escrow: Escrow, base: int) -> None:
    weak = replace(escrow.manifest, quorum=Quorum(base=base, disclosure=2))

    with escrow.opened() as opened, pytest.raises(SharesRefusedError, match="dual control"):
        prepare_change(escrow.parts, opened, weak)
    assert escrow.states() == {1: "active"}
    assert escrow.opens() == 1


def test_the_pin_stands_nowhere(escrow: Escrow) -> None:
    """Not in the folder, a file that is left, the database, the environment or the arguments, in any form."""
    secrets = [*escrow.released().values()]
    run(escrow, set_pin="dies after it")
    secrets += escrow.released().values()
    escrow.opens()
    escrow.change()
    secrets += escrow.released().values()
    words = [escrow.words(name, 4) or escrow.words(name, 3) or "" for name in ("ana", "bob")]
    forms = [
        form
        for secret in dict.fromkeys(secrets)
        for form in (secret, secret.hex().encode(), pin_of(secret).encode(), base64.b64encode(secret)[:22],
                     base64.urlsafe_b64encode(secret)[:22])
    ]  # fmt: skip
    forms += [" ".join(each.split()[4:8]).encode() for each in words]  # the first words only name the set
    assert len(forms) == 5 * 3 + 2

    held = {str(path): path.read_bytes() for path in escrow.home.rglob("*") if path.is_file()}
    held["database"] = dump(escrow.keys)
    for name in ("environ", "cmdline"):
        held[name] = Path(f"/proc/self/{name}").read_bytes()
    held["os.environ"] = repr(os.environ).encode()
    assert len(held) > 20
    for where, content in held.items():
        assert not any(form in content for form in forms), where


def test_a_folder_that_may_not_be_looked_into_is_not_a_lost_one(escrow: Escrow, tmp_path: Path) -> None:
    """Or the database alone would be believed."""
    with pytest.raises(BundleError, match="Not a directory"):
        read_bundle(escrow.folder / "shares-1.json")
    assert read_bundle(tmp_path / "nowhere").sets == {}
