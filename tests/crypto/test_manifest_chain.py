"""Which chains of manifests are believed: the pinned first one, signed links, and quorums where needed."""

from collections.abc import Callable
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault_service.crypto.manifest_chain import (
    Endorsement,
    SignedManifest,
    break_glass_endorsement,
    verify_chain,
)
from vault_service.domain.errors import ManifestError
from vault_service.domain.manifest import (
    Authenticator,
    BreakGlass,
    Floors,
    Keys,
    Manifest,
    Officer,
    PublicKeyGeneration,
    Quorum,
    RecoveryFloors,
    SecretKeyGeneration,
    Tokens,
    manifest_hash,
    manifest_signing_input,
    parse_manifest,
)


def _key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


TOKEN, NEXT_TOKEN = _key(1), _key(2)
OFFICERS = {name: _key(10 + number) for number, name in enumerate(["ana", "ben", "cleo"])}


def _officer(name: str, **changes: object) -> Officer:
    number = 1 + list(OFFICERS).index(name)
    authenticator = Authenticator(UUID(int=100 + number), "key-file", _public(OFFICERS[name]))
    officer = Officer(UUID(int=number), name, ("approver",), (authenticator,), f"{number:02x}" * 32)
    return msgspec.structs.replace(officer, **changes)


def _public_gen(byte: str, gen: int = 1) -> tuple[PublicKeyGeneration, ...]:
    return (PublicKeyGeneration(gen, "current", byte * 32),)


_SECRET = (SecretKeyGeneration(1, "current", "ab" * 32),)
GENESIS = Manifest(
    v=1, serial=1, previous="", created_at="2025-01-01T00:00:00Z",
    keys=Keys(
        escrow=_public_gen("e1"), pepper=_SECRET, login_index=_SECRET, case=_SECRET, note=_public_gen("0e"),
        audit_signing=_public_gen("a5"), manifest=(PublicKeyGeneration(1, "current", _public(TOKEN)),),
    ),
    officers=tuple(_officer(name) for name in OFFICERS),
    quorum=Quorum(2, 3), floors=Floors(argon2_memory_kib=65_536), break_glass=BreakGlass("b6" * 32, 2),
    tokens=Tokens("online-1", "escrow-1"),
)  # fmt: skip


def sign(
    manifest: Manifest, *, by: Ed25519PrivateKey = TOKEN, officers: tuple[str, ...] = ()
) -> SignedManifest:
    """A link as init or a ceremony would store it."""
    body = manifest.encode()
    message = manifest_signing_input(body)
    endorsements = tuple(
        Endorsement(_officer(name).officer_id, _officer(name).authenticators[0].authenticator_id,
                    OFFICERS[name].sign(message).hex())
        for name in officers
    )  # fmt: skip
    return SignedManifest(body, by.sign(message), endorsements)


def follow(previous: Manifest, **changes: object) -> Manifest:
    """The next manifest, with these changes."""
    return msgspec.structs.replace(
        previous, serial=previous.serial + 1, previous=manifest_hash(previous.encode()).hex(), **changes
    )


FIRST = sign(GENESIS)
PIN = manifest_hash(FIRST.body)
_MORE_PEPPER = (SecretKeyGeneration(1, "retiring", "ab" * 32), SecretKeyGeneration(2, "current", "cd" * 32))
ROUTINE = follow(GENESIS, keys=msgspec.structs.replace(GENESIS.keys, pepper=_MORE_PEPPER))


def test_the_first_manifest_is_believed_by_its_pin() -> None:
    assert verify_chain([FIRST], pinned=PIN) == GENESIS


def test_an_operator_s_change_needs_the_token_s_signature_only() -> None:
    newest = verify_chain([FIRST, sign(ROUTINE)], pinned=PIN)

    assert newest == ROUTINE
    assert newest.pepper_gen == 2


def test_a_new_manifest_key_is_signed_in_by_the_old_one() -> None:
    keys = (
        PublicKeyGeneration(1, "retiring", _public(TOKEN)),
        PublicKeyGeneration(2, "current", _public(NEXT_TOKEN)),
    )
    second = follow(GENESIS, keys=msgspec.structs.replace(GENESIS.keys, manifest=keys))
    third = follow(second, created_at="2025-02-01T00:00:00Z")

    assert verify_chain([FIRST, sign(second), sign(third, by=NEXT_TOKEN)], pinned=PIN) == third
    with pytest.raises(ManifestError, match="signature of manifest 2"):
        verify_chain([FIRST, sign(second, by=NEXT_TOKEN)], pinned=PIN)
    with pytest.raises(ManifestError, match="signature of manifest 3"):
        verify_chain([FIRST, sign(second), sign(third)], pinned=PIN)


