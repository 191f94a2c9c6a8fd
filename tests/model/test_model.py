"""Any sequence of requests leaves the vault as a simple model says."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import VaultMachine
from tests.rig.vault import Vault
from vault_service.client import VaultClient


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_any_sequence_of_requests_leaves_what_the_model_says(served: Vault) -> None:
    with VaultClient(served.api_url, app_key=served.app_key) as client:
        VaultMachine.client = client
        run_state_machine_as_test(
            VaultMachine,
            settings=settings(
                max_examples=20,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate,),  # the steps are printed as they were; shrinking takes minutes
            ),
        )
