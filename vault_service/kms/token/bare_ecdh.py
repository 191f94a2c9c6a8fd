"""ECDH in a token by the three calls of PKCS#11 that it takes.

python-pkcs11 makes a Python class for each derived secret and asks ten attributes for it: a quarter of the
time of what a ceremony does a million times. What it does is the same otherwise, and it stays the way for a
token that wants to be asked otherwise, and for saying what is wrong.
"""

import ctypes
from collections.abc import Mapping
from typing import ClassVar

from pkcs11 import KDF, Attribute, KeyType, Mechanism, ObjectClass

SECRET_BYTES = 32  # the x coordinate of a point of P-256
_CKR_OK = 0
_FUNCTIONS = ("C_DeriveKey", "C_GetAttributeValue", "C_DestroyObject")

READABLE: Mapping[Attribute, bool] = {
    # All four are needed to read the value; it is a session object of this process only.
    Attribute.TOKEN: False,
    Attribute.PRIVATE: False,
    Attribute.SENSITIVE: False,
    Attribute.EXTRACTABLE: True,
}
_OF_NO_USE = (
    Attribute.ENCRYPT, Attribute.DECRYPT, Attribute.SIGN, Attribute.VERIFY, Attribute.WRAP, Attribute.UNWRAP,
    Attribute.DERIVE,
)  # fmt: skip


class _Attribute(ctypes.Structure):
    """CK_ATTRIBUTE."""

    _fields_: ClassVar = [("type", ctypes.c_ulong), ("value", ctypes.c_void_p), ("length", ctypes.c_ulong)]


class _Mechanism(ctypes.Structure):
    """CK_MECHANISM."""

    _fields_: ClassVar = [
        ("mechanism", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("length", ctypes.c_ulong),
    ]  # fmt: skip


class _Parameters(ctypes.Structure):
    """CK_ECDH1_DERIVE_PARAMS."""

    _fields_: ClassVar = [
        ("kdf", ctypes.c_ulong),
        ("shared_length", ctypes.c_ulong),
        ("shared", ctypes.c_void_p),
        ("public_length", ctypes.c_ulong),
        ("public", ctypes.c_char_p),
    ]


class BareEcdh:
    """Multiplies points by one private key; `session` and `key` are handles, good as long as the login."""

    def __init__(self, module: ctypes.CDLL, session: int, key: int) -> None:
        self._derive, self._read, self._destroy = (getattr(module, name) for name in _FUNCTIONS)
        for function in (self._derive, self._read, self._destroy):
            function.restype = ctypes.c_ulong  # CK_RV
        self._session, self._key = ctypes.c_ulong(session), ctypes.c_ulong(key)
        numbers = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            Attribute.VALUE_LEN: SECRET_BYTES,
        }
        truths = {**READABLE, **dict.fromkeys(_OF_NO_USE, False)}
        self._values = [
            *((name, ctypes.c_ulong(value)) for name, value in numbers.items()),
            *((name, ctypes.c_ubyte(value)) for name, value in truths.items()),
        ]  # kept: the template points to them
        self._template = (_Attribute * len(self._values))(
            *(_Attribute(name, ctypes.addressof(value), ctypes.sizeof(value)) for name, value in self._values)
        )

    def __call__(self, peer: bytes, /) -> bytes | None:
        """The shared secret, 32 bytes; None when the token did not give it, whatever the reason.

        `peer`: an uncompressed point.
        """
        parameters = _Parameters(KDF.NULL, 0, None, len(peer), peer)
        mechanism = _Mechanism(
            Mechanism.ECDH1_DERIVE, ctypes.addressof(parameters), ctypes.sizeof(parameters)
        )
        derived = ctypes.c_ulong()
        count = ctypes.c_ulong(len(self._template))
        if self._derive(
            self._session, ctypes.byref(mechanism), self._key, self._template, count, ctypes.byref(derived)
        ):
            return None
        secret = ctypes.create_string_buffer(SECRET_BYTES)
        value = _Attribute(Attribute.VALUE, ctypes.addressof(secret), SECRET_BYTES)
        read = self._read(self._session, derived, ctypes.byref(value), ctypes.c_ulong(1))
        found = secret.raw if read == _CKR_OK and value.length == SECRET_BYTES else None
        ctypes.memset(secret, 0, SECRET_BYTES)
        # Otherwise about 8 kB stay with each.
        return found if self._destroy(self._session, derived) == _CKR_OK else None
