"""SQL that a migration takes from an installed package, pinned by its hash, rather than as a copy.

A line of its own in the migration's file stands for it:

    -- from PACKAGE: PATH sha256=HEX

The file's checksum covers the hash, so what was applied can be told for good. A release that raises the
package, and whose package has another schema, keeps the older text beside the migration.
"""

import hashlib
import importlib.resources
import re

from vault_service.domain.errors import ConfigurationError

_LINE = re.compile(
    rb"^-- from (?P<package>[a-z_]+): (?P<path>[a-z_./]+) sha256=(?P<hash>[0-9a-f]{64})$", re.M
)


def with_packaged(text: bytes) -> bytes:
    """The text of a migration with what its lines stand for. Raises ConfigurationError."""
    return _LINE.sub(_packaged, text)


def _packaged(line: "re.Match[bytes]") -> bytes:
    package, path = line["package"].decode(), line["path"].decode()
    found = importlib.resources.files(package).joinpath(path).read_bytes()
    if hashlib.sha256(found).hexdigest().encode() != line["hash"]:
        raise ConfigurationError(
            f"the installed {package} has another {path} than this release was made with",
            remedy="Install the packages that requirements/runtime.txt names, with their hashes.",
        )
    return found
