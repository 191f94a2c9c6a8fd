"""A login under every generation of the index key that some user may be found by."""

from dataclasses import dataclass

from vault_service.domain.manifest import Manifest
from vault_service.kms.wrapping.wraps import LoginBinding
from vault_service.storage.keys.users import UserRow


@dataclass(frozen=True, slots=True)
class LiveLogin:
    """The current generation's index first: what is new is bound to that one."""

    bindings: tuple[LoginBinding, ...]
    lost: frozenset[int] = frozenset()  # prepared generations whose key is gone: no login can be under one

    @property
    def current(self) -> LoginBinding:
        """What a new user's wraps are bound to."""
        return self.bindings[0]

    @property
    def indexes(self) -> tuple[bytes, ...]:
        """32 bytes each."""
        return tuple(binding.index for binding in self.bindings)

    @property
    def gens(self) -> frozenset[int]:
        """The generations that made them."""
        return frozenset(binding.index_gen for binding in self.bindings)

    def is_of(self, row: UserRow) -> bool:
        """Whether it is the login that the user's own row names, whichever generation it is on."""
        return LoginBinding(row.login_index, row.login_index_gen) in self.bindings


def live_generations(manifest: Manifest) -> tuple[int, ...]:
    """The current one, then the others that something may be under.

    A prepared one too: another key service may have made it current a moment ago.
    """
    keys = [key for key in manifest.keys.login_index if key.state != "destroyed"]
    return tuple(key.gen for key in sorted(keys, key=lambda key: (key.state != "current", -key.gen)))
