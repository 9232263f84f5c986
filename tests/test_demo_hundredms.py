"""Simulated meetings as 100ms documents: the vendor's form to the letter, and the known habits of its clients."""

from __future__ import annotations

import json
import re
from datetime import datetime
from itertools import chain, pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any, get_args

import pytest
from msgspec.structs import replace

from exporter.demo.hundredms_documents import (
    TIDY,
    Habits,
    Quirk,
    peer_id,
    peer_stats,
    room_document,
    room_id,
    session_id,
    session_row,
)
from exporter.demo.media import record
from exporter.demo.scenarios import SCENARIOS
from exporter.demo.simulation import meeting
from exporter.demo.truth import Meeting, Recording, TrackTicks

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 1_790_000_000.0
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
OBJECT_ID = re.compile(r"[0-9a-f]{24}")

#: The metrics of each branch after the timestamps, in the order of the vendor's documentation.
METRICS = {
    ("publisher", "video"): ["bitrate", "fps", "packet_loss_percent", "rtt_ms"],
    ("publisher", "audio"): ["bitrate", "packet_loss_percent", "rtt_ms", "jitter_ms"],
    ("subscriber", "video"): ["bitrate", "fps", "freeze_count"],
    ("subscriber", "audio"): ["bitrate", "concealed_samples", "packet_loss_percent"],
}
TRACK_KEYS = {
    ("publisher", "video"): ["track_id", "type", "rid", "time_series"],
    ("publisher", "audio"): ["track_id", "time_series"],
    ("subscriber", "video"): ["track_id", "type", "time_series"],
    ("subscriber", "audio"): ["track_id", "time_series"],
}


def play(scenario: str, seed: int = 1, *, minutes: float | None = None) -> Recording:
    """One played meeting of a scenario."""
    return record(meeting(seed, scenario, START, minutes=minutes))


