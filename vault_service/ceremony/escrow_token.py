"""The escrow token, open for as long as a ceremony lasts and no longer."""

import contextlib
import hmac
from collections.abc import Generator
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import (
    KDF,
    Attribute,
    DeriveMixin,
    KeyType,
    Mechanism,
    MechanismFlag,
    MultipleObjectsReturned,
    NoSuchKey,
    ObjectClass,
    PinIncorrect,
    PinLocked,
    PKCS11Error,
    Session,
)
from pkcs11.util.ec import encode_named_curve_parameters

from vault_service.crypto.hpke import ENC_BYTES, DiffieHellman, load_public_key
from vault_service.domain.errors import (
    ConfigurationError,
    TokenKeyError,
    TokenUnavailableError,
    WrongTokenError,
)
from vault_service.domain.recovery_errors import PinAlmostLockedError
from vault_service.kms.token.admin import running, started
from vault_service.kms.token.bare_ecdh import READABLE, SECRET_BYTES
from vault_service.kms.token.keys import STAYS_INSIDE
from vault_service.kms.token.pkcs11_module import Module, PinFlags, TokenPlace
from vault_service.kms.token.softhsm_files import bring_to_disk

_NO_TRY = PinFlags.FINAL_TRY | PinFlags.LOCKED


class EscrowPinRefusedError(ConfigurationError):
    """The escrow token does not take this PIN."""

    code = "escrow.pin_refused"
    remedy = "Stop: a real token locks after a few wrong PINs. Run vaultctl doctor."


class EscrowToken:
    """A logged-in session; keys go by their labels."""

    def __init__(
        self, module: Module, session: Session, pin_limits: tuple[int, int], softhsm2_conf: Path | None
    ) -> None:
        self._module = module
        self._softhsm2_conf = softhsm2_conf
        self._session = session
        self._pin_limits = pin_limits

    def check_pin_fits(self, pin: str) -> None:
        """Raises ConfigurationError when the token takes no PIN of this length."""
        shortest, longest = self._pin_limits
        if not shortest <= len(pin.encode()) <= longest:
            raise ConfigurationError(
                f"the escrow token takes PINs of {shortest} to {longest} bytes",
                remedy="Use a token that takes PINs of 16 to 32 bytes.",
            )

    def change_pin(self, old: str, new: str) -> None:
        """C_SetPIN. Whether a token took it shows only in a process that has begun anew.

        Raises TokenUnavailableError: then the token has the one or the other.
        """
        self.check_pin_fits(new)
        try:
            self._session.set_pin(old, new)
        except PKCS11Error as error:
            raise TokenUnavailableError(f"the escrow token's PIN change ({type(error).__name__})") from None

    def generate_escrow_key(self, label: str) -> bytes:
        """A P-256 key pair whose private half can derive and nothing else; returns the point, 65 bytes.

        Raises ConfigurationError for a label that is taken, TokenUnavailableError: the token is full, say.
        """
        if list(self._session.get_objects({Attribute.LABEL: label})):
            raise ConfigurationError(
                f"the token has a key {label}", remedy="Use the next generation's number."
            )
        try:
            curve = self._session.create_domain_parameters(
                KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}, local=True
            )
            curve.generate_keypair(
                label=label,
                store=True,
                capabilities=MechanismFlag.DERIVE,
                public_template={Attribute.MODIFIABLE: False},
                private_template=STAYS_INSIDE,
            )
            point = self.public_key(label)
        except PKCS11Error as error:
            raise TokenUnavailableError(f"the escrow token ({type(error).__name__})") from None
        bring_to_disk(self._softhsm2_conf)  # before anybody is told of it
        return point

    def has_key(self, label: str) -> bool:
        """Is there any half of it?"""
        return bool(list(self._session.get_objects({Attribute.LABEL: label})))

    def holds(self, label: str, point: bytes) -> bool:
        """Whether what is sealed to this point is opened by the key of this label.

        A public key says nothing of that: anybody may have put it there. So the private one is asked for a
        secret that the other half of it is known of. Raises TokenUnavailableError.
        """
        ours = ec.generate_private_key(ec.SECP256R1())
        peer = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        try:
            shared = self.diffie_hellman(label)(peer)
        except TokenKeyError:
            return False
        except PKCS11Error as error:
            raise TokenUnavailableError(f"the escrow token ({type(error).__name__})") from None
        return hmac.compare_digest(shared, ours.exchange(ec.ECDH(), load_public_key(point)))

    def destroy_escrow_key(self, label: str, point: bytes) -> None:
        """The private half first, so that what a crash leaves is the public one, which shows which it was.

        Raises WrongTokenError when the token has another key under this label, TokenUnavailableError.
        """
        try:
            found = list(self._session.get_objects({Attribute.LABEL: label}))
            public = [key for key in found if key.object_class is ObjectClass.PUBLIC_KEY]
            if public and self.public_key(label) != point:
                raise WrongTokenError(f"the escrow token (another key {label} than the manifest's)")
            for key in sorted(found, key=lambda key: key in public):
                key.destroy()
        except PKCS11Error as error:
            raise TokenUnavailableError(f"the escrow token ({type(error).__name__})") from None
        bring_to_disk(self._softhsm2_conf)

    def free_label(self, kind: str, first: int) -> str:
        """`kind`/n with the least n from `first` on that no key in the token has."""
        number = first
        while list(self._session.get_objects({Attribute.LABEL: f"{kind}/{number}"})):
            number += 1
        return f"{kind}/{number}"

    def public_key(self, label: str) -> bytes:
        """The uncompressed point, 65 bytes."""
        key = self._session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=label)
        point: bytes = key[Attribute.EC_POINT]  # a DER octet string of 65 bytes: two bytes before it
        load_public_key(point[-ENC_BYTES:])
        return point[-ENC_BYTES:]

    def diffie_hellman(self, label: str) -> DiffieHellman:
        """Multiplies points by the private key, inside the token; fit for crypto.hpke.open_with.

        Raises TokenKeyError when the token has none of this label, or two: its files were put back from a
        backup of before the key was made, say.
        """
        try:
            found = self._session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=label)
        except (NoSuchKey, MultipleObjectsReturned) as error:
            raise TokenKeyError(f"the escrow token (its key {label}: {type(error).__name__})") from None
        private = cast("DeriveMixin", found)
        bare = self._module.bare_ecdh(self._session, found)

        def multiply(peer: bytes, /) -> bytes:
            secret = bare(peer)
            return _by_the_library(private, peer) if secret is None else secret

        return multiply


