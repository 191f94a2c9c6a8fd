"""P3: the online token's PIN together with both databases cannot open one escrow wrap.

The attack is carried out: the online token takes the outer layer off, as its PIN allows, and then
everything on the host is tried as the escrow token's PIN. As a control, two officers open it.
"""

import base64
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pkcs11 import Attribute, KeyType, ObjectClass, PinIncorrect

from tests.cli.people import dump
from tests.promises.files import contents
from tests.rig.people import Person, enrol, kms_of
from tests.rig.tokens import opened
from tests.rig.vault import OFFICERS, PASSPHRASE, Vault, settings_of
from vault_service.bootstrap.kms import build_key_service
from vault_service.ceremony.break_glass_words import signing_key_of, so_pin_of
from vault_service.ceremony.escrow_token import EscrowPinRefusedError, open_escrow_token
from vault_service.ceremony.officer_key import load_officer_key
from vault_service.ceremony.shares import ESCROW_PIN, SharesRefusedError, combine, open_share
from vault_service.crypto.hpke import SEALED_KEY_BYTES, open_with
from vault_service.domain.contexts import OuterContext
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import OfficerId
from vault_service.domain.manifest import Manifest
from vault_service.kms.token.admin import started
from vault_service.kms.wrapping.wraps import escrow_place
from vault_service.storage.keys.own_shares import list_own_shares
from vault_service.storage.keys.shares import list_pin_generations
from vault_service.storage.keys.users import find_by_id, find_escrow

pytestmark = pytest.mark.slow


class Loot:
    """What the online PIN and the keys database give: an escrow wrap without its outer layer."""

    def __init__(self, vault: Vault, person: Person) -> None:
        settings = settings_of(vault)
        assert settings.kms is not None
        service = build_key_service(settings, settings.kms)
        opened(service.keyring.token)
        try:
            self.manifest: Manifest = service.manifests.current()
            with service.db.connection() as conn:
                user = find_by_id(conn, person.user)
                assert user is not None
                escrow = find_escrow(conn, person.user, user.dek)
                rows = list_pin_generations(conn)
                self.pin_gen = next(row.pin_gen for row in rows if row.state == "active")
                self.shares = {
                    officer.name: list_own_shares(conn, ESCROW_PIN, OfficerId(officer.officer_id)).get(
                        self.pin_gen
                    )
                    for officer in self.manifest.officers
                }
            assert escrow is not None
            place = escrow_place(user.tenant, user.user, user.dek, escrow.escrow_gen, self.manifest)
            self.info = place.encode()
            self.point = place.escrow_public_key
            outer = OuterContext(
                b"escrow", self.info, user.login_index_gen, user.login_index, escrow.pepper_gen
            )
            peeled = service.keyring.open_outer(outer, escrow.wrap, inner_length=SEALED_KEY_BYTES)
        finally:
            service.db.close()
            service.keyring.token.close()
        assert peeled.genuine, "the attack's first step works: this is what the second layer is for"
        self.inner = peeled.inner

    def generation(self, purpose: str) -> int:
        """Of the shares that open something: a ceremony has replaced the PIN's, maybe."""
        return self.pin_gen if purpose == ESCROW_PIN else 1


@pytest.fixture(scope="module")
def person(vault: Vault) -> Person:
    return enrol(vault, kms_of(vault))


@pytest.fixture(scope="module")
def loot(vault: Vault, person: Person) -> Loot:
    return Loot(vault, person)


def words_of(vault: Vault, loot: Loot, officer: str) -> str:
    """An officer's share, opened with the officer's own key file and passphrase."""
    key, fingerprint = load_officer_key(vault.home / "officers" / f"{officer}.key", PASSPHRASE)
    assert fingerprint == vault.fingerprint
    sealed = loot.shares[officer]
    assert sealed is not None
    return open_share(
        key.share_seed, sealed, officer=key.officer, purpose=ESCROW_PIN,
        token_serial=loot.manifest.tokens.escrow, generation=loot.pin_gen,
    )  # fmt: skip


def possible_pins(home: Path) -> Iterator[str]:
    """Every line of every file on the host, and pieces of them; what is called a PIN first, and logs last."""
    paths = sorted(home.rglob("*"), key=lambda path: (path.suffix == ".log", path.suffix != ".pin", path))
    for file, content in contents(paths, largest=20_000):
        if "tokens" not in file.parts:
            for line in content.decode("utf-8", errors="replace").splitlines():
                for piece in (line.strip(), *line.replace('"', " ").replace("=", " ").split()):
                    if 4 <= len(piece.encode()) <= 255:
                        yield piece


