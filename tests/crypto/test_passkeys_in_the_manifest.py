"""An officer with a passkey in a manifest: what may stand there, and what two people compare."""

from collections.abc import Callable
from uuid import UUID

import msgspec
import pytest

from tests.crypto.test_manifest_chain import follow
from tests.crypto.test_officer_change import ANA, BEN, CLEO, NEWEST, POINT
from tests.rig.passkeys import SoftPasskey
from vault_service.crypto import xwing
from vault_service.crypto.officer_change import check_change
from vault_service.domain.errors import ManifestError
from vault_service.domain.manifest import Authenticator, Manifest, Officer, Passkey, parse_manifest
from vault_service.domain.manifest_difference import difference, key_fingerprint

ORIGIN = "https://console.example.org"
OWN = SoftPasskey(ORIGIN, "console.example.org")
NAMED = OWN.officer("cleo", CLEO.roles, "ab" * 32, officer_id=CLEO.officer_id)
OFF_THE_CURVE = "04" + "11" * 64


def with_cleo(officer: Officer) -> Manifest:
    return follow(NEWEST, officers=(ANA, BEN, officer))


def cleo(
    *, passkey: dict[str, object] | None = None, auth: dict[str, object] | None = None, **changes: object
) -> Officer:
    """As she is named, but for this."""
    (named,) = NAMED.authenticators
    assert isinstance(named.passkey, Passkey)
    named = msgspec.structs.replace(named, passkey=msgspec.structs.replace(named.passkey, **(passkey or {})))
    named = msgspec.structs.replace(named, **(auth or {}))
    return msgspec.structs.replace(NAMED, **({"authenticators": (named,)} | changes))


def test_an_officer_may_be_re_keyed_to_a_passkey_and_back() -> None:
    passkeys = with_cleo(NAMED)
    check_change(NEWEST, passkeys)
    assert parse_manifest(passkeys.encode()) == passkeys
    check_change(passkeys, follow(passkeys, officers=NEWEST.officers))


def test_a_passkey_on_one_s_own_machine_may_do_without_tls() -> None:
    local = SoftPasskey("http://localhost:8443", "localhost")
    check_change(NEWEST, with_cleo(local.officer("cleo", CLEO.roles, "ab" * 32, officer_id=CLEO.officer_id)))


def test_a_manifest_without_passkeys_has_the_bytes_that_it_always_had() -> None:
    assert b"passkey" not in NEWEST.encode()


REFUSED: dict[str, tuple[Callable[[], Officer], str]] = {
    "a passkey and a key file's share key": (
        lambda: cleo(share_key=xwing.public_key(bytes(32)).hex()), "that a passkey does not open"),
    "a key file and a passkey's share key": (
        lambda: msgspec.structs.replace(CLEO, share_key=OWN.share_key.hex()), "a key-file does not open"),
    "a key file beside a passkey": (
        lambda: cleo(authenticators=(*NAMED.authenticators, *CLEO.authenticators)), "does not open"),
    "a share key off the curve": (lambda: cleo(share_key=OFF_THE_CURVE), "no share can be sealed"),
    "a passkey off the curve": (lambda: cleo(auth={"public_key": OFF_THE_CURVE}), "no point of P-256"),
    "an Ed25519 key as a passkey": (lambda: cleo(auth={"public_key": "11" * 32}), "no point of P-256"),
    "a passkey of a parent domain": (lambda: cleo(passkey={"rp_id": "example.org"}), "another site"),
    "a passkey of another site": (lambda: cleo(passkey={"rp_id": "evil.example"}), "another site"),
    "a page of another site": (lambda: cleo(passkey={"origin": "https://evil.example"}), "another site"),
    "a page without TLS": (lambda: cleo(passkey={"origin": "http://console.example.org"}), "another site"),
}  # fmt: skip


