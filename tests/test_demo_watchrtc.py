"""Simulated meetings as watchRTC rooms, and the data-stream files that carry them."""

from __future__ import annotations

import gzip
import json
import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import chain
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest

from exporter.demo.media import record
from exporter.demo.scenarios import RECORDER_ROLE, SCENARIOS
from exporter.demo.simulation import Room, meeting, simulate
from exporter.demo.truth import Recording, TrackTicks
from exporter.demo.watchrtc_documents import room_document
from exporter.demo.watchrtc_files import DataStreamFolder
from exporter.demo.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = 1_790_000_000.0
MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

#: The last decimal place of each value, as in the vendor's example.
PLACES = {"bitrate": "1", "packet_loss": "0.1", "jitter": "1", "rtt": "1", "mos": "0.01", "score": "0.1", "user": "0.1"}


def room_of(scenario: str, seed: int = 1) -> dict[str, Any]:
    """The room of one meeting of a scenario."""
    return room_document(record(meeting(seed, scenario, START)))


def rounded_mean(values: list[Any], place: str) -> Decimal:
    """The mean of values as printed, rounded half up."""
    decimals = [Decimal(str(value)) for value in values]
    return (sum(decimals, Decimal(0)) / len(decimals)).quantize(Decimal(place), ROUND_HALF_UP)


