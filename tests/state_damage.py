"""What can be wrong with a state: each kind of damage done by hand, and what the check has to say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pytest

from exporter.ledger.transaction import encode_series
from exporter.metrics.histogram_families import LAG_BOUNDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

Change: TypeAlias = "Callable[[sqlite3.Connection], object]"

SESSIONS = ("webrtc_sessions_total", "prod", "standup")
GOOD = ("webrtc_peer_sessions_total", "prod", "standup", "good", "")
DURATION = ("webrtc_peer_session_duration_seconds", "prod", "standup")
LAG = ("webrtc_report_lag_seconds", "prod")
LOSS = ("webrtc_sample_packet_loss_ratio", "prod", "standup", "send", "audio")
_ROOM = 'source="prod",room_id="standup"'
_LOSS = f'{LOSS[0]}{{{_ROOM},direction="send",kind="audio"}}: found '
_SESSIONS = "source 'prod': sessions of webrtc_sessions_total, with those that left with their rooms: found "
_PEERS = "source 'prod': peers of webrtc_peer_sessions_total, with those that left with their rooms: found "
_FIRST = "WHERE mark = (SELECT min(mark) FROM seen_rejected)"
_MEETING = "session 's1' in room 'standup' of 'prod'"


def amounts(connection: sqlite3.Connection, series: tuple[str, ...]) -> list[float]:
    """The vector of a series."""
    (raw,) = connection.execute("SELECT amounts FROM counts WHERE series = ?", (encode_series(series),)).fetchone()
    return msgspec.msgpack.decode(raw, type=list[float])


def put(connection: sqlite3.Connection, series: tuple[str, ...], vector: object) -> None:
    """Writes the vector of a series, whatever it is."""
    connection.execute(
        "INSERT OR REPLACE INTO counts VALUES (?, ?, 1.0, 0)", (encode_series(series), msgspec.msgpack.encode(vector))
    )


def changed(series: tuple[str, ...], place: int, amount: float) -> Callable[[sqlite3.Connection], object]:
    """What writes another number into a vector."""

    def change(connection: sqlite3.Connection) -> None:
        vector = amounts(connection, series)
        vector[place] = amount
        put(connection, series, vector)

    return change


def added(*series: str, vector: object = (1.0,)) -> Callable[[sqlite3.Connection], object]:
    """What writes a series."""
    return lambda connection: put(connection, series, vector)


def sql(statement: str, *values: object) -> Callable[[sqlite3.Connection], object]:
    """What executes a statement."""
    return lambda connection: connection.execute(statement, values)


def pack(value: object) -> bytes:
    """A value as the state keeps it."""
    return msgspec.msgpack.encode(value)


def case(name: str, change: Change, *found: str) -> Any:  # noqa: ANN401 - pytest names its type nowhere
    """A kind of damage, and the beginning of each line that it makes the check say, in their order."""
    return pytest.param(change, found, id=name)


COUNTS = [
    case(
        "a session more",
        changed(SESSIONS, 0, 2.0),
        f"{_SESSIONS}3, expected 2, as many as are remembered or were forgotten",
    ),
    case("a session fewer", changed(SESSIONS, 0, 0.0), f"{_SESSIONS}1, expected 2"),
    case("a peer more", changed(GOOD, 0, 2.0), f"{_PEERS}4, expected 3"),
    case(
        "a counter is gone",
        sql("DELETE FROM counts WHERE series = ?", encode_series(SESSIONS)),
        f"{_SESSIONS}1, expected 2",
    ),
    case("a mark is gone", sql("DELETE FROM seen_peers WHERE windows = 3"), "peer 'p1' of", f"{_PEERS}3, expected 2"),
    case(
        "a mark more",
        sql("INSERT INTO seen_sessions VALUES (randomblob(16), 'prod', 1.0, 1.0)"),
        f"{_SESSIONS}2, expected 3",
    ),
    case(
        "a tally is off",
        sql("UPDATE tallies SET amount = 5.0 WHERE name = 'departed_peers' AND source = 'prod'"),
        f"{_PEERS}7, expected 3",
    ),
    case(
        "more durations than peers",
        changed(DURATION, 0, 9.0),
        "room 'standup' of 'prod': observations of webrtc_peer_session_duration_seconds: found 11, expected at most 2,",
    ),
    case(
        "more lags than sessions",
        added(*LAG, vector=[9.0, *[0.0] * len(LAG_BOUNDS), 90.0]),
        "source 'prod': observations of webrtc_report_lag_seconds: found 9, expected at most 2, its sessions",
    ),
    case(
        "fewer reports than sessions",
        changed(("webrtc_exporter_reports_ingested_total", "prod"), 0, 1.0),
        "source 'prod': webrtc_exporter_reports_ingested_total: found 1, expected at least 2, one for each session",
    ),
    case(
        "fewer rejections than are remembered",
        changed(("webrtc_exporter_peers_skipped_total", "prod"), 0, 0.0),
        "all sources: webrtc_exporter_reports_rejected_total and webrtc_exporter_peers_skipped_total together: found 1",
    ),
]

SERIES = [
    case(
        "a sum that its buckets do not allow",
        changed(DURATION, -1, 1e9),
        f"{DURATION[0]}{{{_ROOM}}}: found a sum of 1e+09, expected from 60 to 120, as its buckets allow",
    ),
    case("half a sample", changed(LOSS, 0, 0.5), f"{_LOSS}the counts 0.5, 0"),
    case("a negative count", changed(LOSS, 0, -1.0), f"{_LOSS}the numbers -1, 0"),
    case(
        "no number",
        changed(SESSIONS, 0, float("nan")),
        f"webrtc_sessions_total{{{_ROOM}}}: found the numbers nan, expected finite ones from 0 on",
        _SESSIONS,
    ),
    case(
        "infinitely many",
        changed(SESSIONS, 0, float("inf")),
        f"webrtc_sessions_total{{{_ROOM}}}: found the numbers inf",
        _SESSIONS,
    ),
    case("too many buckets", added(*LOSS, vector=[0.0] * 20), f"{_LOSS}20 numbers, expected 13"),
    case("amounts of texts", added(*LOSS, vector=["a"]), f"{_LOSS}amounts that cannot be read, expected a list of"),
    case(
        "amounts of text",
        sql("UPDATE counts SET amounts = 'many' WHERE series = ?", encode_series(LOSS)),
        f"{_LOSS}amounts that cannot be read",
    ),
    case(
        "created never",
        sql("UPDATE counts SET created = 'never' WHERE series = ?", encode_series(LOSS)),
        f"{_LOSS}created 'never', expected Unix seconds",
    ),
    case(
        "held twice",
        sql("UPDATE counts SET held = 2 WHERE series = ?", encode_series(LOSS)),
        f"{_LOSS}held 2, expected 0 or 1",
    ),
    case(
        "an unknown family",
        added("webrtc_secrets_total", "prod"),
        'webrtc_secrets_total{label_1="prod"}: found a family of that name, expected one that this version counts in',
    ),
    case("a label too many", added(*SESSIONS, "x"), "webrtc_sessions_total{"),
    case(
        "no source",
        added("webrtc_sessions_total", "", "standup"),
        'webrtc_sessions_total{source="",room_id="standup"}: found no source, expected its name',
    ),
    case(
        "a line's end and the other writing direction",
        added("webrtc_sessions_total", "prod", "a\n\u202e", "x"),
        '\'webrtc_sessions_total{label_1="prod",label_2="a',
    ),
    case(
        "an unknown verdict",
        added("webrtc_peer_sessions_total", "prod", "standup", "awful", ""),
        f'webrtc_peer_sessions_total{{{_ROOM},verdict="awful",reason=""}}: found verdict \'awful\', expected one of',
    ),
    case(
        "good for a reason",
        added("webrtc_peer_sessions_total", "prod", "standup", "good", "jitter"),
        f'webrtc_peer_sessions_total{{{_ROOM},verdict="good",reason="jitter"}}: found verdict \'good\' with',
    ),
    case(
        "poor for no reason",
        added("webrtc_peer_sessions_total", "prod", "standup", "poor", ""),
        f'webrtc_peer_sessions_total{{{_ROOM},verdict="poor",reason=""}}: found verdict \'poor\' with',
    ),
    case(
        "an unknown direction",
        added("webrtc_media_seconds_total", "prod", "standup", "up", "audio", "good"),
        "webrtc_media_seconds_total{",
    ),
    case(
        "an unknown reason",
        added("webrtc_exporter_reports_rejected_total", "prod", "ugly"),
        'webrtc_exporter_reports_rejected_total{source="prod",reason="ugly"}: found reason',
    ),
    case(
        "a series that is no list",
        sql("INSERT INTO counts VALUES (CAST('{}' AS BLOB), x'90', 1.0, 0)"),
        "the series b'{}': found no name and labels, expected a list of texts",
    ),
    case(
        "a series of text",
        sql("INSERT INTO counts VALUES ('[\"x\"]', x'90', 1.0, 0)"),
        "the series '[\"x\"]': found",
    ),
    case(
        "a series spelt otherwise",
        sql("INSERT INTO counts VALUES (CAST('[\"x\", \"y\"]' AS BLOB), x'90', 1.0, 0)"),
        'the series b\'["x", "y"]\': found no name and labels',
    ),
    case(
        "a room nobody has heard of",
        sql("DELETE FROM rooms WHERE source = 'prod'"),
        "the counts of room 'standup' of 'prod': found no last report of the room, expected one in rooms",
    ),
    case(
        "buckets that descend",
        sql("UPDATE facts SET value = ? WHERE name = 'bounds'", pack({"webrtc_peer_session_mos": [2, 1]})),
        "the buckets of webrtc_peer_session_mos: found 2, 1, expected ascending numbers",
        "webrtc_peer_session_mos{",
    ),
    case(
        "buckets of a counter",
        sql("UPDATE facts SET value = ? WHERE name = 'bounds'", pack({SESSIONS[0]: [1.0]})),
        "the buckets of 'webrtc_sessions_total': found no histogram of that name, expected one",
    ),
    case(
        "buckets that cannot be read",
        sql("UPDATE facts SET value = x'C1' WHERE name = 'bounds'"),
        "the buckets of all histograms: found what cannot be read",
    ),
]

MARKS = [
    case(
        "a short mark",
        sql(f"UPDATE seen_rejected SET mark = x'00' {_FIRST}"),  # noqa: S608 - fixed text
        "the mark 00 in seen_rejected: mark: found b'\\x00', expected a digest of 16 bytes",
    ),
    case(
        "a rejection at no time",
        sql(f"UPDATE seen_rejected SET seen = 'once' {_FIRST}"),  # noqa: S608 - fixed text
        "the mark ",
    ),
    case(
        "a session at no time",
        sql("UPDATE seen_sessions SET \"end\" = 'late' WHERE source = 'prod'"),
        "the mark ",
        "the mark ",
    ),
    case("no fingerprint", sql("UPDATE seen_peers SET fingerprint = x'' WHERE windows = 3"), "the mark "),
    case("negative windows", sql("UPDATE seen_peers SET windows = -1 WHERE windows = 3"), "the mark "),
    case("growth that cannot be read", sql("UPDATE seen_peers SET counted = x'C1' WHERE windows = 3"), "the mark "),
    case(
        "growth of other buckets",
        sql("UPDATE seen_peers SET counted = ? WHERE windows = 3", pack([(LOSS, [1.0])])),
        "the mark ",
    ),
    case(
        "growth of nothing we know",
        sql("UPDATE seen_peers SET counted = ? WHERE windows = 3", pack([(("webrtc_x_total", "prod"), [1.0])])),
        "the mark ",
    ),
]

VIEW = [
    case(
        "a session that was never counted",
        sql("DELETE FROM seen_sessions WHERE mark IN (SELECT mark FROM seen_sessions WHERE source = 'watch')"),
        "session 's9' in room 'café \"x\"\\n' of 'watch': found in view, but no mark of it, expected one in",
        "session 's1' in room 'standup' of 'watch': found in view, but no mark of it, expected one in seen_sessions",
        "source 'watch': sessions of webrtc_sessions_total",
        "source 'watch': observations of webrtc_report_lag_seconds",
    ),
    case(
        "a session that cannot be read",
        sql("UPDATE sessions SET session = x'00' WHERE source = 'prod'"),
        f"{_MEETING}: found what cannot be read, expected a session",
        f"peer 'p1' of {_MEETING}: found no such session in view, expected one",
        f"peer 'p2' of {_MEETING}: found no such session in view, expected one",
    ),
    case(
        "sessions that changed places",
        sql(
            "UPDATE sessions SET session = (SELECT session FROM sessions WHERE source = 'prod')"
            " WHERE source = 'watch' AND session_id = 's1'"
        ),
        f"session 's1' in room 'standup' of 'watch': found the content of {_MEETING}, expected its own",
    ),
    case(
        "peers without their session",
        sql("DELETE FROM sessions WHERE source = 'prod'"),
        f"peer 'p1' of {_MEETING}: found no such session in view",
        f"peer 'p2' of {_MEETING}: found no such session in view",
    ),
    case(
        "a peer that cannot be read",
        sql("UPDATE peers SET assessment = x'' WHERE peer_id = 'p1'"),
        f"peer 'p1' of {_MEETING}: found what cannot be read, expected an assessment",
    ),
    case(
        "another peer",
        sql("UPDATE peers SET assessment = (SELECT assessment FROM peers WHERE peer_id = 'p2') WHERE peer_id = 'p1'"),
        f"peer 'p1' of {_MEETING}: found the content of peer 'p2', expected its own",
    ),
    case(
        "ingested at no time",
        sql("UPDATE sessions SET ingested = 'today' WHERE source = 'prod'"),
        f"{_MEETING}: ingested: found 'today', expected Unix seconds",
    ),
]

REMEMBERED = [
    case(
        "notes that are no notes",
        sql("UPDATE tasks SET notes = x'00FF' WHERE key = 's1/p3'"),
        "task 's1/p3' of 'prod': notes: found what cannot be read, expected JSON",
    ),
    case(
        "notes of what is finished",
        sql("UPDATE tasks SET notes = x'7B7D' WHERE due IS NULL"),
        "task 's1/p1' of 'prod': notes: found 2 bytes, though it is finished, expected none",
    ),
    case(
        "a negative attempt",
        sql("UPDATE tasks SET attempts = -1 WHERE due IS NULL"),
        "task 's1/p1' of 'prod': attempts: found -1, expected a number from 0 on",
    ),
    case(
        "due some day",
        sql("UPDATE tasks SET due = 'some day' WHERE key = 's1/p3'"),
        "task 's1/p3' of 'prod': due: found 'some day', expected Unix seconds",
    ),
    case(
        "a tag of bytes",
        sql("UPDATE objects SET tag = x'00' WHERE name = 'a.json'"),
        "object 'a.json' of 'watch': tag: found b'\\x00', expected a text",
    ),
    case(
        "a report at no time",
        sql("UPDATE rooms SET last_report = 'x' WHERE source = 'prod'"),
        "room 'standup' of 'prod': last report: found 'x', expected Unix seconds",
    ),
    case(
        "an end that cannot be read",
        sql("UPDATE facts SET value = x'C0' WHERE name = 'newest_end/prod'"),
        "the newest session end of 'prod': found None, expected Unix seconds",
    ),
    case(
        "terms that cannot be read",
        sql("INSERT OR REPLACE INTO facts VALUES ('terms', x'C1')"),
        "what the state was begun with: found what cannot be read, expected pseudonyms and shard",
    ),
    case(
        "an unknown tally",
        sql("INSERT INTO tallies VALUES ('prod', 'lost', 1.0)"),
        "the tally 'lost' of 'prod': found no tally of that name, expected one of",
    ),
    case(
        "half a tally",
        sql("UPDATE tallies SET amount = 0.5 WHERE name = 'departed_peers' AND source = 'prod'"),
        "the tally 'departed_peers' of 'prod': found 0.5, expected a whole number from 0 on",
        f"{_PEERS}2.5, expected 3",
    ),
    case(
        "a tally of text",
        sql("UPDATE tallies SET amount = 'one' WHERE name = 'departed_peers' AND source = 'prod'"),
        "the tally 'departed_peers' of 'prod': found 'one', expected a whole number from 0 on",
        f"{_PEERS}2, expected 3",
    ),
]

TABLES = [
    case(
        "a table is gone",
        sql("DROP TABLE objects"),
        "the schema of objects: found none, expected source TEXT 1 None 1, name TEXT 1 None 2, tag TEXT",
    ),
    case("an index is gone", sql("DROP INDEX tasks_by_due"), "the schema of tasks_by_due: found none, expected"),
    case("a table more", sql("CREATE TABLE theirs (a)"), "the schema of theirs: found a  0 None 0, expected none"),
    case("a column more", sql("ALTER TABLE rooms ADD COLUMN name TEXT"), "the schema of rooms: found source TEXT 1 "),
]

ALL = [*COUNTS, *SERIES, *MARKS, *VIEW, *REMEMBERED, *TABLES]
