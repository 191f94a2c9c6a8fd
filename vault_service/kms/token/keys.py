"""One thread's session of the online token, and the keys that it looked up."""

import contextlib
from typing import cast

from pkcs11 import (
    Attribute,
    Key,
    KeyType,
    Mechanism,
    MechanismFlag,
    ObjectClass,
    PKCS11Error,
    PublicKey,
    SignMixin,
    Token,
)

from vault_service.domain.errors import TokenKeyError, TokenUnavailableError

ED25519_PUBLIC_BYTES = 32
_ED25519_PARAMETERS = b"\x13\x0cedwards25519"  # a PrintableString (PKCS#11 v3.0, section 2.3.10)
_DER_OCTET_STRING = b"\x04\x20"  # of 32 bytes; some modules give the point without it

# Not MODIFIABLE: otherwise whoever logs in could switch EXTRACTABLE or other uses on later.
STAYS_INSIDE = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.MODIFIABLE: False}


class Seat:
    """A session without a PIN: the process's login serves it. For one thread at a time."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._session = token.open(rw=True)
        # Looking a key up walks all objects, so handles are kept.
        self._keys: dict[tuple[ObjectClass, str], Key] = {}

    def renew(self) -> None:
        """A fresh session; the old one may be in the middle of an operation. Raises PKCS11Error."""
        self.close()
        self._session = self._token.open(rw=True)

    def close(self) -> None:
        """Give the session back; only while its login lasts, or it may be another's by now."""
        self._keys.clear()
        with contextlib.suppress(PKCS11Error):
            self._session.close()

    def token_is_there(self) -> bool:
        """Is it still this token? Looking for keys does not tell: a lost SoftHSM token has none."""
        try:
            return bool(self._token.slot.get_token().serial == self._token.serial)
        except PKCS11Error:
            return False

    def hmac(self, label: str, message: bytes) -> bytes:
        """HMAC-SHA256 (RFC 2104)."""
        key = cast("SignMixin", self._key(ObjectClass.SECRET_KEY, KeyType.GENERIC_SECRET, label))
        return bytes(key.sign(message, mechanism=Mechanism.SHA256_HMAC))

    def sign(self, label: str, message: bytes) -> bytes:
        """Ed25519 (RFC 8032)."""
        key = cast("SignMixin", self._key(ObjectClass.PRIVATE_KEY, KeyType.EC_EDWARDS, label))
        return bytes(key.sign(message, mechanism=Mechanism.EDDSA))

    def public_key(self, label: str) -> bytes:
        """Ed25519, 32 bytes."""
        key = cast("PublicKey", self._key(ObjectClass.PUBLIC_KEY, KeyType.EC_EDWARDS, label))
        point = bytes(key[Attribute.EC_POINT]).removeprefix(_DER_OCTET_STRING)
        if len(point) != ED25519_PUBLIC_BYTES:
            raise TokenKeyError(f"key {label} of the online token (its point is no Ed25519 key)")
        return point

    def has_key(self, label: str) -> bool:
        """Is there any object of that label? Raises TokenUnavailableError when the token is not there."""
        if list(self._session.get_objects({Attribute.LABEL: label})):  # its generator holds the session
            return True
        if not self.token_is_there():
            raise TokenUnavailableError("the online token (not there)")
        return False

    def destroy(self, label: str) -> int:
        """Every object of that label; returns how many there were.

        What was found is destroyed by its handle and never looked up by its label again in between: a key
        that somebody makes under this label meanwhile is not touched.
        """
        found = list(self._session.get_objects({Attribute.LABEL: label}))
        for key in found:
            key.destroy()
        for kept in [each for each in self._keys if each[1] == label]:
            del self._keys[kept]
        if not found and not self.token_is_there():
            raise TokenUnavailableError("the online token (not there)")
        return len(found)

    def generate_hmac_key(self, label: str) -> None:
        """256 bits, stored in the token."""
        self._session.generate_key(
            KeyType.GENERIC_SECRET,
            256,
            label=label,
            store=True,
            capabilities=MechanismFlag.SIGN,
            template=STAYS_INSIDE,
        )

    def generate_signing_key(self, label: str) -> None:
        """An Ed25519 pair, stored in the token."""
        curve = self._session.create_domain_parameters(
            KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519_PARAMETERS}, local=True
        )
        curve.generate_keypair(
            label=label,
            store=True,
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
            public_template={Attribute.MODIFIABLE: False},
            private_template=STAYS_INSIDE,
        )

    def _key(self, kind: ObjectClass, key_type: KeyType, label: str) -> Key:
        key = self._keys.get((kind, label))
        if key is None:
            key = self._keys[kind, label] = self._find(kind, key_type, label)
        return key

    def _find(self, kind: ObjectClass, key_type: KeyType, label: str) -> Key:
        wanted = {Attribute.CLASS: kind, Attribute.KEY_TYPE: key_type, Attribute.LABEL: label}
        found = list(self._session.get_objects(wanted))
        if len(found) != 1:
            raise TokenKeyError(f"key {label} of the online token (found {len(found)} times)")
        key = cast("Key", found[0])
        # Whoever could log in once may have planted a key whose value they know.
        if kind != ObjectClass.PUBLIC_KEY and (key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]):
            raise TokenKeyError(f"key {label} of the online token (it could leave the token)")
        return key
