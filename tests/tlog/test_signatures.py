"""Who signed a note: known keys only, each once, and a known key's signature that fails spoils the note."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault_service.tlog.checkpoint import Checkpoint
from vault_service.tlog.cosignature import cosign, cosigned_at, cosigned_message
from vault_service.tlog.errors import NoteError
from vault_service.tlog.note import COSIGNATURE, ED25519, Note, Signature, VerifierKey, verified

BODY = Checkpoint("log.example/keys", 20, bytes(range(32))).body()
LOG_KEY, OLD_KEY, WITNESS_KEY, OTHER_KEY = (
    Ed25519PrivateKey.from_private_bytes(bytes([i] * 32)) for i in range(4)
)
NOW = 1_795_771_243  # seconds


def public(name: str, key: Ed25519PrivateKey, key_type: int) -> VerifierKey:
    """The verifier key of a private key."""
    return VerifierKey(name, key_type, key.public_key().public_bytes_raw())


LOG = public("log.example/keys", LOG_KEY, ED25519)
RETIRED = public("log.example/keys", OLD_KEY, ED25519)
WITNESS = public("witness.example", WITNESS_KEY, COSIGNATURE)
OTHER = public("other.example", OTHER_KEY, COSIGNATURE)


def signed(key: VerifierKey, private: Ed25519PrivateKey, text: str = BODY) -> Signature:
    """A log's own signature."""
    return Signature(key.name, key.key_id, private.sign(text.encode()))


BY_LOG = signed(LOG, LOG_KEY)
BY_WITNESS = cosign(WITNESS_KEY, "witness.example", BODY, NOW)


def refused(call: Callable[[], object], why: str) -> None:
    """The call raises NoteError."""
    with pytest.raises(NoteError, match=why):
        call()


def test_each_known_key_that_signed_is_told_with_its_time() -> None:
    note = Note(BODY, (BY_WITNESS, signed(RETIRED, OLD_KEY), BY_LOG))

    assert verified(note, [LOG, RETIRED, WITNESS, OTHER]) == ((WITNESS, NOW), (RETIRED, None), (LOG, None))
    assert verified(note, [LOG]) == ((LOG, None),)  # the others are not known, and are ignored


def test_a_cosignature_signs_its_time_and_the_whole_text_with_its_extension_lines() -> None:
    assert cosigned_message("log\n20\nroot\nmore\n", 7) == b"cosignature/v1\ntime 7\nlog\n20\nroot\nmore\n"
    assert cosigned_at(WITNESS, BODY, BY_WITNESS) == NOW
    refused(lambda: cosigned_at(WITNESS, BODY + "more\n", BY_WITNESS), "not of this text")
    refused(lambda: cosigned_at(OTHER, BODY, BY_WITNESS), "not a cosignature by other.example")
    refused(lambda: cosigned_at(LOG, BODY, BY_LOG), "not a cosignature")


def with_blob(signature: Signature, blob: bytes) -> Signature:
    """The same line with other bytes."""
    return Signature(signature.name, signature.key_id, blob)