def blocks(room: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every audio or video block of a room and its peers."""
    for stats in (room["stats"], *(peer["stats"] for peer in room["peers"] if "stats" in peer)):
        yield from (stats[kind] for kind in ("audio", "video") if kind in stats)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_undirected_values_are_the_rounded_means_of_the_directed(scenario: str) -> None:
    """Bit rate, loss and jitter without a direction are the mean of what is sent and received, rounded half up."""
    room = room_of(scenario)
    seen = 0
    for block in blocks(room):
        directions = [block[direction] for direction in ("send", "recv") if direction in block]
        assert directions
        for name in ("bitrate", "packet_loss", "jitter"):
            mean = rounded_mean([each[name] for each in directions], PLACES[name])
            assert Decimal(str(block[name])) == mean
            seen += 1
    assert seen > 6


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_rooms_values_are_the_rounded_means_of_its_peers(scenario: str) -> None:
    """What is said of a room is the mean over the peers of which it is said."""
    room = room_of(scenario)
    peers = [peer["stats"] for peer in room["peers"] if "stats" in peer]
    for name in ("mos", "score", "user"):
        told = [stats[name] for stats in peers if stats.get(name) is not None]
        if told:
            assert Decimal(str(room["stats"][name])) == rounded_mean(told, PLACES[name])
        else:
            assert name not in room["stats"]
    setups = [stats["call_setup_time"] for stats in peers]
    assert room["stats"]["call_setup_time"] == rounded_mean(setups, "1")
    for kind in ("audio", "video"):
        for direction in ("send", "recv"):
            told = [stats[kind][direction] for stats in peers if direction in stats.get(kind, {})]
            block = room["stats"].get(kind, {}).get(direction, {})
            assert set(block) == (set().union(*told) - {"mos", "score"} if told else set())
            for name, value in block.items():
                assert Decimal(str(value)) == rounded_mean([each[name] for each in told], PLACES[name])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_vendors_form(scenario: str) -> None:
    """Keys, their order and the ranges of all values are those of the documentation."""
    room = room_of(scenario)
    assert list(room) == ["room_url", "room_id", "start_time", "end_time", "duration", "users", "stats", "peers"]
    assert re.fullmatch(r"https://app\.testrtc\.com/app/watchrtc-room/[0-9a-f]{32}", room["room_url"])
    assert MILLISECONDS.fullmatch(room["start_time"])
    assert MILLISECONDS.fullmatch(room["end_time"])
    start, end = (datetime.fromisoformat(room[key]).timestamp() for key in ("start_time", "end_time"))
    assert room["duration"] == int(end - start)
    assert room["users"] == len(room["peers"]) == len({peer["peer_id"] for peer in room["peers"]})
    for peer in room["peers"]:
        assert [key for key in peer if key not in {"location", "features", "stats"}] == [
            *("peer_id", "os", "os_version", "browser", "browser_version", "sdk_version", "start_time", "duration"),
            *("keys", "audio_device", "video_device"),
        ]
        assert MILLISECONDS.fullmatch(peer["start_time"])
        assert type(peer["duration"]) is int
        if "stats" in peer:
            stats = peer["stats"]
            assert [key for key in stats if key != "user"] in (
                ["mos", "score", "call_setup_time", "audio"],
                ["mos", "score", "call_setup_time", "audio", "video"],
            )
            assert 1 <= stats["mos"] <= 4.5
            assert 0 <= stats["score"] <= 10
            assert stats.get("user") in {1, 2, 3, 4, 5, None}
            assert type(stats["call_setup_time"]) is int
    for block in blocks(room):
        assert [key for key in block if key not in {"send", "recv"}] == ["bitrate", "packet_loss", "jitter"]
        measures = ["bitrate", "packet_loss", "jitter"]
        if "send" in block:
            assert [key for key in block["send"] if key not in {"mos", "score"}] == [*measures, "rtt"]
        assert [key for key in block.get("recv", measures) if key not in {"mos", "score"}] == measures


def test_a_room_written_by_hand() -> None:
    """Rates add up over tracks and spread over the stay; the rest is the mean of what flowed, in the vendor's units."""
    held = meeting(1, "one_on_one", START, minutes=2)
    sent = TrackTicks(
        direction="send",
        kind="audio",
        source="microphone",
        first=0,
        owner=0,
        bits_per_second=(30_000.0, 0.0, 33_000.0, 30_000.0),
        loss_ratio=(0.03, 0.0, 0.06, 0.06),
        jitter_seconds=(0.003, 0.9, 0.004, 0.005),
        round_trip_time_seconds=(0.4, 0.4, 0.5, 0.5),
    )
    received = TrackTicks(
        direction="recv",
        kind="audio",
        source="microphone",
        first=0,
        owner=1,
        bits_per_second=(20_000.0, 20_000.0),
        loss_ratio=(0.0, 0.001),
        jitter_seconds=(0.01, 0.01),
        concealed_samples=(0, 0),
    )
    room = room_document(Recording(meeting=held, tracks=((sent, received, received), ())))
    first, second = room["peers"]
    assert "stats" not in second
    audio = first["stats"]["audio"]
    for direction in ("send", "recv"):
        assert audio[direction].pop("score") <= 10
    # Sent: delay 225 + 8 + 10 = 243 ms; R = 93.2 - 5.83 - 7.23 - 95 x 5 / 15 = 48.47, which is a MOS of 2.495.
    assert audio["send"].pop("mos") == 2.5
    # Received: delay 225 + 20 + 10 = 255 ms; R = 93.2 - 6.12 - 8.55 - 95 x 0.1 / 10.1 = 77.59, which is 3.93.
    assert audio["recv"].pop("mos") == 3.93
    assert first["stats"]["mos"] == 3.22
    assert audio == {
        "send": {"bitrate": 23, "packet_loss": 5, "jitter": 4, "rtt": 450},
        "recv": {"bitrate": 20, "packet_loss": 0.1, "jitter": 10},
        "bitrate": 22,
        "packet_loss": 2.6,
        "jitter": 7,
    }
    assert room["stats"]["audio"] == audio


def test_audio_only() -> None:
    """A room without cameras has no video block anywhere, and no camera is named."""
    room = room_of("audio_only")
    assert "video" not in room["stats"]
    assert all("video" not in peer["stats"] and peer["video_device"] == "" for peer in room["peers"])


def test_never_connects() -> None:
    """A peer that never connected is listed without statistics and without features."""
    room = room_of("never_connects")
    lost = room["peers"][-1]
    assert "stats" not in lost
    assert "features" not in lost
    assert room["users"] == 3
    assert all("stats" in peer for peer in room["peers"][:-1])


def test_relay() -> None:
    """Only a relayed peer has the one connection type that the documentation tells."""
    direct, phone = room_of("mobile_turn")["peers"]
    assert direct["features"] == {"media_transport": "udp"}
    assert phone["features"]["connection_type"] == "TURN"
    assert phone["features"]["media_transport"] in {"udp", "tcp", "tls"}


def test_bad_uplink() -> None:
    """The bad peer's sent loss is above 5 %, nobody else's is, and its opinion score and rating are the worst."""
    peers = [peer["stats"] for peer in room_of("bad_uplink")["peers"]]
    assert [stats["audio"]["send"]["packet_loss"] > 5 for stats in peers] == [False, True, False, False, False]
    assert min(range(5), key=lambda number: peers[number]["mos"]) == 1
    assert peers[1]["mos"] < 3.1
    assert peers[1]["user"] == 2


def test_the_audience_sends_nothing_and_the_recorder_is_not_seen() -> None:
    """Viewers have no sent media; the vendor's recorder does not carry the SDK."""
    recording = record(meeting(1, "all_hands", START))
    room = room_document(recording)
    assert [person.role for person in recording.meeting.participants].count(RECORDER_ROLE) == 1
    assert len(room["peers"]) == len(recording.meeting.participants) - 1
    for peer in room["peers"][2:]:
        assert "send" not in peer["stats"]["audio"]
        assert "send" not in peer["stats"]["video"]
        assert peer["stats"]["mos"] == peer["stats"]["audio"]["recv"]["mos"]


def test_what_may_be_absent_is_absent_now_and_then() -> None:
    """Keys are lists, texts, numbers, booleans and null; ratings are given, null or absent; places may be unknown."""
    peers = [peer for seed in range(25) for peer in room_of("audio_only", seed)["peers"]]
    values = list(chain.from_iterable(peer["keys"].values() for peer in peers))
    assert {type(value) for value in values} == {list, str, int, bool, type(None)}
    ratings = [peer["stats"].get("user", "absent") for peer in peers]
    assert {"absent", None, 4, 5} <= set(ratings)
    assert 0.8 < fmean("location" in peer for peer in peers) < 1


def test_rooms_recur_and_their_urls_do_not() -> None:
    """The same room id comes again with another address."""
    one, other = (room_document(record(meeting(1, "audio_only", START + at, room="r"))) for at in (0, 3600))
    assert one["room_id"] == other["room_id"] == "r"
    assert one["room_url"] != other["room_url"]


def read_file(path: Path) -> list[dict[str, Any]]:
    """The rooms of one data-stream file."""
    raw = path.read_bytes()
    assert raw.startswith(b"\x1f\x8b") == (path.suffix == ".gz")
    rooms: list[dict[str, Any]] = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return rooms


#: One call of about ten minutes after the other.
BUSY = Room(name="busy", scenarios=("audio_only",), period=1300, phase=0)


def busy_world() -> World:
    """The calls of eleven hours in one room."""
    return World(simulate(1, START, START + 40_000, rooms=(BUSY,), anchor=START))


def test_files_deliver_every_finished_meeting(tmp_path: Path) -> None:
    """Each meeting is in the file of the minute in which it was analysed, and never in a file before it was over."""
    stream = DataStreamFolder(tmp_path, busy_world(), begin=START)
    expected = {held.start: held.end for held in busy_world().finished(START + 40_000)}
    written: list[Path] = []
    now = START
    while now < START + 40_000 + 120:
        now += 17.0
        for path in stream.write(now):
            written.append(path)
            for room in read_file(path):
                start, end = (datetime.fromisoformat(room[key]).timestamp() for key in ("start_time", "end_time"))
                assert expected[start] == pytest.approx(end)
                assert end + 2 < now
    assert written == sorted(tmp_path.iterdir())
    rooms = [room for path in written for room in read_file(path)]
    assert {room["room_url"] for room in rooms} == {
        room_document(record(held))["room_url"] for held in busy_world().finished(START + 40_000)
    }
    assert [path.suffix for path in written[:6]] == [".json", ".json", ".gz", ".json", ".json", ".gz"]
    # Every fifth file begins with the room of the one before.
    assert [len(read_file(path)) for path in written[:10]] == [1, 1, 1, 1, 2, 1, 1, 1, 1, 2]
    assert read_file(written[4])[0] == read_file(written[3])[0]


def test_file_names_tell_the_end_of_their_interval(tmp_path: Path) -> None:
    """A file is named after the moment from which on it could be written, in letters that any system takes."""
    held = meeting(1, "audio_only", 1_790_000_005.0, minutes=1)
    stream = DataStreamFolder(tmp_path, World([held]), begin=1_790_000_000.0, interval_seconds=300)
    assert stream.write(1_790_000_099.9) == []
    (path,) = stream.write(1_790_000_100.0)
    assert path.name == "watchrtc-2026-09-21T14-15-00.000Z.json"
    assert stream.write(1_790_000_100.0) == []
    assert stream.write(1_790_009_999.0) == []
    assert stream.write(1_790_000_000.0) == []


def test_a_reader_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a file is written it has another, hidden name."""
    seen: list[list[str]] = []
    write_bytes = type(tmp_path).write_bytes

    def watched(path: Path, data: bytes) -> int:
        written = write_bytes(path, data)
        seen.append([each.name for each in tmp_path.iterdir()])
        return written

    monkeypatch.setattr(type(tmp_path), "write_bytes", watched)
    held = meeting(1, "audio_only", START, minutes=1)
    (path,) = DataStreamFolder(tmp_path, World([held]), begin=START).write(START + 600)
    assert seen == [[f".{path.name}.part"]]
    assert list(tmp_path.iterdir()) == [path]


def test_meetings_from_before_the_beginning_are_not_exported(tmp_path: Path) -> None:
    """A stream starts when it is created: what ended in earlier intervals is not in it."""
    old, new = meeting(1, "audio_only", START, minutes=1), meeting(1, "audio_only", START + 600, minutes=1)
    (path,) = DataStreamFolder(tmp_path, World([old, new]), begin=START + 300).write(START + 6000)
    assert [room["start_time"] for room in read_file(path)] == ["2026-09-21T14:23:20.000Z"]
