"""A new escrow key, and every wrap sealed to it: what officers do, and what stands in the database then."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pkcs11 import Attribute, ObjectClass

from tests.ceremony.office import Office
from tests.rig.vault import settings_of
from vault_service.ceremony.parts import Resealing
from vault_service.ceremony.process import Result
from vault_service.domain.case import Scope
from vault_service.kms.token.admin import started
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.recovery.officers import Change, propose, use_escrow_key
from vault_service.recovery.propose import escrow_key_of, open_change

IN_CHILDREN = Resealing(children=2, page=2, derives=5)
"""Pages of two wraps in two children, of which each is replaced after some of them."""


@dataclass(frozen=True)
class Kept:
    """The wraps as they were once: genuine ones, to the escrow key of then."""

    office: Office
    rows: list[tuple[object, ...]]
    older_keys: list[Path]  # files of a soft token

    @classmethod
    def of(cls, office: Office) -> "Kept":
        files = (office.vault.home / "tokens" / "escrow").rglob("*.object")
        older = [path for path in files if path.name != "token.object"]
        with office.vault.keys.superuser() as conn:
            found = conn.execute("SELECT escrow_gen, pepper_gen, wrap, user_id, dek_id FROM escrow_wraps")
            return cls(office, found.fetchall(), older)

    def put_back(self) -> None:
        """And no case that an earlier test has left."""
        with self.office.vault.keys.superuser() as conn, conn.transaction():
            conn.execute("UPDATE cases SET state = 'expired' WHERE state IN ('open', 'executing')")
            for row in self.rows:
                conn.execute(
                    """UPDATE escrow_wraps SET escrow_gen = %s, pepper_gen = %s, wrap = %s
                       WHERE user_id = %s AND dek_id = %s""",
                    row,
                )
                conn.execute("UPDATE deks SET escrow_gen = %s WHERE dek_id = %s", (row[0], row[-1]))


def proposed(office: Office, *changes: Change) -> UUID:
    acting = office.acting("cleo")
    proposal = propose(acting.manifest, changes, datetime.now(UTC))
    return open_change(office.recovery, acting, proposal, "as we decided").case_id


def changed(office: Office, *changes: Change) -> None:
    """By an officer change that ana and bob endorse."""
    (outcome,) = office.serve(proposed(office, *changes), "ana", "bob").outcomes
    assert outcome.error is None, outcome


def new_escrow_key(office: Office) -> int:
    """Made by a key ceremony, and current by an officer change; its generation."""
    (outcome,) = office.serve(office.open("key-ceremony"), "ana", "bob").outcomes
    gen, point = escrow_key_of(outcome.says)
    changed(office, use_escrow_key(gen, point))
    return gen


def rotated(office: Office, **changes: Any) -> tuple[UUID, Result]:
    case = office.open("escrow-rotation")
    return case, office.serve(case, "ana", "bob", **changes)


def drill_of_all(office: Office) -> Result:
    return office.serve(office.open("drill", scope=Scope()), "ana", "bob")


def generations(office: Office) -> set[int]:
    """That wraps are on."""
    with office.vault.keys.superuser() as conn:
        return {int(str(row[0])) for row in conn.execute("SELECT escrow_gen FROM escrow_wraps")}


def on_older(office: Office, gen: int) -> set[UUID]:
    with office.vault.keys.superuser() as conn:
        rows = conn.execute("SELECT user_id FROM escrow_wraps WHERE escrow_gen <> %s", (gen,))
        return {UUID(str(row[0])) for row in rows}


def keys_in_token(office: Office) -> set[str]:
    """Labels of the escrow token's key pairs, by the public halves that anybody may read."""
    place = settings_of(office.vault).ceremony
    assert place is not None
    token = TokenPlace(
        place.token.module, place.token.label, place.token.softhsm2_conf, place.token.state_dir
    )
    with started(token) as (_, found), found.open() as session:
        public = list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY}))
        return {str(key[Attribute.LABEL]) for key in public}
