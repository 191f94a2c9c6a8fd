"""What somebody can try with generations of keys: at the token, in the database, at the key service."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import msgspec
import psycopg
import pytest
from pkcs11 import Attribute, KeyType, ObjectClass

from tests.kms.chains import follow, key_service, signed_by
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.inside import Inside
from tests.rotation.operator import Operator
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import (
    CallerRefusedError,
    ManifestError,
    TokenKeyError,
    TokenUnavailableError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import SecretKeyGeneration
from vault_service.domain.rotation import OnlineKind
from vault_service.domain.rotation_errors import (
    FingerprintDiffersError,
    GenerationNeededError,
    GenerationRefusedError,
    UnreadableWrapsError,
)
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ANSWERS, Request
from vault_service.kms.protocol.rotation_messages import (
    CreateKey,
    DestroyKey,
    ListGenerations,
    MakeKeyCurrent,
    RetireKey,
    TakeCensus,
)
from vault_service.kms.rotation import generations
from vault_service.kms.rotation.online_keys import with_generations
from vault_service.kms.service import KeyService
from vault_service.kms.token.keys import Seat
from vault_service.kms.token.online import OnlineToken
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.errors import OF_A_GENERATION
from vault_service.storage.keys.generations import follow_manifest

pytestmark = pytest.mark.slow
KNOWN = b"a key that the attacker knows...."[:32]


@pytest.fixture
def inside(second: KeyService) -> Inside:
    return Inside(second)


def plant(token: OnlineToken, label: str) -> None:
    """As whoever could log in once: a key whose value is known, and which looks like one that is not."""

    def create(seat: Seat) -> None:
        seat._session.create_object(  # as an attacker
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
                Attribute.LABEL: label, Attribute.VALUE: KNOWN, Attribute.TOKEN: True,
                Attribute.SIGN: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False,
            }
        )  # fmt: skip

    token._connection.run(create, changes_token=True)  # likewise


def test_a_key_that_was_planted_under_the_next_label_is_destroyed_and_not_used(
    turned: Vault, inside: Inside
) -> None:
    token = inside.service.keyring.token
    label = f"pepper/{max(inside.states('pepper')) + 1}"
    plant(token, label)
    planted = token.key_check_value(label)

    made = inside.create("pepper")

    assert token.key_check_value(label) != planted
    assert made.fingerprint != sha256(planted).hexdigest()
    with turned.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM audit_events WHERE kind = %s AND digest = %s",
            (int(KeysEvent.KEY_DESTROYED), sha256(label.encode()).digest()),
        ).fetchone()
    assert row == (1,), "and there is evidence of it"


def test_a_planted_key_is_told_although_no_other_one_could_be_made(
    turned: Vault, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever planted it would only have to have what comes next fail, or die, to leave no evidence."""
    label = f"case/{max(inside.states('case')) + 1}"
    plant(inside.service.keyring.token, label)

    def fails(*_: object) -> None:
        raise TokenUnavailableError("the online token")

    monkeypatch.setattr(generations, "make_generation", fails)
    with pytest.raises(TokenUnavailableError):
        inside.create("case")

    with turned.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM audit_events WHERE kind = %s AND digest = %s",
            (int(KeysEvent.KEY_DESTROYED), sha256(label.encode()).digest()),
        ).fetchone()
    assert row == (1,)


def test_a_prepared_key_that_was_replaced_in_the_token_never_becomes_current(inside: Inside) -> None:
    made, token = inside.create("case"), inside.service.keyring.token
    label = f"case/{made.gen}"
    token.destroy_key(label)
    plant(token, label)

    with pytest.raises(GenerationRefusedError, match="retire it"):
        inside.make_current("case", made.gen)
    with pytest.raises(GenerationRefusedError, match="retire it"):
        inside.create("case")
    with pytest.raises(TokenKeyError):
        token.hmac(label, b"message")
    token.ping()  # and the service does not stop for it

    inside.retire("case", made.gen)
    inside.destroy("case", made.gen)
    assert inside.next("case").gen == made.gen + 1