def series_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every time series of a document."""
    for branch in ("publisher", "subscriber"):
        for kind in ("video", "audio"):
            for track in document[branch][kind]:
                yield track["time_series"]


def by_hand() -> Recording:
    """One peer that sends audio for 14 ticks, muted in ticks 7 and 8, and receives video for 5 ticks from tick 1 on."""
    held = meeting(1, "one_on_one", START, minutes=2)
    audio = TrackTicks(
        direction="send",
        kind="audio",
        source="microphone",
        owner=0,
        first=0,
        bits_per_second=(30_000.0,) * 6 + (20_000.0, 0.0, 0.0) + (40_000.0,) * 5,
        loss_ratio=(0.01, 0.02, 0.03, 0.01, 0.02, 0.03, 0.05, 0.0, 0.0) + (0.1,) * 5,
        jitter_seconds=(0.002,) * 6 + (0.01, 0.003, 0.004) + (0.02,) * 5,
        round_trip_time_seconds=(0.1,) * 6 + (0.2, 0.25, 0.35) + (0.05,) * 5,
    )
    video = TrackTicks(
        direction="recv",
        kind="video",
        source="camera",
        owner=1,
        first=1,
        bits_per_second=(1e6, 0.5e6, 0.4e6, 0.2e6, 0.1e6),
        loss_ratio=(0.0,) * 5,
        jitter_seconds=(0.01,) * 5,
        frames_per_second=(30.0, 29.0, 20.0, 10.5, 5.0),
        freezes=(0, 1, 2, 1, 1),
    )
    return Recording(meeting=held, tracks=((audio, video), ()))


def test_a_document_written_by_hand() -> None:
    """Ticks become windows of 30 s and 10 s, cut when a track stops or goes on, with means and sums."""
    recording = by_hand()
    held = recording.meeting
    at = 1_790_000_000_000
    document = peer_stats(recording, 0, TIDY)
    (sound,), (picture,) = document["publisher"]["audio"], document["subscriber"]["video"]
    assert UUID4.fullmatch(sound.pop("track_id"))
    assert UUID4.fullmatch(picture.pop("track_id"))
    assert document == {
        "peer_id": peer_id(held, 0),
        "session_id": session_id(held),
        "room_id": room_id(held.room),
        "publisher": {
            "video": [],
            "audio": [
                {
                    "time_series": {
                        # The last window, of five ticks, was not full when the client left.
                        "timestamps": [at + 30_000, at + 35_000, at + 45_000],
                        "bitrate": [30_000, 20_000, 0],
                        "packet_loss_percent": [2.0, 5.0, 0.0],
                        "rtt_ms": [100, 200, 300],
                        "jitter_ms": [2.0, 10.0, 3.5],
                    }
                }
            ],
        },
        "subscriber": {
            "video": [
                {
                    "type": "regular",
                    "time_series": {
                        "timestamps": [at + 15_000, at + 25_000],
                        "bitrate": [750_000, 300_000],
                        "fps": [29.5, 15.2],
                        "freeze_count": [1, 3],
                    },
                }
            ],
            "audio": [],
        },
    }
    assert peer_stats(recording, 1, TIDY) == {
        "peer_id": peer_id(held, 1),
        "session_id": session_id(held),
        "room_id": room_id(held.room),
        "publisher": {"video": [], "audio": []},
        "subscriber": {"video": [], "audio": []},
    }


def test_a_track_without_a_finished_window_is_not_sent() -> None:
    """A screen that is shared for the last few seconds comes too late for a window of its own."""
    recording = by_hand()
    ((audio, video), nothing) = recording.tracks
    late = replace(audio, kind="video", source="screen", first=12, frames_per_second=(5.0,) * 2)
    for column in ("bits_per_second", "loss_ratio", "jitter_seconds", "round_trip_time_seconds"):
        late = replace(late, **{column: getattr(late, column)[-2:]})
    with_screen = replace(recording, tracks=((audio, late, video), nothing))
    assert peer_stats(with_screen, 0, TIDY) == peer_stats(recording, 0, TIDY)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_vendors_form(scenario: str) -> None:
    """Keys, their order and the types of all values are those of the documentation."""
    recording = play(scenario)
    held = recording.meeting
    for number in range(len(held.participants)):
        document = peer_stats(recording, number, TIDY)
        assert list(document) == ["peer_id", "session_id", "room_id", "publisher", "subscriber"]
        assert UUID4.fullmatch(document["peer_id"])
        assert OBJECT_ID.fullmatch(document["session_id"])
        assert OBJECT_ID.fullmatch(document["room_id"])
        for (branch, kind), metrics in METRICS.items():
            assert list(document[branch]) == ["video", "audio"]
            for track in document[branch][kind]:
                assert list(track) == TRACK_KEYS[branch, kind]
                assert UUID4.fullmatch(track["track_id"])
                assert track.get("type", "regular") in {"regular", "screen"}
                assert track.get("rid") in {"h", "m", "l", None}
                series = track["time_series"]
                assert list(series) == ["timestamps", *metrics]
                assert {len(column) for column in series.values()} == {len(series["timestamps"])}
                assert {type(stamp) for stamp in series["timestamps"]} == {int}
                assert all(value >= 0 for column in series.values() for value in column)
                assert all(value <= 100 for value in series.get("packet_loss_percent", ()))
                for whole in ("bitrate", "freeze_count", "concealed_samples", "rtt_ms"):
                    assert {type(value) for value in series.get(whole, ())} <= {int}


def test_layers_share_their_track_id() -> None:
    """A simulcast camera is one track of three layers, the best first; a screen is a track of its own."""
    document = peer_stats(play("screen_share"), 0, TIDY)
    video, audio = document["publisher"]["video"], document["publisher"]["audio"]
    assert [(track["type"], track["rid"]) for track in video] == [
        ("screen", None),
        ("regular", "h"),
        ("regular", "m"),
        ("regular", "l"),
    ]
    assert len({track["track_id"] for track in video}) == 2
    assert audio[0]["track_id"] not in {track["track_id"] for track in video}
    assert [track["rid"] for track in peer_stats(play("one_on_one"), 0, TIDY)["publisher"]["video"]] == [None]


def test_receivers_name_the_senders_track() -> None:
    """What a peer receives carries the track id under which its owner sends it."""
    recording = play("screen_share")
    owned = {
        track["track_id"]
        for number in (0, 2, 3, 4)
        for kind in ("video", "audio")
        for track in peer_stats(recording, number, TIDY)["publisher"][kind]
    }
    subscriber = peer_stats(recording, 1, TIDY)["subscriber"]
    assert {track["track_id"] for kind in ("video", "audio") for track in subscriber[kind]} == owned


@pytest.mark.parametrize(("branch", "usual"), [("publisher", 30_000), ("subscriber", 10_000)])
def test_windows_are_cut_together(branch: str, usual: int) -> None:
    """All tracks of a direction share their timestamps; steps are the usual ones but for cuts, which are shorter."""
    steps: list[int] = []
    for seed in range(6):
        document = peer_stats(play("good_call", seed), 1, TIDY)
        tracks = [track["time_series"]["timestamps"] for kind in ("video", "audio") for track in document[branch][kind]]
        together = sorted(set(chain.from_iterable(tracks)))
        assert all(stamps == together[together.index(stamps[0]) :][: len(stamps)] for stamps in tracks)
        steps += [later - earlier for earlier, later in pairwise(together)]
    assert max(steps) == usual
    assert min(steps) == 5000
    assert steps.count(usual) > 0.8 * len(steps)


def test_nothing_is_lost_between_ticks_and_windows() -> None:
    """Freezes and concealed samples of the windows add up to those of the ticks, but for the last cut-off window."""
    recording = play("congested_downlink")
    document = peer_stats(recording, 3, TIDY)
    tracks = [track for track in recording.tracks[3] if track.direction == "recv"]
    for kind, metric, column in (
        ("video", "freeze_count", "freezes"),
        ("audio", "concealed_samples", "concealed_samples"),
    ):
        told = sum(sum(track["time_series"][metric]) for track in document["subscriber"][kind])
        truth = [getattr(track, column) for track in tracks if track.kind == kind]
        assert sum(map(sum, truth)) - sum(sum(ticks[-2:]) for ticks in truth) <= told <= sum(map(sum, truth))
        assert told > 0


def test_a_bad_uplink_is_seen_in_the_documents() -> None:
    """Only the bad peer's publisher loss is above 5 %, whatever the habits of the clients."""
    recording = play("bad_uplink")
    means = []
    for number in range(5):
        audio = peer_stats(recording, number)["publisher"]["audio"][0]["time_series"]
        means.append(fmean(value for value in audio["packet_loss_percent"] if value is not None))
    assert [mean > 5 for mean in means] == [False, True, False, False, False]
    assert max(means[:1] + means[2:]) < 1


