"""The stored chain of manifests; nothing here is believed before it is verified."""

from datetime import datetime

import msgspec
from psycopg import Connection

from vault_service.crypto.manifest_chain import Endorsement, SignedManifest
from vault_service.domain.errors import ManifestError


def load_chain(conn: Connection) -> tuple[SignedManifest, ...]:
    """All links in order of their serials. Raises ManifestError on one that cannot be read."""
    rows = conn.execute("SELECT body, signature, endorsements FROM manifests ORDER BY serial").fetchall()
    try:
        return tuple(
            SignedManifest(body, signature, msgspec.json.decode(signed, type=tuple[Endorsement, ...]))
            for body, signature, signed in rows
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"a stored manifest's endorsements cannot be read: {error}") from error


def newest_serial(conn: Connection) -> int:
    """The highest serial that is stored, believed or not; 0 without any."""
    row = conn.execute("SELECT coalesce(max(serial), 0) FROM manifests").fetchone()
    return int(row[0]) if row else 0


def insert_manifest(conn: Connection, serial: int, link: SignedManifest, now: datetime) -> bool:
    """Append a link. False when there is one of that serial."""
    done = conn.execute(
        """INSERT INTO manifests (serial, body, signature, endorsements, created_at)
           VALUES (%(serial)s, %(body)s, %(signature)s, %(endorsements)s, %(now)s)
           ON CONFLICT DO NOTHING""",
        {
            "serial": serial,
            "body": link.body,
            "signature": link.signature,
            "endorsements": msgspec.json.encode(link.endorsements),
            "now": now,
        },
    )
    return done.rowcount == 1
