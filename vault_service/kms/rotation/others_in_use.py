"""Since when app keys, data keys, the officers' shares and the Argon2 cost are in use."""

from datetime import UTC, datetime, time, timedelta

from vault_service.kms.protocol.rotation_messages import AppKeyInUse, OthersInUse, OthersInUseAre
from vault_service.kms.service import KeyService
from vault_service.storage.keys import in_use as stored
from vault_service.storage.keys.generations import LOOK_AT_ALL_S
from vault_service.storage.patience import patient


def others_in_use(service: KeyService, request: OthersInUse) -> OthersInUseAre:
    """Times and numbers only; whose data key it is stays here."""
    del request
    policies = service.policies
    before = service.now() - timedelta(days=policies.rotation.cryptoperiod_days.data_key)
    with service.db.transaction() as conn:
        apps = stored.list_app_keys(conn)
        with patient(conn, LOOK_AT_ALL_S):
            data_keys = stored.count_data_keys(conn, before)
        shares = stored.share_set_made_at(conn)
    calibrated = policies.passwords.argon2id.calibrated
    return OthersInUseAre(
        tuple(AppKeyInUse(app.name, app.tenant, app.newest.isoformat()) for app in apps),
        None if data_keys.oldest is None else data_keys.oldest.isoformat(),
        data_keys.older,
        None if shares is None else shares.isoformat(),
        None if calibrated is None else datetime.combine(calibrated, time(), UTC).isoformat(),
    )
