"""Records through HTTP, on the whole vault."""

import json
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from tests.api.live import Person, connect
from tests.rig.vault import Vault
from vault_service.domain.tokens import SessionToken

CONTACT = {"full_name": "Ana Silva", "email": "Ana@Example.org", "phone": "+351 912 345 678"}


def test_a_new_record_is_answered_with_its_address_and_version(ana: Person) -> None:
    answer = ana.keep(CONTACT, "contact")

    assert answer.status_code == 201
    record = answer.json()
    assert record.keys() == {"record_id", "collection", "version", "created_at", "updated_at", "fields"}
    assert (record["collection"], record["version"], record["fields"]) == ("contact", 1, CONTACT)
    assert answer.headers["Location"] == f"/v1/records/{record['record_id']}"
    assert answer.headers["ETag"] == '"1"'
    assert ana.http.get(answer.headers["Location"]).json() == record


def test_fields_come_back_byte_for_byte(ana: Person) -> None:
    fields = '{ "b" : 1.0 ,"a":"\\u00e9é \\/", "n": 1E2, "z": [ ], "😀": null }'
    body = f'{{"collection":"note","fields":{fields}}}'

    made = ana.http.post("/v1/records", content=body, headers={"Content-Type": "application/json"})

    for answer in (made, ana.http.get(made.headers["Location"]), ana.http.get("/v1/records")):
        assert fields in answer.text


def test_odd_values_are_kept_with_a_warning(ana: Person) -> None:
    answer = ana.keep({"phone": "ask my sister"}, "contact")

    assert answer.status_code == 201
    assert answer.json()["fields"] == {"phone": "ask my sister"}
    assert answer.json()["warnings"][0].startswith("phone:")


@pytest.mark.parametrize(
    "body",
    [
        {"collection": "note"},
        {"fields": {}},
        {"collection": "note", "fields": []},
        {"collection": "note", "fields": "x"},
        {"collection": "note", "fields": None},
        {"collection": "Note!", "fields": {}},
        {"collection": "contact", "fields": {"shoe_size": "42"}},
        {"collection": "note", "fields": {}, "version": 1},
    ],
)
def test_a_malformed_record_is_400(body: dict[str, object], ana: Person) -> None:
    answer = ana.http.post("/v1/records", json=body)

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_fields_beyond_64_kib_are_413(ana: Person) -> None:
    assert ana.keep({"text": "x" * 65_000}).status_code == 201
    assert ana.keep({"text": "x" * 65_600}).status_code == 413


def test_a_body_beyond_1_mib_is_413_by_length_and_by_chunks(ana: Person) -> None:
    body = json.dumps({"collection": "note", "fields": {"text": "x" * 1_100_000}}).encode()
    headers = {"Content-Type": "application/json"}

    by_length = ana.http.post("/v1/records", content=body, headers=headers)
    by_chunks = ana.http.post(
        "/v1/records", content=(body[i : i + 9_000] for i in range(0, len(body), 9_000)), headers=headers
    )

    assert (by_length.status_code, by_chunks.status_code) == (413, 413)


def test_a_chunked_body_within_the_limit_is_read(ana: Person) -> None:
    body = json.dumps({"collection": "note", "fields": {"text": "x" * 20_000}}).encode()

    answer = ana.http.post(
        "/v1/records",
        content=(body[i : i + 3_000] for i in range(0, len(body), 3_000)),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 201


def test_a_record_that_the_client_holds_is_304(ana: Person) -> None:
    path = ana.keep({"title": "a"}).headers["Location"]

    held = ana.http.get(path, headers={"If-None-Match": '"1"'})
    other = ana.http.get(path, headers={"If-None-Match": '"2"'})

    assert (held.status_code, held.content, held.headers["ETag"]) == (304, b"", '"1"')
    assert other.status_code == 200


def test_a_change_is_made_only_on_the_version_that_was_read(ana: Person) -> None:
    path = ana.keep({"title": "a"}).headers["Location"]
    stale, current = {"If-Match": '"7"'}, {"If-Match": '"1"'}

    for method, body in (("PUT", {"fields": {}}), ("PATCH", {"fields": {}}), ("DELETE", None)):
        refused = ana.http.request(method, path, json=body, headers=stale)
        assert (refused.status_code, refused.json()["code"]) == (412, "record.version_mismatch")
        weak = ana.http.request(method, path, json=body, headers={"If-Match": 'W/"1"'})
        assert weak.status_code == 412

    changed = ana.http.put(path, json={"fields": {"title": "b"}}, headers=current)
    assert (changed.status_code, changed.headers["ETag"], changed.json()["version"]) == (200, '"2"', 2)
    assert ana.http.delete(path, headers={"If-Match": '"1", "2"'}).status_code == 204
    assert ana.http.get(path).status_code == 404


def test_a_condition_on_a_record_that_is_not_there_is_404(ana: Person) -> None:
    for condition in ('"1"', "*", 'W/"1"'):
        answer = ana.http.delete(f"/v1/records/{uuid4()}", headers={"If-Match": condition})
        assert answer.status_code == 404


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
def test_a_merge_patch_changes_what_it_names(media_type: str, ana: Person) -> None:
    path = ana.keep({"title": "a", "tag": "x", "deep": {"k": 1, "l": 2}}).headers["Location"]

    answer = ana.http.patch(
        path,
        content=json.dumps({"fields": {"tag": None, "deep": {"k": 3}}}),
        headers={"Content-Type": media_type},
    )

    assert answer.status_code == 200
    assert answer.json()["fields"] == {"title": "a", "deep": {"k": 3, "l": 2}}


def test_somebody_elses_record_is_not_there(ana: Person, someone: Callable[[], Person]) -> None:
    theirs = someone().keep({"title": "private"}).headers["Location"]

    answers = [
        ana.http.get(theirs),
        ana.http.put(theirs, json={"fields": {}}),
        ana.http.patch(theirs, json={"fields": {}}),
        ana.http.delete(theirs),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "record.not_found")
    ] * 4


