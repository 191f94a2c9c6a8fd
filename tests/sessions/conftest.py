"""The same people as those whose records are tested."""

from tests.records.conftest import ana, records, shared

__all__ = ["ana", "records", "shared"]
