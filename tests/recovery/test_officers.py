"""A proposal is a whole manifest, shown as sentences before anybody signs it."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.crypto.test_officer_change import ANA, BEN, CLEO, MORE, NEWEST, POINT
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.domain.errors import InvalidInputError, ManifestError
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.manifest import (
    Manifest,
    RecoveryFloors,
    manifest_signing_input,
    parse_manifest,
)
from vault_service.domain.manifest_difference import difference, key_fingerprint
from vault_service.recovery.officer_card import OfficerCard, make_card, read_card
from vault_service.recovery.officers import (
    add,
    endorsement_input,
    propose,
    re_key,
    remove,
    set_floors,
    set_quorum,
    set_roles,
    set_user_ids,
    use_escrow_key,
)

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
FINGERPRINT = "ab" * 32
DORA = OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "dora")
CARD = make_card(DORA, fingerprint=FINGERPRINT)
ACCOUNT = UUID(int=5)


def lines_of(*changes: object) -> tuple[str, ...]:
    return propose(NEWEST, changes, NOW).lines  # type: ignore[arg-type]  # each a Change


def test_somebody_new_is_named_with_roles_key_and_accounts() -> None:
    proposal = propose(NEWEST, [add(CARD, ("approver", "discloser"), (ACCOUNT,))], NOW)

    officer = parse_manifest(proposal.body).officers[-1]
    assert officer == DORA.public(("approver", "discloser")).__class__(
        DORA.officer, "dora", ("approver", "discloser"), officer.authenticators, officer.share_key, (ACCOUNT,)
    )
    assert proposal.lines == (
        (
            f"adds officer dora with the roles approver, discloser, key {key_fingerprint(officer)}, "
            f"the accounts {ACCOUNT}"
        ),
    )


def test_each_change_reads_as_a_sentence() -> None:
    assert lines_of(remove("cleo")) == ("removes officer cleo (approver, discloser)",)
    assert lines_of(set_roles("ana", ("approver", "discloser", "auditor"))) == (
        "gives ana the roles approver, discloser, auditor instead of approver, discloser",
    )
    assert lines_of(set_user_ids("ben", (ACCOUNT,))) == (
        f"declares that ben has the accounts {ACCOUNT}, instead of no account here",
    )
    assert lines_of(set_quorum(base=3), set_quorum(disclosure=3)) == (
        "quorum base: 2 -> 3",
        "quorum disclosure: 2 -> 3",
    )
    assert lines_of(set_floors({"wait_regain_s": 7200, "password_code_points": 16})) == (
        "floor password code points: 15 -> 16",
        "floor expiry at most s: none -> 31536000",
        *(f"floor wait {kind} s: none -> 0" for kind in ("disclosure", "drill", "erasure", "key ceremony")),
        "floor wait officer change s: none -> 0",
        "floor wait regain s: none -> 7200",
    )
    escrow = lines_of(use_escrow_key(2, bytes.fromhex(POINT)))
    assert escrow[0] == "escrow key 1: current -> retiring"
    assert escrow[1].startswith("adds escrow key 2 (current), SHA-256 ")


def test_a_re_keyed_officer_stays_the_same_person() -> None:
    fresh = OfficerKey.generate(OfficerId(ANA.officer_id), new_uuid(), "ana at home")
    proposal = propose(NEWEST, [re_key(make_card(fresh, fingerprint=FINGERPRINT))], NOW)

    ana = parse_manifest(proposal.body).officers[0]
    assert (ana.officer_id, ana.name, ana.roles) == (ANA.officer_id, "ana", ANA.roles)
    assert [each.authenticator_id for each in ana.authenticators] == [fresh.authenticator]
    assert proposal.lines == (f"re-keys ana: {key_fingerprint(ANA)} -> {key_fingerprint(ana)}",)


def test_a_new_person_is_not_a_re_keyed_one_nor_the_other_way_round() -> None:
    """Else one person would get two voices by handing in a second file."""
    with pytest.raises(InvalidInputError, match="for a new person"):
        lines_of(re_key(CARD))
    again = make_card(
        OfficerKey.generate(OfficerId(ANA.officer_id), new_uuid(), "ana"), fingerprint=FINGERPRINT
    )
    with pytest.raises(InvalidInputError, match="officer already"):
        lines_of(add(again, ("approver",)))
    with pytest.raises(InvalidInputError, match="none of"):
        lines_of(remove("dora"))
    with pytest.raises(InvalidInputError, match="none called"):
        set_floors({"recovery": 1})


def test_a_change_that_leaves_too_few_is_not_even_proposed() -> None:
    with pytest.raises(ManifestError) as refused:
        lines_of(remove("cleo"), remove("ben"))
    assert "Nothing was changed" in refused.value.remedy, "a slip is no attack on the manifests"
    with pytest.raises(ManifestError, match="role discloser"):
        lines_of(set_quorum(disclosure=3), set_roles("ana", ("approver",)))


def test_an_endorsement_is_over_the_proposed_bytes() -> None:
    body = propose(NEWEST, [remove("cleo")], NOW).body
    signature = DORA.signing.sign(endorsement_input(body, NEWEST))

    key = Ed25519PublicKey.from_public_bytes(DORA.signing.public_key().public_bytes_raw())
    key.verify(signature, manifest_signing_input(body))


def test_nobody_endorses_what_does_not_follow_the_newest_manifest() -> None:
    body = propose(NEWEST, [remove("cleo")], NOW).body
    meanwhile = parse_manifest(propose(NEWEST, [set_quorum(disclosure=3)], NOW).body)

    with pytest.raises(ManifestError, match="was proposed before"):
        endorsement_input(body, meanwhile)
    with pytest.raises(ManifestError):
        endorsement_input(b"{}", NEWEST)


HIDDEN: dict[str, Manifest] = {
    "a key of the online token": msgspec.structs.replace(
        NEWEST, keys=msgspec.structs.replace(NEWEST.keys, note=(MORE,))
    ),
    "a token": msgspec.structs.replace(NEWEST, tokens=msgspec.structs.replace(NEWEST.tokens, online="x")),
    "break-glass": msgspec.structs.replace(
        NEWEST, break_glass=msgspec.structs.replace(NEWEST.break_glass, threshold=3)
    ),
    "the order": msgspec.structs.replace(NEWEST, officers=(BEN, ANA, CLEO)),
    "floors": msgspec.structs.replace(
        NEWEST, floors=msgspec.structs.replace(NEWEST.floors, recovery=RecoveryFloors())
    ),
}


@pytest.mark.parametrize("after", HIDDEN.values(), ids=HIDDEN)
def test_no_change_goes_without_a_line(after: Manifest) -> None:
    assert difference(NEWEST, NEWEST) == ()
    assert difference(NEWEST, after)


# --- the card


@pytest.mark.parametrize(
    "change",
    [
        {"name": "bob"}, {"officer_id": UUID(int=1)}, {"authenticator_id": UUID(int=1)},
        {"share_key": "00" * 1216}, {"manifest_fingerprint": "cd" * 32}, {"signature": "00" * 64},
        {"signing_key": "11" * 32},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_card_that_was_changed_on_its_way_is_refused(change: dict[str, object]) -> None:
    assert read_card(CARD.encode(), fingerprint=FINGERPRINT) == CARD
    altered: OfficerCard = msgspec.structs.replace(CARD, **change)

    with pytest.raises(InvalidInputError):
        read_card(altered.encode(), fingerprint=altered.manifest_fingerprint)


def test_a_card_for_another_vault_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="another vault"):
        read_card(CARD.encode(), fingerprint="cd" * 32)
    with pytest.raises(InvalidInputError, match="of vaultctl officer keygen"):
        read_card(b"{}", fingerprint=FINGERPRINT)
