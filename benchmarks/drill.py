"""How fast a drill opens escrow wraps, and what part of it is the token's own ECDH.

    python -m benchmarks.drill [USERS]

Everything is in one process and on one processor, so that the ratio says something on a busy machine too:
the outer layer (the key service's part, one HMAC in the online token a wrap) is measured by itself, since
two tokens cannot be open at once.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from vault_service.ceremony.escrow_token import EscrowToken, open_escrow_token
from vault_service.ceremony.wraps import EscrowWraps
from vault_service.crypto.dek import Dek
from vault_service.crypto.hpke import SEALED_KEY_BYTES, seal_to
from vault_service.domain.contexts import EscrowContext, OuterContext
from vault_service.domain.ids import DekId, TenantId, UserId
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.kms.token.admin import take_over
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.kms.wrapping.keyring import Keyring

_REPOSITORY = Path(__file__).parent.parent
_PIN, _SO_PIN = "benchmark-user-pin", "benchmark-so-pin"


def main(users: int) -> None:
    """Print wraps a second, and the ratios."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        script = _REPOSITORY / "scripts" / "softhsm_setup.sh"
        subprocess.run(["bash", str(script), str(home / "tokens")], check=True, stdout=subprocess.DEVNULL)
        with open_escrow_token(_ready(home, "escrow"), _PIN) as token:
            point = token.generate_escrow_key("escrow/1")
            people = [_person(number, point) for number in range(users)]
            bare, opening = _measure_escrow(token, point, people)
        outer = _measure_outer(_ready(home, "online"), people)
    alone, whole = users / opening, users / (opening + outer)
    sys.stdout.write(
        f"{users} users, one processor\n"
        f"bare ECDH in the token    {users / bare:8.0f} /s\n"
        f"inner layer (ceremony)    {alone:8.0f} /s   {bare / opening:.2f} of bare ECDH\n"
        f"outer layer (key service) {users / outer:8.0f} /s\n"
        f"both, one core in all     {whole:8.0f} /s   {bare / (opening + outer):.2f} of bare ECDH\n"
    )


def _ready(home: Path, name: str) -> TokenPlace:
    module = Path((home / "tokens" / "pkcs11-module").read_text("utf-8").strip())
    place = TokenPlace(module, f"vault-{name}", home / "tokens" / name / "softhsm2.conf", home / name)
    transport = (home / "tokens" / name / "transport-so-pin").read_text("ascii").strip()
    take_over(place, transport_so_pin=transport, so_pin=_SO_PIN, user_pin=_PIN)
    return place


def _person(number: int, point: bytes) -> PeeledWrap:
    tenant, user, dek = TenantId(UUID(int=1)), UserId(UUID(int=number + 1)), DekId(UUID(int=number + 1))
    key = Dek.generate(tenant, user, dek)
    wrap = seal_to(point, EscrowContext(tenant, user, dek, 1, point).encode(), key.key)
    return PeeledWrap(tenant, user, dek, 2, 1, key.check_value(), wrap)


def _timed(work: Callable[[PeeledWrap], object], people: Sequence[PeeledWrap]) -> float:
    """Processor seconds, since other processes may share it."""
    began = time.process_time()
    for each in people:
        work(each)
    return time.process_time() - began


def _measure_escrow(token: EscrowToken, point: bytes, people: Sequence[PeeledWrap]) -> tuple[float, float]:
    multiply = token.diffie_hellman("escrow/1")
    wraps = EscrowWraps(token, [PublicKeyGeneration(1, "current", point.hex())])
    wraps.open(people[0])
    bare = _timed(lambda each: multiply((each.wrap or b"")[:65]), people)
    return bare, _timed(wraps.open, people)


def _measure_outer(place: TokenPlace, people: Sequence[PeeledWrap]) -> float:
    token = OnlineToken(place, _PIN)
    token.open()
    try:
        token.create_hmac_key("pepper/1")
        keyring = Keyring(token)
        sealed = {each.user_id: keyring.seal_outer(_outer(each), each.wrap or b"") for each in people}
        return _timed(
            lambda each: keyring.open_outer(
                _outer(each), sealed[each.user_id], inner_length=SEALED_KEY_BYTES
            ),
            people,
        )
    finally:
        token.close()


def _outer(each: PeeledWrap) -> OuterContext:
    return OuterContext(b"escrow", each.user_id.bytes, 1, bytes(32), 1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