LOG_BLOB, BLOB = BY_LOG.blob, BY_WITNESS.blob
SPOILED = {
    "the log's signature of another text": signed(LOG, LOG_KEY, "another\n"),
    "the log's signature by another key": signed(LOG, OTHER_KEY),
    "the log's signature with a bit changed": with_blob(BY_LOG, bytes([LOG_BLOB[0] ^ 1]) + LOG_BLOB[1:]),
    "the log's signature cut short": with_blob(BY_LOG, LOG_BLOB[:-1]),
    "the log's signature with a byte more": with_blob(BY_LOG, LOG_BLOB + b"\x00"),
    "a cosignature under the log's key id": with_blob(BY_LOG, BLOB),
    "a plain signature under the cosigner's key id": with_blob(BY_WITNESS, WITNESS_KEY.sign(BODY.encode())),
    "a cosignature of another text": cosign(WITNESS_KEY, "witness.example", "another\n", NOW),
    "a cosignature with another time": with_blob(BY_WITNESS, (NOW + 1).to_bytes(8, "big") + BLOB[8:]),
    "a cosignature with the time 2**63": with_blob(BY_WITNESS, (1 << 63).to_bytes(8, "big") + BLOB[8:]),
    "a cosignature cut short": with_blob(BY_WITNESS, BLOB[:-1]),
    "a cosignature with a byte more": with_blob(BY_WITNESS, BLOB + b"\x00"),
    "nothing but a time": with_blob(BY_WITNESS, BLOB[:8]),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_note_is_refused_in_which_a_known_key_s_line_is(name: str) -> None:
    spoiled = SPOILED[name]
    good = BY_WITNESS if spoiled.name == LOG.name else BY_LOG

    refused(lambda: verified(Note(BODY, (good, spoiled)), [LOG, WITNESS]), f"by {spoiled.name}|time lies")


def test_signatures_that_share_only_a_name_or_only_an_id_with_a_known_key_are_ignored() -> None:
    same_name = Signature(LOG.name, b"\x00" * 4, b"anything")
    same_id = Signature("somebody.example", LOG.key_id, b"anything")

    assert verified(Note(BODY, (same_name, same_id, BY_LOG)), [LOG]) == ((LOG, None),)
    refused(lambda: verified(Note(BODY, (same_name, same_id)), [LOG]), "no known key")


def test_a_note_that_no_known_key_has_signed_is_refused() -> None:
    refused(lambda: verified(Note(BODY, (BY_LOG,)), [WITNESS, RETIRED]), "no known key")
    refused(lambda: verified(Note(BODY, (BY_LOG,)), []), "no known key")
    refused(lambda: verified(Note(BODY, ()), [LOG]), "no known key")


def test_a_key_s_type_and_name_are_in_its_id() -> None:
    ids = {
        public(name, LOG_KEY, key_type).key_id for name in ("a", "b") for key_type in (ED25519, COSIGNATURE)
    }

    assert len(ids) == 4


def test_two_keys_whose_short_ids_collide_are_not_told_apart_and_so_refused() -> None:
    """Four bytes: anybody makes a second key with the same id in a moment."""
    one, two = (VerifierKey(LOG.name, ED25519, i.to_bytes(32, "big")) for i in (2988, 10200))
    assert one.key_id == two.key_id

    refused(lambda: verified(Note(BODY, (BY_LOG,)), [LOG, one, two]), "the same key id")
    refused(lambda: verified(Note(BODY, (signed(one, LOG_KEY),)), [one]), f"by {LOG.name}")


def test_one_cosigner_never_counts_as_two() -> None:
    """A cosignature does not commit to its cosigner's name."""
    again = public("more-witnesses.example", WITNESS_KEY, COSIGNATURE)
    note = Note(BODY, (BY_LOG, BY_WITNESS, Signature(again.name, again.key_id, BY_WITNESS.blob)))

    refused(lambda: verified(note, [LOG, WITNESS, again]), "one cosigning key")
    refused(lambda: Note(BODY, (BY_WITNESS, BY_WITNESS)), "same name and key id")
    assert verified(note, [LOG, WITNESS, WITNESS]) == ((LOG, None), (WITNESS, NOW))


def test_a_log_s_own_key_is_no_witness() -> None:
    itself = public("witness.example", LOG_KEY, COSIGNATURE)
    note = Note(BODY, (BY_LOG, cosign(LOG_KEY, "witness.example", BODY, NOW)))

    refused(lambda: verified(note, [LOG, itself]), "signs a log")


def test_a_key_signs_both_logs_under_their_names() -> None:
    records = public("log.example/records", LOG_KEY, ED25519)

    assert verified(Note(BODY, (BY_LOG,)), [LOG, records]) == ((LOG, None),)


def test_newer_cosignatures_take_the_place_of_the_same_key_s() -> None:
    newer, by_other = (
        cosign(WITNESS_KEY, "witness.example", BODY, NOW + 10),
        cosign(OTHER_KEY, OTHER.name, BODY, NOW),
    )

    note = Note(BODY, (BY_LOG, BY_WITNESS)).signed_also([newer, by_other])

    assert verified(note, [LOG, WITNESS, OTHER]) == ((LOG, None), (WITNESS, NOW + 10), (OTHER, NOW))


@pytest.mark.parametrize("time", [-1, 2**63])
def test_a_time_that_the_format_does_not_hold_is_not_signed(time: int) -> None:
    refused(lambda: cosign(WITNESS_KEY, "witness.example", BODY, time), "time lies")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\xa0b"])
def test_a_name_that_no_line_can_carry_is_no_cosigner_s(name: str) -> None:
    refused(lambda: cosign(WITNESS_KEY, name, BODY, NOW), "the key's name")


@pytest.mark.parametrize("key_type", [0, 2, 5, 6, 255])
def test_a_signature_type_that_is_not_known_is_refused(key_type: int) -> None:
    refused(lambda: VerifierKey("a", key_type, bytes(32)), f"type {key_type}")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_public_key_of_another_length_is_refused(length: int) -> None:
    refused(lambda: VerifierKey("a", ED25519, bytes(length)), "has 32 bytes")


@pytest.mark.parametrize("blob", [b"\x00", BLOB[:8], BLOB[:-1], BLOB + b"\x00"], ids=len)
def test_a_cosignature_of_another_length_is_refused_as_such(blob: bytes) -> None:
    refused(lambda: cosigned_at(WITNESS, BODY, with_blob(BY_WITNESS, blob)), "has not 72 bytes")