def test_lists_go_page_by_page(ana: Person) -> None:
    kept = [ana.keep({"n": number}).json()["record_id"] for number in range(5)]

    seen, cursor = [], None
    while True:
        page = ana.http.get(
            "/v1/records", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        ).json()
        assert page.keys() == {"items", "next_cursor"}
        seen += [item["record_id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break

    assert seen == kept


def test_records_are_found_by_exact_values_in_the_query_and_in_the_body(ana: Person) -> None:
    wanted = ana.keep(CONTACT, "contact").json()["record_id"]
    ana.keep({"full_name": "Bob", "email": "bob@example.org"}, "contact")
    by_email = {"collection": "contact", "where": "email:ana@example.org"}

    answers = [
        ana.http.get("/v1/records", params=by_email),
        ana.http.get("/v1/records", params=[*by_email.items(), ("where", "phone:+351912345678")]),
        ana.http.post("/v1/records/search", json=by_email),
        ana.http.post("/v1/records/search", json={**by_email, "where": ["email:ana@example.org"]}),
        ana.http.post("/v1/records/search", json={**by_email, "where": {"email": "ana@example.org"}}),
    ]

    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert [item["record_id"] for item in answer.json()["items"]] == [wanted]


@pytest.mark.parametrize(
    "query",
    [
        {"where": "email:x"},
        {"collection": "contact", "where": "email"},
        {"collection": "contact", "where": "address:x"},
        {"collection": "contact", "where": ":x"},
    ],
)
def test_a_search_that_cannot_be_made_is_400(query: dict[str, str], ana: Person) -> None:
    for answer in (
        ana.http.get("/v1/records", params=query),
        ana.http.post("/v1/records/search", json=query),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")


def test_a_batch_answers_each_operation_as_if_it_were_alone(
    ana: Person, someone: Callable[[], Person]
) -> None:
    path = ana.keep({"title": "a"}).json()["record_id"]
    gone = ana.keep({"title": "b"}).json()["record_id"]
    theirs = someone().keep({"title": "c"}).json()["record_id"]

    answer = ana.http.post("/v1/records/batch", json={"operations": [
        {"op": "create", "collection": "note", "fields": {"title": "new"}},
        {"op": "read", "record_id": path},
        {"op": "update", "record_id": path, "fields": {"title": "changed"}, "if_version": 1},
        {"op": "update", "record_id": path, "fields": {"title": "late"}, "if_version": 1},
        {"op": "delete", "record_id": gone},
        {"op": "read", "record_id": theirs},
        {"op": "create", "collection": "note"},
    ]})  # fmt: skip

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 200, 200, 412, 204, 404, 400]
    assert results[0]["fields"] == {"title": "new"}
    assert (results[2]["version"], results[2]["fields"]) == (2, {"title": "changed"})
    assert (results[3]["code"], results[5]["code"]) == ("record.version_mismatch", "record.not_found")
    assert results[4] == {"status": 204, "record_id": gone}


def test_an_atomic_batch_does_all_or_nothing_and_names_the_culprit(ana: Person) -> None:
    answer = ana.http.post("/v1/records/batch", json={"atomic": True, "operations": [
        {"op": "create", "collection": "note", "fields": {"title": "new"}},
        {"op": "delete", "record_id": str(uuid4())},
    ]})  # fmt: skip

    assert (answer.status_code, answer.json()["code"], answer.json()["index"]) == (404, "record.not_found", 1)
    assert ana.http.get("/v1/records").json()["items"] == []


def test_a_batch_takes_1000_operations_and_no_more(ana: Person) -> None:
    operation = {"op": "create", "collection": "note", "fields": {"title": "x" * 1200}}

    for _ in range(20):  # a busy machine may take longer than a call may last, and then it says so
        full = ana.http.post("/v1/records/batch", json={"operations": [operation] * 1000})
        if full.status_code != 503:
            break
    more = ana.http.post("/v1/records/batch", json={"operations": [operation] * 1001})

    assert full.status_code == 200
    assert {result["status"] for result in full.json()["results"]} == {201}
    assert more.status_code == 400


@pytest.mark.parametrize(
    "operation",
    [{"op": "drop"}, {}, {"op": "read", "record_id": "x"}, {"op": "read", "colour": "red"}, None, "read"],
)
def test_a_malformed_batch_is_400(operation: object, ana: Person) -> None:
    answer = ana.http.post("/v1/records/batch", json={"operations": [operation]})

    assert answer.status_code == 400
    assert "operations" in answer.json()["detail"]


def test_a_retry_has_no_second_effect_and_gets_the_first_answer(ana: Person) -> None:
    key = {"Idempotency-Key": str(uuid4())}

    first, again = ana.keep({"title": "once"}, **key), ana.keep({"title": "once"}, **key)
    other = ana.keep({"title": "twice"}, **key)

    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.headers["ETag"] == again.headers["ETag"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.conflict")
    assert len(ana.http.get("/v1/records").json()["items"]) == 1


def test_a_retried_batch_has_no_second_effect(ana: Person) -> None:
    body = {"operations": [{"op": "create", "collection": "note", "fields": {"title": "once"}}]}
    key = {"Idempotency-Key": str(uuid4())}

    first, again = (ana.http.post("/v1/records/batch", json=body, headers=key) for _ in range(2))

    assert first.content == again.content
    assert len(ana.http.get("/v1/records").json()["items"]) == 1


def test_the_export_holds_everything_and_says_that_it_is_whole(ana: Person) -> None:
    kept = [ana.keep({"n": number}).json() for number in range(130)]

    answer = ana.http.get("/v1/me/export")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/jsonl")
    *lines, end = [json.loads(line) for line in answer.text.splitlines()]
    assert lines == kept
    assert end == {"end": True, "records": 130}


def test_a_record_that_was_altered_is_409_and_does_not_hold_up_the_others(ana: Person, served: Vault) -> None:
    good, bad = (ana.keep({"title": title}).json()["record_id"] for title in ("good", "bad"))
    with served.records.superuser() as superuser:
        superuser.execute(
            "UPDATE records SET sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) WHERE record_id = %s",
            [bad],
        )

    refused = ana.http.get(f"/v1/records/{bad}")
    page = ana.http.get("/v1/records").json()

    assert (refused.status_code, refused.json()["code"]) == (409, "integrity")
    assert ([item["record_id"] for item in page["items"]], page["broken"]) == ([good], [bad])
    what = [item["what"] for item in ana.http.get("/v1/me/accesses").json()["items"]]
    assert "record_integrity_failed" in what


def test_no_session_no_record(served: Vault) -> None:
    answer = httpx.get(f"{served.api_url}/v1/records/{uuid4()}", timeout=60)

    assert (answer.status_code, answer.json()["code"]) == (401, "session.refused")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/records/no-id"), ("DELETE", "/v1/records/no-id"), ("DELETE", "/v1/sessions/no-id")],
)
def test_a_forged_token_is_401_also_with_an_id_that_is_none(
    method: str, path: str, ana: Person, served: Vault
) -> None:
    """A 404 says that the token was good, and puts the user whom it names into the log."""
    genuine = SessionToken.parse(ana.http.headers["Authorization"].removeprefix("Bearer "))
    forged = SessionToken(genuine.user, genuine.session, bytes(32)).reveal()

    with connect(served, forged) as stranger:
        refused = stranger.request(method, path)

    assert (refused.status_code, refused.json()["code"]) == (401, "session.refused")
    assert ana.http.request(method, path).status_code == 404


def test_a_stranger_is_told_so_before_megabytes_are_parsed(ana: Person, served: Vault) -> None:
    genuine = SessionToken.parse(ana.http.headers["Authorization"].removeprefix("Bearer "))
    forged = SessionToken(genuine.user, genuine.session, bytes(32)).reveal()
    large = b'{"operations": [' + b" " * 1_048_576
    headers = {"Content-Type": "application/json"}

    with connect(served, forged) as stranger:
        refused = stranger.post("/v1/records/batch", content=large, headers=headers)
        in_chunks = stranger.post("/v1/records/batch", content=iter([large]), headers=headers)

    assert {answer.json()["code"] for answer in (refused, in_chunks)} == {"session.refused"}
    assert ana.http.post("/v1/records/batch", content=large, headers=headers).status_code == 400
