"""The key manifest: which generation of each key counts, who the officers are, how many must agree.

Manifests form a chain: each names the hash of the one before. The first one's hash, the
fingerprint, is pinned in the settings of each process. Here is only what a manifest says; whether
to believe it is decided in crypto/manifest_chain.py.
"""

import hashlib
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import rfc8785
from msgspec import Meta

from vault_service.domain.contexts import context
from vault_service.domain.errors import ManifestError
from vault_service.domain.floors import KDF_FLOOR, MAX_GUESSES, MIN_CODE_POINTS

State = Literal["prepared", "current", "retiring", "destroyed"]
Role = Literal["requester", "approver", "discloser", "auditor", "operator"]
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*\Z")]
Generation = Annotated[int, Meta(ge=1)]

MIN_QUORUM = 2  # promise P4: never one person, whatever a manifest says

BREAK_GLASS_ID = UUID(int=0)
"""Stands in the place of officer and authenticator where the break-glass key endorses a manifest."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class PublicKeyGeneration(_Part, frozen=True):
    """One generation of a key pair in a token."""

    gen: Generation
    state: State
    public_key: Hex


class SecretKeyGeneration(_Part, frozen=True):
    """One generation of a secret key in a token, with a value that shows it is that key."""

    gen: Generation
    state: State
    check: Hex


class Keys(_Part, frozen=True):
    """Every kind of key, all generations of each."""

    escrow: tuple[PublicKeyGeneration, ...]  # P-256, uncompressed points; in the escrow token
    pepper: tuple[SecretKeyGeneration, ...]  # the rest in the online token
    login_index: tuple[SecretKeyGeneration, ...]
    case: tuple[SecretKeyGeneration, ...]
    note: tuple[PublicKeyGeneration, ...]  # Ed25519
    audit_signing: tuple[PublicKeyGeneration, ...]  # Ed25519
    manifest: tuple[PublicKeyGeneration, ...]  # Ed25519


class Passkey(_Part, frozen=True):
    """Where a passkey signs, so that whoever reads the chain can judge its signatures by themselves."""

    credential_id: Annotated[Hex, Meta(min_length=2, max_length=2046)]  # WebAuthn: at most 1,023 bytes
    rp_id: Annotated[str, Meta(max_length=253, pattern=r"^[a-z0-9.-]+\Z")]  # the console's host name
    origin: Annotated[str, Meta(min_length=1, max_length=280, pattern=r"^https?://[a-z0-9.:-]+\Z")]
    # The share key's private half (PKCS #8) under a key that only the passkey derives (WebAuthn PRF): nonce,
    # ciphertext, tag. Empty where the passkey derives none: the officer keeps it in a file.
    wrapped_share_key: Annotated[Hex, Meta(max_length=2 * 512)]


class Authenticator(_Part, frozen=True):
    """One thing that an officer signs with."""

    authenticator_id: UUID
    kind: Literal["key-file", "passkey"]
    public_key: Hex  # key file: Ed25519, 32 bytes; passkey: P-256, uncompressed point (ES256)
    # Unset of a key file: the bytes of manifests from before there were passkeys stay the same.
    passkey: Passkey | msgspec.UnsetType = msgspec.UNSET


class Officer(_Part, frozen=True):
    """A person, however many authenticators they have."""

    officer_id: UUID
    name: str
    roles: tuple[Role, ...]
    authenticators: tuple[Authenticator, ...]
    share_key: Hex  # what the officer's shares are sealed to: X-Wing (key file) or a P-256 point (passkey)
    user_ids: tuple[UUID, ...] = ()  # the officer's own accounts: never decided by the officer


class Quorum(_Part, frozen=True):
    """How many distinct officers must agree."""

    base: Annotated[int, Meta(ge=MIN_QUORUM)]  # also the threshold of the PIN's shares
    disclosure: Annotated[int, Meta(ge=MIN_QUORUM)]


_Seconds = Annotated[int, Meta(ge=0, le=31_536_000)]


class RecoveryFloors(_Part, frozen=True):
    """What recovery.toml may not go below: waiting periods, and above: how long a case stays open."""

    wait_regain_s: _Seconds = 0
    wait_disclosure_s: _Seconds = 0
    wait_erasure_s: _Seconds = 0
    wait_drill_s: _Seconds = 0
    wait_key_ceremony_s: _Seconds = 0
    wait_officer_change_s: _Seconds = 0
    expiry_at_most_s: Annotated[int, Meta(ge=3600, le=31_536_000)] = 31_536_000


class Floors(_Part, frozen=True):
    """What no policy file may go below: the floors in code are the least, a quorum may demand more."""

    argon2_memory_kib: Annotated[int, Meta(ge=KDF_FLOOR.memory_kib)] = KDF_FLOOR.memory_kib
    argon2_iterations: Annotated[int, Meta(ge=KDF_FLOOR.iterations)] = KDF_FLOOR.iterations
    password_code_points: Annotated[int, Meta(ge=MIN_CODE_POINTS)] = MIN_CODE_POINTS
    guesses_in_a_row: Annotated[int, Meta(ge=1, le=MAX_GUESSES)] = MAX_GUESSES  # at the most
    # Unset in manifests from before there was recovery: their bytes, which are signed, stay the same.
    recovery: RecoveryFloors | msgspec.UnsetType = msgspec.UNSET


class BreakGlass(_Part, frozen=True):
    """The key that the words on paper give."""

    public_key: Hex  # Ed25519
    threshold: Annotated[int, Meta(ge=MIN_QUORUM)]


class Tokens(_Part, frozen=True):
    """Serial numbers, so that another token plugged in is noticed."""

    online: str
    escrow: str


class Manifest(_Part, frozen=True):
    """One link of the chain."""

    v: Literal[1]
    serial: Generation
    previous: Hex  # SHA-256 of the previous manifest's bytes; empty in the first
    created_at: str
    keys: Keys
    officers: tuple[Officer, ...]
    quorum: Quorum
    floors: Floors
    break_glass: BreakGlass
    tokens: Tokens

    def encode(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    @property
    def escrow_key(self) -> PublicKeyGeneration:
        """What new escrow wraps are sealed to."""
        return next(key for key in self.keys.escrow if key.state == "current")

    @property
    def pepper_gen(self) -> int:
        """What new outer layers are made with."""
        return next(key.gen for key in self.keys.pepper if key.state == "current")

    @property
    def login_index_gen(self) -> int:
        """What new login indexes are made with."""
        return next(key.gen for key in self.keys.login_index if key.state == "current")

    @property
    def case_gen(self) -> int:
        """What new cases are authenticated with."""
        return next(key.gen for key in self.keys.case if key.state == "current")

    @property
    def note_key(self) -> PublicKeyGeneration:
        """What new ceremonies' notes are signed with."""
        return next(key for key in self.keys.note if key.state == "current")

    @property
    def manifest_key(self) -> PublicKeyGeneration:
        """What the next manifest is signed with."""
        return next(key for key in self.keys.manifest if key.state == "current")

    def under_quorum(self) -> bytes:
        """What only a quorum of officers may change: escrow keys, officers, quorum, floors, break-glass."""
        part = (
            self.keys.escrow, self.officers, self.quorum, self.floors, self.break_glass, self.tokens.escrow
        )  # fmt: skip
        return rfc8785.dumps(msgspec.to_builtins(part))


