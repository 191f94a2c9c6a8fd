"""Officers' key files open at once where the same passphrase opened the same file before.

Their Argon2 takes a fifth of a second of a processor, hundreds of times in a run of all tests, and always
gives the same key. Nothing is replaced: a passphrase or a salt that was not seen yet is derived.
"""

from vault_service.ceremony import officer_key
from vault_service.crypto.argon2 import Argon2
from vault_service.domain.contexts import KdfParams

_new = officer_key._argon2
_keys: dict[tuple[str, bytes, KdfParams], bytes] = {}


class _Remembering(Argon2):
    def derive(self, password: str, salt: bytes, params: KdfParams, *, wait: bool = True) -> bytes:
        what = (password, salt, params)
        if what not in _keys:
            _keys[what] = _new().derive(password, salt, params, wait=wait)
        return _keys[what]


def remember_them() -> None:
    """In this process."""
    officer_key._argon2 = lambda: _Remembering(budget_kib=0, queue_wait_s=0)