@pytest.mark.parametrize(("officer", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_could_not_sign_or_receive_or_signs_elsewhere_is_not_decided_on(
    officer: Callable[[], Officer], reason: str
) -> None:
    with pytest.raises(ManifestError, match=reason):
        check_change(NEWEST, with_cleo(officer()))


def _ben(passkey: SoftPasskey) -> Officer:
    return passkey.officer("ben", BEN.roles, "ab" * 32, officer_id=BEN.officer_id)


TWICE: dict[str, tuple[Callable[[], Officer], str]] = {
    "one passkey": (
        lambda: _ben(SoftPasskey(ORIGIN, OWN.rp_id, OWN.key, OWN.credential_id)), "authenticator"),
    "one key by another credential id": (
        lambda: _ben(SoftPasskey(ORIGIN, OWN.rp_id, OWN.key)), "authenticator"),
    "one credential id for another key": (
        lambda: _ben(SoftPasskey(ORIGIN, OWN.rp_id, credential_id=OWN.credential_id)), "passkey"),
    "one share key": (
        lambda: _ben(SoftPasskey(ORIGIN, OWN.rp_id, share_private=OWN.share_private)), "share key"),
}  # fmt: skip


@pytest.mark.parametrize(("ben", "what"), TWICE.values(), ids=TWICE)
def test_one_passkey_does_not_serve_two_people(ben: Callable[[], Officer], what: str) -> None:
    body = follow(NEWEST, officers=(ANA, ben(), NAMED)).encode()
    with pytest.raises(ManifestError, match=f"uses one {what} twice"):
        parse_manifest(body)


@pytest.mark.parametrize(
    "authenticator",
    [
        Authenticator(UUID(int=7), "passkey", POINT),
        Authenticator(UUID(int=7), "key-file", "11" * 32, NAMED.authenticators[0].passkey),
    ],
    ids=["a passkey that signs nowhere", "a key file with a site"],
)
def test_a_passkey_says_where_it_signs_and_a_key_file_does_not(authenticator: Authenticator) -> None:
    body = with_cleo(cleo(authenticators=(authenticator,))).encode()
    with pytest.raises(ManifestError, match="does not say where a passkey signs"):
        parse_manifest(body)


@pytest.mark.parametrize(
    "place",
    [{"origin": "ftp://x"}, {"origin": "https://a/b"}, {"origin": "https://a\n"}, {"origin": "https://A"},
     {"rp_id": ""}, {"rp_id": "a b"}, {"rp_id": "a\n"}, {"credential_id": ""},
     {"wrapped_share_key": "00" * 513}],
    ids=str,
)  # fmt: skip
def test_a_site_is_written_in_one_way_only(place: dict[str, object]) -> None:
    body = with_cleo(cleo(passkey=place)).encode()
    with pytest.raises(ManifestError, match="cannot be read"):
        parse_manifest(body)


@pytest.mark.parametrize(
    "officer",
    [
        lambda: cleo(auth={"public_key": NAMED.authenticators[0].public_key + "\n"}),
        lambda: cleo(share_key=NAMED.share_key + "\n"),
        lambda: cleo(passkey={"credential_id": "00\n"}),
    ],
    ids=["a passkey", "a share key", "a credential"],
)
def test_a_key_is_written_in_one_way_only(officer: Callable[[], Officer]) -> None:
    """Two spellings of one key would be two people; hex is read whatever white space is in it."""
    body = with_cleo(officer()).encode()
    with pytest.raises(ManifestError, match="cannot be read"):
        parse_manifest(body)


CHANGED: dict[str, Callable[[], Officer]] = {
    "the key": lambda: cleo(auth={"public_key": POINT}),
    "the share key": lambda: cleo(share_key=POINT),
    "the credential": lambda: cleo(passkey={"credential_id": "00"}),
    "the site": lambda: cleo(passkey={"rp_id": "evil.example"}),
    "the page": lambda: cleo(passkey={"origin": "https://evil.example"}),
    "the wrapped share key": lambda: cleo(passkey={"wrapped_share_key": "00"}),
    "whom the share key is wrapped for": lambda: cleo(officer_id=UUID(int=8)),
    "which passkey it is wrapped for": lambda: cleo(auth={"authenticator_id": UUID(int=8)}),
}


@pytest.mark.parametrize("officer", CHANGED.values(), ids=CHANGED)
def test_the_fingerprint_that_two_people_compare_is_over_all_of_it(officer: Callable[[], Officer]) -> None:
    """Else a console could put its own site into a card on its way, and collect signatures there."""
    assert key_fingerprint(officer()) != key_fingerprint(NAMED)


def test_the_officers_read_at_which_site_somebody_signs() -> None:
    (line,) = difference(NEWEST, with_cleo(NAMED))
    assert line == (
        f"re-keys cleo: {key_fingerprint(CLEO)} -> {key_fingerprint(NAMED)} (passkey of {ORIGIN})"
    )
    dora = OWN.officer("dora", CLEO.roles, "ab" * 32)
    (line,) = difference(NEWEST, follow(NEWEST, officers=(*NEWEST.officers, dora)))
    assert f"(passkey of {ORIGIN})" in line