@pytest.mark.parametrize("scenario", ["never_connects", "short_stay"])
def test_too_short_or_never_connected(scenario: str) -> None:
    """A peer without one finished window has empty arrays; the session lists it all the same."""
    recording = play(scenario)
    document = peer_stats(recording, 2)
    assert document["publisher"] == document["subscriber"] == {"video": [], "audio": []}
    row = session_row(recording.meeting, recording.meeting.end)
    assert document["peer_id"] in row["peers"]


def test_session_row() -> None:
    """A finished session has the documented keys, the peers as a map, and ends at its last leave."""
    held = meeting(1, "good_call", START)
    row = session_row(held, held.end)
    assert list(row) == ["id", "room_id", "customer_id", "app_id", "active", "peers", "created_at", "updated_at"]
    assert row["id"][:8] == f"{1_790_000_000:08x}"
    assert row["active"] is False
    assert row["created_at"] == "2026-09-21T14:13:20Z"
    assert datetime.fromisoformat(row["updated_at"]).timestamp() == pytest.approx(held.end, abs=1e-3)
    assert list(row["peers"]) == [peer_id(held, number) for number in range(4)]
    for number, (identity, peer) in enumerate(row["peers"].items()):
        person = held.participants[number]
        assert peer["id"] == identity
        assert peer["session_id"] == row["id"]
        assert (peer["name"], peer["role"]) == (person.name, person.role)
        assert set(peer) - {"user_id"} == {"id", "session_id", "name", "role", "joined_at", "left_at"}
        joined, left = (datetime.fromisoformat(peer[key]).timestamp() for key in ("joined_at", "left_at"))
        assert joined == pytest.approx(held.start + person.joined, abs=1.1e-3)
        assert left == pytest.approx(held.start + person.left, abs=1e-3)


