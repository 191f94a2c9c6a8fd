"""What a dsn may say: no secret, and no server across a network that could be somebody else's."""

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from vault_service.domain.errors import ConfigurationError

_LOCAL_HOSTS = frozenset({"", "localhost", "127.0.0.1", "::1"})
_SECRETS = ("password", "sslpassword")


def read_dsn(dsn: str, name: str, *, with_password: bool = False) -> dict[str, str]:
    """The parts of a dsn. Raises ConfigurationError, which quotes none of them but a host.

    `with_password` is for a dsn that itself comes from a secret file: an administrator's.
    """
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.Error:
        # Not its message, which may quote a password; and so not the error itself either.
        raise ConfigurationError(
            f"the dsn of the {name} database cannot be read",
            remedy="Write it like: host=db1 dbname=vault_keys",
        ) from None
    if not with_password and any(given.get(secret) for secret in _SECRETS):
        raise ConfigurationError(
            f"the dsn of the {name} database holds a password",
            remedy="Move it to the password_file (mode 0600), and change it: others may have read it.",
        )
    _demand_verified_tls(_with_environment(given), name)
    return given


def _with_environment(given: dict[str, str]) -> dict[str, str]:
    """What libpq will use: it takes from PGHOST, PGHOSTADDR, PGSSLMODE … what the dsn leaves open."""
    defaults = {
        each.keyword.decode(): each.val.decode()
        for each in pq.Conninfo.get_defaults()
        if each.val is not None
    }
    return defaults | given


def _demand_verified_tls(used: dict[str, str], name: str) -> None:
    """Who sits between this host and the server must not read wraps and session rows, nor pose as it.

    Where hostaddr is given, it is what libpq connects to, whatever host says; a service file may name
    any host. verify-ca is not enough: it takes any server that the same authority knows for this one.
    """
    hosts = (used.get("hostaddr") or used.get("host") or "").split(",")
    remote = [host for host in hosts if not host.startswith(("/", "@")) and host not in _LOCAL_HOSTS]
    if used.get("service"):
        remote.append(f"the service {used['service']}")
    if remote and used.get("sslmode") != "verify-full":
        raise ConfigurationError(
            f"the {name} database on {remote[0]} would be reached without a verified certificate",
            remedy="Add sslmode=verify-full and sslrootcert=… to the dsn.",
        )
