"""What a restored keys database leaves: the manifests that it lacks are put back."""

from tests.kms.chains import delete, key_service
from tests.promises.flows import Life
from vault_service.kms.protocol.rotation_messages import CreateKey, GenerationIs


def put_back(life: Life) -> None:
    """The newest manifest is gone, as in a backup of before it; a key service that starts puts it back."""
    serial = life.operator.call(CreateKey("note"), GenerationIs).serial
    delete(life.vault, since=serial)
    with key_service(life.vault) as service:
        assert service.manifests.current().serial == serial