def test_session_row_while_it_lasts() -> None:
    """An active session lists who has come by then; who is still there, or never connected, has not left."""
    held = meeting(1, "never_connects", START)
    first = session_row(held, START)
    assert first["active"] is True
    assert len(first["peers"]) == 1
    assert first["updated_at"] == first["created_at"]
    last = session_row(held, held.end)
    assert [peer["left_at"] is None for peer in last["peers"].values()] == [False, False, True]
    before = session_row(held, held.end - 0.001)
    assert before["active"] is True
    assert before["peers"][peer_id(held, 0)]["left_at"] is None


def test_user_ids_are_optional() -> None:
    """Some peers have no user id."""
    rows = [session_row(meeting(seed, "good_call", START), START + 9999) for seed in range(20)]
    have = ["user_id" in peer for row in rows for peer in row["peers"].values()]
    assert 0.6 < fmean(have) < 0.95


def test_ids() -> None:
    """A room keeps its id, a session and its peers have new ones each time."""
    one, other = meeting(1, "good_call", START, room="x"), meeting(1, "good_call", START + 3600, room="x")
    assert room_id(one.room) == room_id(other.room) != room_id("y")
    assert session_id(one) != session_id(other)
    assert peer_id(one, 0) != peer_id(other, 0) != peer_id(other, 1)


def test_room() -> None:
    """A room tells its name and template; what was never set has the vendor's zero time."""
    room = room_document("weekly-standup")
    assert room["id"] == room_id("weekly-standup")
    assert room["name"] == "weekly-standup"
    assert room["template"] == "meetings"
    assert room["created_at"] == "2023-09-01T00:00:00Z"
    assert room["updated_at"] == "0001-01-01T00:00:00Z"


def quirky(quirk: Quirk, scenario: str = "good_call") -> tuple[dict[str, Any], dict[str, Any]]:
    """A document with one quirk, and the same one without."""
    recording = play(scenario)
    return peer_stats(recording, 1, Habits(quirks=frozenset({quirk}))), peer_stats(recording, 1, TIDY)


