"""What officers may decide on, whoever asks them: rules that keep a quorum from making itself impossible."""

from collections.abc import Callable
from uuid import UUID

import msgspec
import pytest

from tests.crypto.test_manifest_chain import GENESIS, follow
from vault_service.crypto import hpke, xwing
from vault_service.crypto.officer_change import check_change
from vault_service.domain.errors import ManifestError
from vault_service.domain.manifest import (
    Authenticator,
    BreakGlass,
    Floors,
    Manifest,
    Officer,
    PublicKeyGeneration,
    Quorum,
    Tokens,
)


def person(number: int, name: str, **changes: object) -> Officer:
    """Somebody with a key to which shares can be sealed."""
    authenticator = Authenticator(UUID(int=900 + number), "key-file", f"{number:02x}" * 32)
    share = xwing.public_key(bytes([number]) * 32).hex()
    officer = Officer(UUID(int=90 + number), name, ("approver", "discloser"), (authenticator,), share)
    return msgspec.structs.replace(officer, **changes)


ANA, BEN, CLEO = person(1, "ana"), person(2, "ben"), person(3, "cleo")
POINT = (
    "04"
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)  # the base point of P-256
NEWEST = msgspec.structs.replace(GENESIS, officers=(ANA, BEN, CLEO), quorum=Quorum(2, 2))
MORE = PublicKeyGeneration(2, "prepared", POINT)


def with_escrow(*keys: PublicKeyGeneration) -> Manifest:
    return follow(NEWEST, keys=msgspec.structs.replace(NEWEST.keys, escrow=keys))


ALLOWED: dict[str, Manifest] = {
    "somebody new": follow(NEWEST, officers=(*NEWEST.officers, person(4, "dora"))),
    "somebody leaves": follow(NEWEST, officers=(ANA, BEN)),
    "a higher quorum": follow(NEWEST, quorum=Quorum(3, 3)),
    "other floors": follow(NEWEST, floors=Floors(password_code_points=20)),
    "a new escrow key": with_escrow(*NEWEST.keys.escrow, MORE),
}


@pytest.mark.parametrize("candidate", ALLOWED.values(), ids=ALLOWED)
def test_what_can_be_worked_under_may_be_decided(candidate: Manifest) -> None:
    check_change(NEWEST, candidate)


def _officers(*people: Officer, quorum: Quorum = NEWEST.quorum) -> Callable[[], Manifest]:
    return lambda: follow(NEWEST, officers=people, quorum=quorum)


REFUSED: dict[str, tuple[Callable[[], Manifest], str]] = {
    "nothing": (lambda: follow(NEWEST, created_at="2026-01-01"), "changes nothing"),
    "too few who approve": (_officers(ANA, person(2, "ben", roles=("discloser",))), "role approver"),
    "too few who disclose": (
        _officers(ANA, BEN, person(3, "cleo", roles=("approver",)), quorum=Quorum(2, 3)), "role discloser"),
    "two of one name": (_officers(ANA, BEN, person(3, "ＡNA")), "two officers alike"),
    "a name that hides what follows": (_officers(ANA, BEN, person(3, "cleo\x1b[8m")), "print"),
    "a share key of the right size that takes no share": (
        _officers(ANA, BEN, person(3, "cleo", share_key="ff" * 1216)), "no share can be sealed"),
    "a share key that takes no share": (_officers(ANA, BEN, person(3, "cleo", share_key="03" * 32)), "share"),
    "nothing to sign with": (_officers(ANA, BEN, person(3, "cleo", authenticators=())), "nothing to sign"),
    "an authenticator that is none": (
        _officers(ANA, BEN, person(3, "cleo", authenticators=(
            Authenticator(UUID(int=7), "key-file", "00"),))), "no Ed25519 key"),
    "an authenticator with which anybody signs": (
        _officers(ANA, BEN, person(3, "cleo", authenticators=(
            Authenticator(UUID(int=7), "key-file", "01" + "00" * 31),))), "anybody can sign"),
    "no role": (_officers(ANA, BEN, person(3, "cleo", roles=())), "no role"),
    "another break-glass key": (lambda: follow(NEWEST, break_glass=BreakGlass("b7" * 32, 2)), "more than"),
    "another online token": (lambda: follow(NEWEST, tokens=Tokens("x", "escrow-1")), "more than"),
    "an audit key besides": (
        lambda: follow(NEWEST, officers=(ANA, BEN), keys=msgspec.structs.replace(
            NEWEST.keys, audit_signing=(*NEWEST.keys.audit_signing, MORE))), "more than"),
    "an escrow key less": (
        lambda: with_escrow(msgspec.structs.replace(MORE, state="current")), "escrow key 1 is left out"),
    "an escrow key edited": (
        lambda: with_escrow(msgspec.structs.replace(MORE, gen=1, state="current")), "1 is another one"),
    "the current escrow key destroyed": (
        lambda: with_escrow(
            *(msgspec.structs.replace(key, state="destroyed") for key in NEWEST.keys.escrow),
            msgspec.structs.replace(MORE, state="current")), "1 goes from current to destroyed"),
    "escrow keys in another order": (lambda: with_escrow(MORE, *NEWEST.keys.escrow), "order"),
    "an escrow key of another number": (
        lambda: with_escrow(*NEWEST.keys.escrow, msgspec.structs.replace(MORE, gen=1)), "a generation twice"),
    "more people than a secret has shares": (
        _officers(*(person(number, f"officer {number}") for number in range(1, 18))), "a secret has 16"),
    "an escrow key off the curve": (
        lambda: with_escrow(*NEWEST.keys.escrow, msgspec.structs.replace(MORE, public_key="04" + "11" * 64)),
        "no point"),
}  # fmt: skip


@pytest.mark.parametrize(("candidate", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_nobody_could_work_under_is_not_decided_on(
    candidate: Callable[[], Manifest], reason: str
) -> None:
    with pytest.raises(ManifestError, match=reason):
        check_change(NEWEST, candidate())


def test_a_proposal_follows_the_newest_manifest() -> None:
    with pytest.raises(ManifestError, match="was proposed before"):
        check_change(ALLOWED["somebody leaves"], ALLOWED["somebody new"])


def test_a_destroyed_escrow_key_does_not_come_back() -> None:
    gone = with_escrow(
        *(msgspec.structs.replace(key, state="destroyed") for key in NEWEST.keys.escrow),
        msgspec.structs.replace(MORE, state="current"),
    )
    back = follow(gone, keys=msgspec.structs.replace(gone.keys, escrow=(
        msgspec.structs.replace(gone.keys.escrow[0], state="retiring"), gone.keys.escrow[1])))  # fmt: skip

    with pytest.raises(ManifestError, match="escrow key 1 goes from destroyed to retiring"):
        check_change(gone, back)


def test_the_point_of_these_tests_is_one() -> None:
    hpke.load_public_key(bytes.fromhex(POINT))