def test_nothing_on_the_host_opens_the_escrow_token(vault: Vault, loot: Loot) -> None:
    place = vault.place("escrow")
    tried = set(itertools.islice(dict.fromkeys(possible_pins(vault.home)), 150))
    assert (vault.home / "online.pin").read_text().strip() in tried

    for pin in tried:
        with pytest.raises(EscrowPinRefusedError), open_escrow_token(place, pin):
            pytest.fail("the escrow token opened")
    assert len(loot.inner) == SEALED_KEY_BYTES


@pytest.mark.parametrize("held", ["officers' shares", "sheets of paper"])
def test_no_file_and_no_row_holds_what_only_people_hold(vault: Vault, loot: Loot, held: str) -> None:
    """Knowing the secret, one looks for it everywhere, in each form that a PIN or a key may have."""
    shares = [words_of(vault, loot, officer) for officer in OFFICERS[:2]]
    words = shares if held == "officers' shares" else list(vault.break_glass[:2])
    secret, serial = combine(words), loot.manifest.tokens.escrow
    so_pin = so_pin_of(secret, serial).encode()
    seed = signing_key_of(secret, serial).private_bytes_raw()
    forms = [
        form
        for value in (secret, seed)
        for form in (
            value,
            value.hex().encode(),
            base64.b64encode(value).rstrip(b"="),
            base64.urlsafe_b64encode(value).rstrip(b"="),
            base64.b32encode(value).rstrip(b"="),
        )
    ] + [so_pin, *(share.encode() for share in words), *(share.upper().encode() for share in words)]
    files = {str(file): content for file, content in contents(vault.home.rglob("*"))}
    assert len(files) > 20

    for where, content in {**files, "keys": dump(vault.keys), "records": dump(vault.records)}.items():
        assert not any(form in content for form in forms), where


def test_the_online_pin_is_not_its_security_officers(vault: Vault) -> None:
    """That one is kept on no host: with it, whoever reads the PIN file could set another PIN."""
    pin = (vault.home / "online.pin").read_text().strip()
    with started(vault.place("online")) as (_, token), pytest.raises(PinIncorrect):
        token.open(rw=True, so_pin=pin)


def test_no_pin_that_a_token_was_delivered_with_stays_behind(vault: Vault) -> None:
    assert (vault.home / "tokens" / "online" / "softhsm2.conf").exists()
    assert not list(vault.home.rglob("transport-so-pin"))


def test_the_online_token_holds_no_key_that_could_open_an_escrow_wrap(vault: Vault, loot: Loot) -> None:
    pin = (vault.home / "online.pin").read_text().strip()
    with started(vault.place("online")) as (_, token), token.open(user_pin=pin) as session:
        private = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
        kinds = {key[Attribute.KEY_TYPE] for key in private}
        points = [
            key[Attribute.EC_POINT] for key in session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})
        ]
    assert kinds == {KeyType.EC_EDWARDS}
    assert all(loot.point not in bytes(point) for point in points)


def test_one_officers_share_is_not_enough(vault: Vault, loot: Loot) -> None:
    words = words_of(vault, loot, "ana")
    for shares in ([words], [words, words]):
        with pytest.raises(SharesRefusedError):
            combine(shares)


def test_an_officers_share_does_not_open_with_another_officers_key(vault: Vault, loot: Loot) -> None:
    bob, _ = load_officer_key(vault.home / "officers" / "bob.key", PASSPHRASE)
    ana, _ = load_officer_key(vault.home / "officers" / "ana.key", PASSPHRASE)
    sealed = loot.shares["ana"]
    assert sealed is not None
    for claimed in (bob.officer, ana.officer):
        with pytest.raises(SealBrokenError):
            open_share(
                bob.share_seed, sealed, officer=claimed, purpose=ESCROW_PIN,
                token_serial=loot.manifest.tokens.escrow, generation=loot.pin_gen,
            )  # fmt: skip


@pytest.mark.parametrize("pair", list(itertools.combinations(OFFICERS, 2)), ids="+".join)
def test_any_two_officers_open_it(vault: Vault, person: Person, loot: Loot, pair: tuple[str, str]) -> None:
    """The control: so the tests above fail for the right reason; and any quorum suffices (P11)."""
    secret = combine([words_of(vault, loot, officer) for officer in pair])
    pin = base64.b32encode(secret).rstrip(b"=").decode("ascii")

    with open_escrow_token(vault.place("escrow"), pin) as token:
        dek = open_with(token.diffie_hellman("escrow/1"), loot.point, loot.info, loot.inner)
        with pytest.raises(SealBrokenError):
            open_with(token.diffie_hellman("escrow/1"), loot.point, loot.info + b"!", loot.inner)

    assert dek == person.unlock().dek