UNDER_QUORUM: dict[str, Callable[[], Manifest]] = {
    "a foreign escrow key": lambda: follow(
        GENESIS,
        keys=msgspec.structs.replace(
            GENESIS.keys,
            escrow=(PublicKeyGeneration(1, "retiring", "e1" * 32), *_public_gen("ff", gen=2)),
        ),
    ),
    "an officer less": lambda: follow(GENESIS, officers=GENESIS.officers[:2], quorum=Quorum(2, 2)),
    "an officer's new key": lambda: follow(
        GENESIS, officers=(_officer("ana", share_key="99" * 32), *GENESIS.officers[1:])
    ),
    "an officer's new role": lambda: follow(
        GENESIS, officers=(_officer("ana", roles=("approver", "discloser")), *GENESIS.officers[1:])
    ),
    "a lower quorum": lambda: follow(GENESIS, quorum=Quorum(2, 2)),
    "lower floors": lambda: follow(GENESIS, floors=Floors()),
    "another break-glass key": lambda: follow(GENESIS, break_glass=BreakGlass("b7" * 32, 2)),
    "another escrow token": lambda: follow(GENESIS, tokens=Tokens("online-1", "escrow-2")),
}


@pytest.mark.parametrize("change", UNDER_QUORUM.values(), ids=UNDER_QUORUM)
def test_what_could_open_data_needs_a_quorum_of_officers(change: Callable[[], Manifest]) -> None:
    """Swapping the escrow key in SQL, with the online token's help, must still fail loudly."""
    candidate = change()
    for officers in ((), ("ana",), ("ana", "ana")):
        with pytest.raises(ManifestError, match="of 2 officers"):
            verify_chain([FIRST, sign(candidate, officers=officers)], pinned=PIN)

    assert verify_chain([FIRST, sign(candidate, officers=("ana", "cleo"))], pinned=PIN) == candidate


def test_newcomers_do_not_vote_themselves_in() -> None:
    """Signatures count by the officers of the manifest before."""
    intruders = [_key(50), _key(51), _key(52)]
    officers = tuple(
        msgspec.structs.replace(
            officer,
            authenticators=(msgspec.structs.replace(officer.authenticators[0], public_key=_public(key)),),
        )
        for officer, key in zip(GENESIS.officers, intruders, strict=True)
    )
    candidate = follow(GENESIS, officers=officers)
    message = manifest_signing_input(candidate.encode())
    endorsements = tuple(
        Endorsement(officer.officer_id, officer.authenticators[0].authenticator_id, key.sign(message).hex())
        for officer, key in zip(officers, intruders, strict=True)
    )
    link = sign(candidate)

    with pytest.raises(ManifestError, match="0 of 2 officers"):
        verify_chain([FIRST, SignedManifest(link.body, link.signature, endorsements)], pinned=PIN)


def test_signatures_that_do_not_fit_are_not_counted() -> None:
    candidate = UNDER_QUORUM["a foreign escrow key"]()
    good = sign(candidate, officers=("ana", "ben"))
    elsewhere = sign(ROUTINE, officers=("ana", "ben")).endorsements
    ana, ben = good.endorsements
    for endorsements in (
        (ana,), (ana, ana), elsewhere, (ana, elsewhere[1]),
        (ana, msgspec.structs.replace(ben, officer_id=ana.officer_id)),
        (ana, msgspec.structs.replace(ben, officer_id=UUID(int=77))),
        (ana, msgspec.structs.replace(ben, signature="")),
        (ana, msgspec.structs.replace(ben, signature="zz")),
    ):  # fmt: skip
        with pytest.raises(ManifestError, match="of 2 officers"):
            verify_chain([FIRST, SignedManifest(good.body, good.signature, endorsements)], pinned=PIN)


def test_one_person_with_two_authenticators_is_one_person() -> None:
    spare = Authenticator(UUID(int=200), "key-file", _public(_key(60)))
    ana = _officer("ana", authenticators=(*_officer("ana").authenticators, spare))
    first = msgspec.structs.replace(GENESIS, officers=(ana, *GENESIS.officers[1:]))
    candidate = follow(first, quorum=Quorum(2, 2))
    signed = sign(candidate, officers=("ana",))
    second = Endorsement(
        ana.officer_id, spare.authenticator_id, _key(60).sign(manifest_signing_input(signed.body)).hex()
    )

    with pytest.raises(ManifestError, match="1 of 2 officers"):
        verify_chain(
            [sign(first), SignedManifest(signed.body, signed.signature, (*signed.endorsements, second))],
            pinned=manifest_hash(first.encode()),
        )


