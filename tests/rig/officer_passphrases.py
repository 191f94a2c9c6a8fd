"""Officers' key files open at once where the same passphrase opened the same file before.

Their Argon2 takes a fifth of a second of a processor, hundreds of times in a run of all tests, and always
gives the same key. Nothing is replaced: a passphrase or a salt that was not seen yet is derived.
"""

import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from vault_service.ceremony import officer_key
from vault_service.crypto.argon2 import Argon2
from vault_service.domain.contexts import KdfParams

_new = officer_key._argon2
_keys: dict[tuple[str, bytes, KdfParams], bytes] = {}


class _Remembering(Argon2):
    """`folder`: what the processes that were forked for one run of tests have derived."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(budget_kib=0, queue_wait_s=0)
        self._folder = folder

    def derive(self, password: str, salt: bytes, params: KdfParams, *, wait: bool = True) -> bytes:
        what = (password, salt, params)
        if what not in _keys:
            _keys[what] = self._seen(what) or self._derive_new(password, salt, params, wait=wait)
        return _keys[what]

    def _seen(self, what: object) -> bytes | None:
        try:
            return self._file(what).read_bytes() if self._folder else None
        except FileNotFoundError:
            return None

    def _derive_new(self, password: str, salt: bytes, params: KdfParams, *, wait: bool) -> bytes:
        key = _new().derive(password, salt, params, wait=wait)
        if self._folder:
            file = self._file((password, salt, params))
            whole = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
            whole.write_bytes(key)
            whole.rename(file)  # whoever reads it meanwhile must not find a part
        return key

    def _file(self, what: object) -> Path:
        assert self._folder is not None
        self._folder.mkdir(exist_ok=True)
        return self._folder / hashlib.sha256(repr(what).encode()).hexdigest()


def remember_them(folder: Path | None = None) -> None:
    """In this process, and with `folder` in all that are told of the same one."""
    officer_key._argon2 = lambda: _Remembering(folder)


def kept_beside(environment: Mapping[str, str]) -> Path | None:
    """The folder for a run's vaults, which are all in one place; None without a vault."""
    home = environment.get("VAULT_HOME")
    return Path(home).with_name("derived") if home else None