def differing(odd: dict[str, Any], tidy: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one series in which two documents differ."""
    (pair,) = [(a, b) for a, b in zip(series_of(odd), series_of(tidy), strict=True) if a != b]
    return pair


def test_old_client() -> None:
    """An old client knows no received bit rate and leaves out zero frame rates; what it sends is as ever."""
    recording = by_hand()
    (_, video), nothing = recording.tracks
    still = replace(video, frames_per_second=(0.0, 0.0, 20.0, 10.0, 5.0))
    document = peer_stats(
        replace(recording, tracks=((recording.tracks[0][0], still), nothing)),
        0,
        Habits(quirks=frozenset({"old_client"})),
    )
    assert document["subscriber"]["video"][0]["time_series"]["bitrate"] == [None, None]
    assert document["subscriber"]["video"][0]["time_series"]["fps"] == [None, 15.0]
    assert document["subscriber"]["video"][0]["time_series"]["freeze_count"] == [1, 3]
    assert document["publisher"]["audio"][0]["time_series"]["bitrate"] == [30_000, 20_000, 0]


def test_swapped_samples() -> None:
    """Two neighbouring samples of one track stand in the wrong order, with all their values."""
    odd, tidy = differing(*quirky("swapped_samples"))
    rows, sorted_rows = list(zip(*odd.values(), strict=True)), list(zip(*tidy.values(), strict=True))
    assert rows != sorted_rows
    assert sorted(rows) == sorted(sorted_rows)
    assert sum(one != other for one, other in zip(rows, sorted_rows, strict=True)) == 2


def test_repeated_timestamp() -> None:
    """One time stands twice in one track; the arrays stay as long as each other."""
    odd, tidy = differing(*quirky("repeated_timestamp"))
    assert {len(column) for column in odd.values()} == {len(tidy["timestamps"]) + 1}
    assert sorted(set(odd["timestamps"])) == tidy["timestamps"]


def test_missing_values() -> None:
    """Two values of one metric are null."""
    odd, tidy = differing(*quirky("missing_values"))
    changed = [name for name in odd if odd[name] != tidy[name]]
    assert len(changed) == 1
    assert odd[changed[0]].count(None) == 2
    assert len(odd[changed[0]]) == len(tidy[changed[0]])


def test_cut_array() -> None:
    """One metric has one value less than there are timestamps."""
    odd, tidy = differing(*quirky("cut_array"))
    lengths = {name: len(odd[name]) - len(tidy[name]) for name in odd}
    assert sorted(lengths.values())[:2] == [-1, 0]
    assert lengths["timestamps"] == 0


def test_empty_metric() -> None:
    """One metric is an empty array beside its timestamps."""
    odd, tidy = differing(*quirky("empty_metric"))
    assert [name for name in odd if odd[name] != tidy[name]] == [name for name in odd if odd[name] == []]


def test_unknown_keys() -> None:
    """The document says more than the documentation tells, and all of that too."""
    odd, tidy = quirky("unknown_keys")
    assert set(odd) - set(tidy) == {"schema_version"}
    extra = {
        key
        for branch in ("publisher", "subscriber")
        for kind in ("video", "audio")
        for t in odd[branch][kind]
        for key in t
    }
    assert "codec" in extra
    assert list(series_of(odd)) == list(series_of(tidy))


def test_quirks_need_something_to_disturb() -> None:
    """A peer without statistics has no quirks."""
    every = Habits(quirks=frozenset(get_args(Quirk)) - {"unknown_keys"})
    recording = play("never_connects")
    assert peer_stats(recording, 2, every) == peer_stats(recording, 2, TIDY)


@pytest.mark.no_cover
def test_every_habit_occurs() -> None:
    """Over some meetings every quirk is met, most clients have none, and clocks are never ahead."""
    found = set[str]()
    plain = total = 0
    for seed in range(25):
        recording = play("good_call", seed, minutes=4)
        for number in range(4):
            document, tidy = peer_stats(recording, number), peer_stats(recording, number, TIDY)
            columns = list(series_of(document))
            quirks = {
                "old_client": any(None in s["bitrate"] for s in columns),
                "swapped_samples": any(s["timestamps"] != sorted(s["timestamps"]) for s in columns),
                "repeated_timestamp": any(len(set(s["timestamps"])) < len(s["timestamps"]) for s in columns),
                "cut_array": any(len(s["timestamps"]) - len(c) == 1 for s in columns for c in s.values()),
                "empty_metric": any(not c for s in columns for c in s.values()),
                "unknown_keys": "schema_version" in document,
                "missing_values": any(None in s[m] for s in columns for m in s if m not in {"bitrate", "fps"}),
            }
            found |= {quirk for quirk, there in quirks.items() if there}
            plain += not any(quirks.values())
            total += 1
            latest = max(chain.from_iterable(s["timestamps"] for s in columns))
            assert latest < 1000 * recording.meeting.end
            assert latest > max(chain.from_iterable(s["timestamps"] for s in series_of(tidy))) - 62_000
    assert found == set(get_args(Quirk))
    assert plain > total / 3


def test_windows_are_stretched_now_and_then() -> None:
    """A tab in the background makes longer windows: nobody may count on 10 s or 30 s."""
    document = peer_stats(play("good_call"), 0, Habits(stretched=0.5))
    steps = {b - a for a, b in pairwise(document["publisher"]["audio"][0]["time_series"]["timestamps"])}
    assert {30_000, 40_000} <= steps


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_documents_are_json(scenario: str) -> None:
    """Whatever is written can be read again, without NaN."""
    recording = play(scenario)
    for number in range(len(recording.meeting.participants)):
        document = peer_stats(recording, number)
        assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_meeting_is_hashable_truth() -> None:
    """Truth is frozen: nothing that reads it can change it."""
    held: Meeting = meeting(1, "good_call", START)
    with pytest.raises(AttributeError):
        held.room = "other"  # type: ignore[misc]
    assert hash(held) == hash(meeting(1, "good_call", START))