def test_a_row_that_names_a_generation_that_is_none_leads_to_no_key(inside: Inside) -> None:
    """Neither to a planted one nor to one that was given up and is still in the token."""
    token = inside.service.keyring.token
    plant(token, "pepper/999")
    gone = inside.create("login-index").gen
    inside.retire("login-index", gone)
    assert token.has_key(f"login/{gone}")

    for label in ("pepper/999", f"login/{gone}"):
        with pytest.raises(TokenKeyError, match="not among those"):
            token.hmac(label, b"message")


def test_of_two_who_make_a_key_at_once_both_get_the_same(turned: Vault, inside: Inside) -> None:
    """Without the lock one of them would destroy what the other's manifest is about to name."""
    token = inside.service.keyring.token
    other = Inside(inside.service)
    with Operator.of(turned) as operator, ThreadPoolExecutor(3) as threads:
        made = [future.result() for future in (
            threads.submit(operator.create, "note"), threads.submit(inside.create, "note"),
            threads.submit(other.create, "note"),
        )]  # fmt: skip

    assert len({row.fingerprint for row in made}) == 1
    assert sha256(token.public_key(f"note/{made[0].gen}")).hexdigest() == made[0].fingerprint


@pytest.mark.parametrize("kind", ["pepper", "manifest"])
def test_nobody_gives_up_or_destroys_what_is_current(inside: Inside, kind: OnlineKind) -> None:
    current = next(gen for gen, state in inside.states(kind).items() if state == "current")

    with pytest.raises(GenerationRefusedError, match="the current one"):
        inside.retire(kind, current)
    with pytest.raises(GenerationRefusedError, match="retire it first"):
        inside.destroy(kind, current)
    assert inside.service.keyring.token.has_key(f"{kind}/{current}")


def test_a_wrong_fingerprint_is_refused_with_its_event(turned: Vault, inside: Inside) -> None:
    gen = inside.create("audit-signing").gen
    wrong = "ab" * 32
    with Operator.of(turned) as operator:
        for request in (RetireKey("audit-signing", gen, wrong), DestroyKey("audit-signing", gen, wrong)):
            with pytest.raises(FingerprintDiffersError):
                operator.kms.call(request, ANSWERS[type(request)])

    assert inside.states("audit-signing")[gen] == "prepared"
    with turned.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM audit_events WHERE kind = %s AND digest = %s",
            (int(KeysEvent.KEY_CHANGE_REFUSED), bytes.fromhex(wrong)),
        ).fetchone()
    assert row == (2,)


@pytest.mark.parametrize("caller", ["api", "console", "ceremony", "worker_records", "worker_keys"])
def test_only_an_operator_gives_a_key_up(turned: Vault, caller: str) -> None:
    """The keys side's worker may make one and let it be current, by its schedule."""
    requests: list[Request] = [RetireKey("pepper", 1, "00" * 32), DestroyKey("pepper", 1, "00" * 32)]
    if caller != "worker_keys":
        requests += [CreateKey("pepper"), MakeKeyCurrent("pepper", 1), ListGenerations(),
                     TakeCensus("pepper", 1)]  # fmt: skip
    client = kms_client(KmsClientSettings(url=turned.socket(caller)))
    for request in requests:
        with pytest.raises(CallerRefusedError):
            client.call(request, ANSWERS[type(request)])
    client.close()


# --- a superuser of the keys database


def pepper_of(vault: Vault, person: Person) -> int:
    """Not always the current one: the running service hears of a new one within a second."""
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT pepper_gen FROM credentials WHERE user_id = %s", [person.user]).fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_generation_that_wraps_need_cannot_be_deleted_nor_written_under_once_it_is_gone(
    turned: Vault, api: KmsClient, inside: Inside
) -> None:
    person = enrol(turned, api)
    gen = next(gen for gen, state in inside.states("pepper").items() if state == "current")
    with turned.keys.connect("vault_kms") as conn:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            conn.execute("DELETE FROM pepper_generations WHERE gen = %s", (gen,))
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            conn.execute("UPDATE credentials SET pepper_gen = 998 WHERE user_id = %s", (person.user,))