def manifest_hash(body: bytes) -> bytes:
    """SHA-256 of the canonical bytes; of the first manifest it is the fingerprint."""
    return hashlib.sha256(body).digest()


def manifest_signing_input(body: bytes) -> bytes:
    """What the token and endorsing officers sign."""
    return context(b"manifest", manifest_hash(body))


def parse_manifest(body: bytes) -> Manifest:
    """Parse canonical bytes; anything that would encode differently is refused.

    Raises ManifestError.
    """
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except msgspec.DecodeError as error:
        raise ManifestError(f"a stored manifest cannot be read: {error}") from error
    if manifest.encode() != body:
        raise ManifestError(f"manifest {manifest.serial} is not in canonical form")
    for kind in msgspec.structs.fields(Keys):
        current = [key for key in getattr(manifest.keys, kind.name) if key.state == "current"]
        if len(current) != 1:
            raise ManifestError(f"manifest {manifest.serial} has {len(current)} current keys for {kind.name}")
    _check_officers(manifest)
    return manifest


def _check_officers(manifest: Manifest) -> None:
    """One authenticator cannot serve two people, and the quorum must be able to meet."""
    people = [officer.officer_id for officer in manifest.officers]
    authenticators = [auth for officer in manifest.officers for auth in officer.authenticators]
    keys = [auth.public_key for auth in authenticators]
    shares = [officer.share_key for officer in manifest.officers]
    ids = [auth.authenticator_id for auth in authenticators]
    passkeys = [auth.passkey.credential_id for auth in authenticators if isinstance(auth.passkey, Passkey)]
    for what, values in (
        ("officer id", people), ("authenticator", keys), ("authenticator id", ids), ("share key", shares),
        ("passkey", passkeys),
    ):  # fmt: skip
        if len(set(values)) != len(values):
            raise ManifestError(f"manifest {manifest.serial} uses one {what} twice")
    if any((auth.kind == "passkey") != isinstance(auth.passkey, Passkey) for auth in authenticators):
        raise ManifestError(f"manifest {manifest.serial} does not say where a passkey signs")
    if BREAK_GLASS_ID in people:
        raise ManifestError(f"manifest {manifest.serial} names an officer as break-glass")
    if len(people) < max(manifest.quorum.base, manifest.quorum.disclosure):
        raise ManifestError(f"manifest {manifest.serial} has fewer officers than its quorum")
