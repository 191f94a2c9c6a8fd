"""A veto may say why; the signature covers the words, so that nobody puts others into the officer's mouth."""

import pytest

from tests.recovery.office import Office
from vault_service.domain.recovery_errors import ApprovalRefusedError
from vault_service.kms.protocol.recovery_messages import DoneCase, VetoCase
from vault_service.recovery.acting import decided
from vault_service.recovery.decide import veto, veto_signed


def test_what_the_officer_said_stands_beside_the_veto(office: Office) -> None:
    shown = office.open()

    veto(office.parts, office.acting("bob"), shown, "nobody has heard of this plan")

    after = office.shown(shown.case.case_id)
    bob = office.acting("bob").officer_id
    assert after.state == "vetoed"
    assert dict(after.judgement.reasons) == {bob: "nobody has heard of this plan"}


@pytest.mark.parametrize("put", ["I was bribed", ""])
def test_other_words_in_the_table_count_for_nothing(office: Office, put: str) -> None:
    shown = office.open()
    veto(office.parts, office.acting("bob"), shown, "nobody has heard of this plan")

    office.sql("ALTER TABLE approvals DISABLE TRIGGER USER")
    office.sql("UPDATE approvals SET reason = %(put)s WHERE case_id = %(id)s", put=put, id=shown.case_id)
    office.sql("ALTER TABLE approvals ENABLE TRIGGER USER")

    judgement = office.shown(shown.case.case_id).judgement
    assert not judgement.reasons
    assert not judgement.vetoed_by
    assert [type(error) for _, error in judgement.refused] == [ApprovalRefusedError]


@pytest.mark.parametrize("put", ["I was bribed", ""])
def test_the_key_service_takes_no_veto_with_other_words(office: Office, put: str) -> None:
    shown, acting = office.open(), office.acting("bob")
    signed = acting.decide(shown.digest, "veto", "nobody has heard of this plan")
    request = VetoCase(
        shown.case_id, signed.officer_id, signed.authenticator_id, "veto", signed.signature, put
    )

    with pytest.raises(ApprovalRefusedError):
        office.parts.kms.call(request, DoneCase)
    with pytest.raises(ApprovalRefusedError):
        veto_signed(office.parts, acting, shown, decided(acting, "veto", signed.signature, put))
    assert office.shown(shown.case.case_id).state == "open"


def test_a_signed_veto_without_words_is_no_approval_with_some(office: Office) -> None:
    """Each message stands for one decision alone."""
    shown, acting = office.open(), office.acting("bob")
    plain = acting.decide(shown.digest, "veto").signature
    worded = acting.decide(shown.digest, "veto", "approve").signature

    for signature in (plain, worded):
        office.plant(shown.case_id, decided(acting, "approve", signature))

    assert not office.shown(shown.case.case_id).judgement.approved_by