def _by_the_library(private: DeriveMixin, peer: bytes) -> bytes:
    """Raises PKCS11Error by the name of what is wrong."""
    shared = private.derive_key(
        KeyType.GENERIC_SECRET,
        8 * SECRET_BYTES,
        mechanism=Mechanism.ECDH1_DERIVE,
        mechanism_param=(KDF.NULL, None, peer),
        capabilities=MechanismFlag(0),
        template=dict(READABLE),
    )
    try:
        return bytes(shared[Attribute.VALUE])
    finally:
        shared.destroy()


@contextlib.contextmanager
def open_escrow_token(
    place: TokenPlace, pin: str, *, serial: str | None = None, locked_by_parent: bool = False
) -> Generator[EscrowToken]:
    """Log in once with this PIN; at the end the module is finalised, so no login stays.

    `serial`: of the token that the PIN is for; no other gets to see it. `locked_by_parent`: the ceremony
    that started this process holds the token's lock and waits for the login. Raises WrongTokenError,
    PinAlmostLockedError without a try, EscrowPinRefusedError without a second one, and
    TokenUnavailableError.
    """
    begin = running if locked_by_parent else started
    try:
        with begin(place) as (loaded, token):
            found = token.serial.decode("ascii", "replace")
            if serial is not None and found != serial:
                raise WrongTokenError(f"the escrow token (serial {found}, and the manifest names {serial})")
            if flags := loaded.pin_flags(token) & _NO_TRY:
                raise PinAlmostLockedError(f"the escrow token's PIN flags: {flags.name}")
            with token.open(rw=True, user_pin=pin) as session:
                yield EscrowToken(loaded, session, loaded.pin_limits(token), place.softhsm2_conf)
    except PinLocked:
        raise PinAlmostLockedError("the escrow token is locked") from None
    except PinIncorrect:
        raise EscrowPinRefusedError("the escrow token does not take this PIN") from None
    except PKCS11Error as error:
        raise TokenUnavailableError(f"the escrow token ({type(error).__name__})") from None