def test_an_officer_who_may_not_approve_does_not_count() -> None:
    auditor = _officer("ben", roles=("auditor",))
    first = msgspec.structs.replace(GENESIS, officers=(GENESIS.officers[0], auditor, GENESIS.officers[2]))
    candidate = follow(first, quorum=Quorum(2, 2))

    with pytest.raises(ManifestError, match="1 of 2 officers"):
        verify_chain(
            [sign(first), sign(candidate, officers=("ana", "ben"))], pinned=manifest_hash(first.encode())
        )


GLASS, NEXT_GLASS = _key(70), _key(71)
WITH_GLASS = msgspec.structs.replace(GENESIS, break_glass=BreakGlass(_public(GLASS), 2))


def by_glass(candidate: Manifest, key: Ed25519PrivateKey = GLASS) -> list[SignedManifest]:
    """A chain whose last link nobody but the words on paper endorsed."""
    first, link = sign(WITH_GLASS), sign(candidate)
    endorsement = break_glass_endorsement(key.sign(manifest_signing_input(link.body)))
    return [first, SignedManifest(link.body, link.signature, (endorsement,))]


def after_glass(**changes: object) -> Manifest:
    return follow(WITH_GLASS, **{"break_glass": BreakGlass(_public(NEXT_GLASS), 2), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"officers": WITH_GLASS.officers[:2], "quorum": Quorum(2, 2)},
        {"quorum": Quorum(3, 3)},
        {"tokens": Tokens("online-1", "escrow-2")},
    ],
    ids=["officers", "quorum", "escrow token"],
)
def test_break_glass_replaces_people_and_the_restored_token(changes: dict[str, object]) -> None:
    candidate = after_glass(**changes)

    assert verify_chain(by_glass(candidate), pinned=manifest_hash(WITH_GLASS.encode())) == candidate


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"keys": msgspec.structs.replace(GENESIS.keys, escrow=_public_gen("ff"))}, "by break-glass"),
        ({"keys": msgspec.structs.replace(GENESIS.keys, pepper=_MORE_PEPPER),
          "officers": GENESIS.officers[:2], "quorum": Quorum(2, 2)}, "by break-glass"),
        ({"floors": Floors()}, "by break-glass"),
        ({"tokens": Tokens("online-2", "escrow-1"), "quorum": Quorum(2, 2)}, "by break-glass"),
        ({"break_glass": WITH_GLASS.break_glass, "quorum": Quorum(2, 2)}, "keeps the break-glass key"),
    ],
    ids=["escrow key", "pepper", "floors", "online token", "the same words"],
)  # fmt: skip
def test_break_glass_may_touch_nothing_else(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        verify_chain(by_glass(after_glass(**changes)), pinned=manifest_hash(WITH_GLASS.encode()))


def test_break_glass_counts_by_the_manifest_before() -> None:
    """Neither a key that the new link brings along, nor one of a manifest that is older."""
    pinned = manifest_hash(WITH_GLASS.encode())
    with pytest.raises(ManifestError, match="0 of 2 officers"):
        verify_chain(by_glass(after_glass(), NEXT_GLASS), pinned=pinned)
    used = by_glass(after_glass())
    third = follow(after_glass(), quorum=Quorum(2, 2), break_glass=BreakGlass(_public(_key(72)), 2))
    again = by_glass(third)[1]
    with pytest.raises(ManifestError, match="0 of 2 officers"):
        verify_chain([*used, again], pinned=pinned)


def test_a_floor_that_was_never_set_leaves_the_bytes_as_they_were() -> None:
    """They are signed: a manifest from before there were such floors must stay the same."""
    assert b"recovery" not in GENESIS.encode()
    floors = Floors(recovery=RecoveryFloors(wait_regain_s=3600))
    assert parse_manifest(follow(GENESIS, floors=floors).encode()).floors == floors


BROKEN: dict[str, tuple[list[SignedManifest], str]] = {
    "no manifest": ([], "there is no manifest"),
    "another first manifest": (
        [sign(msgspec.structs.replace(GENESIS, created_at="2026-01-01T00:00:00Z"))], "pinned fingerprint"),
    "the first one missing": ([sign(ROUTINE)], "pinned fingerprint"),
    "a signature of somebody else": ([sign(GENESIS, by=NEXT_TOKEN)], "signature of manifest 1"),
    "a signature of another manifest": (
        [FIRST, SignedManifest(ROUTINE.encode(), FIRST.signature)], "signature of manifest 2"),
    "no signature": ([SignedManifest(FIRST.body, b"")], "signature of manifest 1"),
    "a link left out": ([FIRST, sign(follow(ROUTINE))], "manifest 2 is missing"),
    "a link twice": ([FIRST, FIRST], "manifest 2 is missing"),
    "a link of another chain": (
        [FIRST, sign(msgspec.structs.replace(ROUTINE, previous="00" * 32))], "does not follow manifest 1"),
}  # fmt: skip


@pytest.mark.parametrize(("links", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_chain_that_is_not_sound_is_refused(links: list[SignedManifest], reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        verify_chain(links, pinned=PIN)


def test_a_first_manifest_that_continues_another_chain_is_refused_even_when_pinned() -> None:
    for odd in (
        msgspec.structs.replace(GENESIS, serial=2),
        msgspec.structs.replace(GENESIS, previous="00" * 32),
    ):
        link = sign(odd)
        with pytest.raises(ManifestError, match="does not begin a chain"):
            verify_chain([link], pinned=manifest_hash(link.body))


def test_an_older_chain_is_a_rollback() -> None:
    """A backup put back would bring back an officer who has left, or a key that was retired."""
    assert verify_chain([FIRST, sign(ROUTINE)], pinned=PIN, at_least=2) == ROUTINE
    with pytest.raises(ManifestError, match="manifest 2 has been seen"):
        verify_chain([FIRST], pinned=PIN, at_least=2)


def test_every_changed_byte_of_a_manifest_is_noticed() -> None:
    for position in range(len(FIRST.body)):
        body = bytearray(FIRST.body)
        body[position] ^= 1
        with pytest.raises(ManifestError):
            verify_chain([SignedManifest(bytes(body), FIRST.signature)], pinned=PIN)


ILL_FORMED: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{", "cannot be read"),
    "white space": (GENESIS.encode().replace(b",", b", ", 1), "not in canonical form"),
    "a field too many": (GENESIS.encode()[:-1] + b',"x":1}', "cannot be read"),
    "a quorum of one": (
        GENESIS.encode().replace(b'"quorum":{"base":2', b'"quorum":{"base":1'), "cannot be read"),
    "no current escrow key": (
        msgspec.structs.replace(
            GENESIS, keys=msgspec.structs.replace(GENESIS.keys, escrow=())).encode(),
        "0 current keys for escrow"),
    "two current peppers": (
        msgspec.structs.replace(
            GENESIS, keys=msgspec.structs.replace(GENESIS.keys, pepper=_SECRET * 2)).encode(),
        "2 current keys for pepper"),
    "one officer twice": (
        msgspec.structs.replace(GENESIS, officers=(*GENESIS.officers, GENESIS.officers[0])).encode(),
        "one officer id twice"),
    "one authenticator for two": (
        msgspec.structs.replace(
            GENESIS,
            officers=(
                GENESIS.officers[0],
                _officer("ben", authenticators=GENESIS.officers[0].authenticators),
                GENESIS.officers[2],
            ),
        ).encode(),
        "one authenticator twice"),
    "one authenticator for two, with a newline that its bytes do not show": (
        msgspec.structs.replace(
            GENESIS,
            officers=(
                GENESIS.officers[0],
                _officer("ben", authenticators=(msgspec.structs.replace(
                    GENESIS.officers[0].authenticators[0], authenticator_id=UUID(int=9),
                    public_key=GENESIS.officers[0].authenticators[0].public_key + "\n"),)),
                GENESIS.officers[2],
            ),
        ).encode(),
        "cannot be read"),
    "one share key for two": (
        msgspec.structs.replace(
            GENESIS,
            officers=(
                GENESIS.officers[0],
                _officer("ben", share_key=GENESIS.officers[0].share_key),
                GENESIS.officers[2],
            ),
        ).encode(),
        "one share key twice"),
    "fewer officers than the quorum": (
        msgspec.structs.replace(GENESIS, officers=GENESIS.officers[:2]).encode(), "fewer officers"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), ILL_FORMED.values(), ids=ILL_FORMED)
def test_an_ill_formed_manifest_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        parse_manifest(body)
