"""Load a PKCS#11 module so that threads may use it.

python-pkcs11 calls C_Initialize(NULL), after which a module need not lock anything: SoftHSM then
corrupts its heap under threads within seconds. Here C_Initialize is called with CKF_OS_LOCKING_OK
(PKCS#11 v2.40, section 5.4), and both it and C_Finalize are called by us only. A process that
forks after it loaded a module leaves its child with locks that nobody will open: refused.
"""

import ctypes
import enum
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from pkcs11 import Key, PKCS11Error, Session, Token
from pkcs11._pkcs11 import lib

from vault_service.domain.errors import TokenUnavailableError
from vault_service.kms.token.bare_ecdh import BareEcdh

_CKF_OS_LOCKING_OK = 2
_CKR_OK = 0


class PinFlags(enum.Flag):
    """Of CK_TOKEN_INFO (PKCS#11 v2.40, section 3.2)."""

    COUNT_LOW = 0x0001_0000  # a wrong PIN since the last right one
    FINAL_TRY = 0x0002_0000
    LOCKED = 0x0004_0000
    TO_BE_CHANGED = 0x0008_0000


class SoPinFlags(enum.Flag):
    """The same of the security officer's PIN."""

    COUNT_LOW = 0x0010_0000
    FINAL_TRY = 0x0020_0000
    LOCKED = 0x0040_0000
    TO_BE_CHANGED = 0x0080_0000


_PIN_FLAGS = 0x000F_0000
_SO_PIN_FLAGS = 0x00F0_0000


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a token is, and where this host keeps what it needs to use it safely."""

    module: Path
    label: str
    softhsm2_conf: Path | None  # SoftHSM's configuration; None for other modules
    state_dir: Path  # the lock, and the copy of the token's object


class _InitializeArgs(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        ("create_mutex", ctypes.c_void_p),
        ("destroy_mutex", ctypes.c_void_p),
        ("lock_mutex", ctypes.c_void_p),
        ("unlock_mutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


class _TokenInfo(ctypes.Structure):
    """CK_TOKEN_INFO."""

    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("flags", ctypes.c_ulong),
        ("counts", ctypes.c_ulong * 4),
        ("max_pin", ctypes.c_ulong),
        ("min_pin", ctypes.c_ulong),
        ("memory", ctypes.c_ulong * 4),
        ("versions", ctypes.c_ubyte * 4),
        ("utc_time", ctypes.c_char * 16),
    )


class _ThreadSafeLib(lib):
    """Leaves C_Initialize to us; `initialized` stays false, so it never finalises either."""

    def initialize(self) -> None:
        """Nothing: Module.start does it."""


class _Handled(Protocol):
    """Sessions and objects of python-pkcs11; its types do not tell."""

    handle: int


class Module:
    """One loaded module; a process has one at a time that is started."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lib: _ThreadSafeLib | None = None
        self._pid = os.getpid()
        try:
            self._raw = ctypes.CDLL(str(path))
        except OSError as error:
            raise TokenUnavailableError(f"the PKCS#11 module {path} ({error})") from None
        for function in ("C_Initialize", "C_Finalize", "C_GetTokenInfo"):
            getattr(self._raw, function).restype = ctypes.c_ulong  # CK_RV

    def start(self, softhsm2_conf: Path | None) -> None:
        """C_Initialize. Raises TokenUnavailableError."""
        if os.getpid() != self._pid:
            raise TokenUnavailableError("a PKCS#11 module that was loaded before a fork")
        if softhsm2_conf is not None:
            os.environ["SOFTHSM2_CONF"] = str(softhsm2_conf)  # read by each C_Initialize
        arguments = _InitializeArgs(flags=_CKF_OS_LOCKING_OK)
        result = self._raw.C_Initialize(ctypes.byref(arguments))
        if result != _CKR_OK:
            raise TokenUnavailableError(f"the PKCS#11 module (C_Initialize: {result:#x})")
        if self._lib is None:
            try:
                self._lib = _ThreadSafeLib(str(self._path))
            except PKCS11Error as error:
                self.stop()
                raise TokenUnavailableError(f"the PKCS#11 module ({type(error).__name__})") from None

    def stop(self) -> None:
        """C_Finalize: every session and login of this process ends. No thread may be inside."""
        self._raw.C_Finalize(None)

    def find_token(self, label: str) -> Token:
        """The token of that label. Raises TokenUnavailableError."""
        if self._lib is None:
            raise TokenUnavailableError("the PKCS#11 module")
        try:
            return self._lib.get_token(token_label=label)
        except PKCS11Error as error:
            raise TokenUnavailableError(f"the token {label} ({type(error).__name__})") from None

    def pin_limits(self, token: Token) -> tuple[int, int]:
        """The least and the most bytes of a PIN of this token."""
        info = self._info(token)
        return int(info.min_pin), int(info.max_pin)

    def pin_flags(self, token: Token) -> PinFlags:
        """What the token says about wrong PINs of its user, as of now."""
        return PinFlags(int(self._info(token).flags) & _PIN_FLAGS)

    def so_pin_flags(self, token: Token) -> SoPinFlags:
        """The same about its security officer."""
        return SoPinFlags(int(self._info(token).flags) & _SO_PIN_FLAGS)

    def bare_ecdh(self, session: Session, key: Key) -> BareEcdh:
        """With a private key of this open session."""
        return BareEcdh(self._raw, cast("_Handled", session).handle, cast("_Handled", key).handle)

    def _info(self, token: Token) -> _TokenInfo:
        info = _TokenInfo()
        result = self._raw.C_GetTokenInfo(ctypes.c_ulong(token.slot.slot_id), ctypes.byref(info))
        if result != _CKR_OK:
            raise TokenUnavailableError(f"the token (C_GetTokenInfo: {result:#x})")
        return info


_modules: dict[Path, Module] = {}


def module(path: Path) -> Module:
    """The module at this path, loaded once a process."""
    if path not in _modules:
        _modules[path] = Module(path)
    return _modules[path]
