"""docs/siem.md shows settings that can be used and the mapping as it is."""

import re
import tomllib

from tests.rig.vault import REPOSITORY
from vault_service.audit.siem.mapping import KEYS, OCSF_VERSION, RECORDS, Shape
from vault_service.settings import SiemReceiver

PAGE = (REPOSITORY / "docs" / "siem.md").read_text("utf-8")


def _row(log: str, kind: str, shape: Shape) -> str:
    name = shape.of.name.replace("_", " ").title()
    activity = shape.activity_name + (", failure" if shape.failed else "")
    severity = shape.severity.name.lower()
    return f"| {log} | `{kind.lower()}` | {name} {shape.of.value} | {activity} | {severity} |"


def mapping_table() -> str:
    rows = [_row("keys", kind.name, shape) for kind, shape in KEYS.items()]
    rows += [_row("records", kind.name, shape) for kind, shape in RECORDS.items()]
    return "\n".join(
        ["| log | event | class | activity | severity |", "| --- | --- | --- | --- | --- |", *rows]
    )


def test_the_table_shows_the_mapping() -> None:
    assert mapping_table() in PAGE, f"put this into docs/siem.md:\n{mapping_table()}"
    assert f"OCSF {OCSF_VERSION}" in PAGE


def test_the_settings_that_it_shows_are_valid() -> None:
    (document,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)

    shown = [SiemReceiver(**each) for each in tomllib.loads(document)["worker_keys"]["siem"]]
    assert [each.kind for each in shown] == ["file", "webhook", "syslog"]
