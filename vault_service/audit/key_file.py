"""audit.vkey: the public keys that an auditor needs, of both logs and of those who cosign them."""

from collections.abc import Sequence

from vault_service.crypto.manifest_chain import SignedManifest, verify_chain
from vault_service.domain.errors import ManifestError
from vault_service.domain.logs import LOGS, LogName, key_name
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.tlog.keys import ED25519, VerifierKey

# A key that is prepared has signed nothing yet: it is named once it is current.
_WORDS = {"signing": ("current",), "retired": ("retiring", "destroyed")}


def key_file(chain: Sequence[SignedManifest], *, fingerprint: str, cosigners: Sequence[str]) -> str:
    """The file's text: `signing`, `retired` and `cosigning` lines, each with a C2SP verifier key.

    `fingerprint`: the pinned one, 64 hex digits; `cosigners`: verifier keys from the settings. Raises
    ManifestError for a chain that is not the pinned one.
    """
    lines: list[str] = []
    keys = _believed(chain, fingerprint)
    for log in LOGS:
        for word, states in _WORDS.items():
            lines += [f"{word} {_vkey(fingerprint, log, key)}" for key in keys if key.state in states]
    lines += [f"cosigning {vkey}" for vkey in sorted(set(cosigners))]
    return "".join(f"{line}\n" for line in lines)


def signing_keys(chain: Sequence[SignedManifest], *, fingerprint: str) -> tuple[str, ...]:
    """The verifier key that each log is signed with now: what a witness is told. Raises ManifestError."""
    keys = _believed(chain, fingerprint)
    return tuple(_vkey(fingerprint, log, key) for log in LOGS for key in keys if key.state == "current")


def _believed(chain: Sequence[SignedManifest], fingerprint: str) -> tuple[PublicKeyGeneration, ...]:
    if not fingerprint:
        raise ManifestError("no fingerprint is pinned, so that no manifest can be believed")
    return verify_chain(chain, pinned=bytes.fromhex(fingerprint)).keys.audit_signing


def _vkey(fingerprint: str, log: LogName, key: PublicKeyGeneration) -> str:
    return VerifierKey(key_name(fingerprint, log), ED25519, bytes.fromhex(key.public_key)).format()
