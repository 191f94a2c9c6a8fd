"""How many events of the keys log are not in its tree yet."""

from dataclasses import dataclass

from psycopg import Connection


@dataclass(frozen=True, slots=True)
class Sequenced:
    """How far the worker has got."""

    size: int  # leaves in the tree
    waiting: int  # events behind the tree's end, counted up to the limit


def count_sequenced(conn: Connection, *, at_most: int) -> Sequenced:
    """One look at the index of transactions, from where the tree ends; counts no further than `at_most`."""
    row = conn.execute(
        """SELECT tree.size,
                  (SELECT count(*) FROM (
                     SELECT FROM audit_events AS event
                      WHERE event.tx >= tree.last_tx
                        -- put back from a dump, ids of another cluster mean nothing
                        AND event.tx < pg_snapshot_xmax(pg_current_snapshot())
                        AND (event.tx > tree.last_tx
                             OR (event.user_id, event.event_id) > (tree.last_user_id, tree.last_event_id))
                      LIMIT %(limit)s) AS waiting)
             FROM audit_tree AS tree""",
        {"limit": at_most},
    ).fetchone()
    return Sequenced(*row) if row is not None else Sequenced(0, 0)