def test_a_manifest_that_the_old_key_has_not_signed_is_not_believed(turned: Vault) -> None:
    """In a transaction that is taken back: the running service looks every second, and must not meet it."""
    with key_service(turned) as service:
        newest = service.manifests.current()
        foreign = SecretKeyGeneration(max(key.gen for key in newest.keys.pepper) + 1, "prepared", "00" * 8)
        keys = with_generations(newest.keys, "pepper", (*newest.keys.pepper, foreign))
        candidate = msgspec.structs.replace(follow(newest), keys=keys)
        link = signed_by(service, candidate)
        broken = bytes([link.signature[0] ^ 1]) + link.signature[1:]
        with turned.keys.superuser() as conn, conn.transaction(force_rollback=True):
            conn.execute(
                "INSERT INTO manifests VALUES (%s, %s, %s, '[]', now())",
                (candidate.serial, link.body, broken),
            )
            with pytest.raises(ManifestError, match="signature"):
                service.manifests.verified(conn)


def test_a_generation_row_that_was_put_back_is_gone_with_the_next_manifest(
    turned: Vault, inside: Inside
) -> None:
    """And until then nothing can be made with it: the token's key is refused to every row."""
    with turned.keys.superuser() as conn:
        conn.execute("INSERT INTO pepper_generations VALUES (997)")
    inside.retire("manifest", inside.create("manifest").gen)

    with turned.keys.superuser() as conn:
        assert conn.execute("SELECT FROM pepper_generations WHERE gen = 997").fetchone() is None


def test_a_planted_wrap_keeps_its_generation_and_the_manifest_stays(
    turned: Vault, api: KmsClient, inside: Inside
) -> None:
    """Also one that the census did not see: the foreign key counts, in the transaction itself."""
    person = enrol(turned, api)
    inside.next("pepper")
    old, keys = pepper_of(turned, person), inside.manifest.keys
    gone = tuple(
        msgspec.structs.replace(key, state="destroyed") if key.gen == old else key for key in keys.pepper
    )
    with pytest.raises(GenerationNeededError), inside.service.db.transaction() as conn:
        follow_manifest(conn, with_generations(keys, "pepper", gone))

    assert person.unlock().epoch == 1


def test_at_the_socket_nobody_gives_up_a_key_while_a_wrap_does_not_open_under_its_rows_one(
    turned: Vault, api: KmsClient, inside: Inside, operator: Operator
) -> None:
    """The rows say that all wraps have moved. The command looks before; who calls the socket need not."""
    person = enrol(turned, api)
    new, old = inside.next("pepper").gen, pepper_of(turned, person)
    relabel = [
        f"UPDATE {table} SET pepper_gen = %(to)s WHERE pepper_gen = %(of)s"
        for table in ("users", "credentials", "escrow_wraps")
    ]
    with turned.keys.superuser() as conn, conn.transaction():
        for statement in relabel:
            conn.execute(statement, {"to": new, "of": old})
    assert operator.census("pepper", old) == {}

    with pytest.raises(UnreadableWrapsError, match=f"{old} is kept.*user {person.user}: password wrap"):
        operator.retire("pepper", old)

    with turned.keys.superuser() as conn, conn.transaction():
        for statement in relabel:
            conn.execute(statement, {"to": old, "of": new})
        rows = conn.execute("SELECT kind FROM audit_events ORDER BY event_id DESC LIMIT 4").fetchall()
    assert {KeysEvent(row[0]) for row in rows} == {
        KeysEvent.KEY_CHANGE_REFUSED,
        KeysEvent.WRAP_INTEGRITY_FAILED,
    }
    assert inside.states("pepper")[old] == "retiring"
    assert person.unlock().epoch == 1


def test_every_foreign_key_to_a_generation_is_known_by_name(turned: Vault) -> None:
    """Else a write that is late would be answered as a defect of the service."""
    with turned.keys.superuser() as conn:
        rows = conn.execute(
            """SELECT conname::text FROM pg_constraint WHERE confrelid IN (
                 'pepper_generations'::regclass, 'login_index_generations'::regclass,
                 'escrow_generations'::regclass)"""
        ).fetchall()
    assert {name for (name,) in rows} == OF_A_GENERATION
