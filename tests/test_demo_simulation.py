"""The simulation: the same seed gives the same meetings, and each scenario is what its name says."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from hashlib import sha256
from itertools import chain, pairwise
from statistics import fmean
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import hundredms_documents, watchrtc_documents
from exporter.demo.media import record
from exporter.demo.scenarios import RECORDER_ROLE, SCENARIOS
from exporter.demo.simulation import ROOMS, meeting, simulate, volume
from exporter.demo.truth import TICK

if TYPE_CHECKING:
    from exporter.demo.truth import Recording, TrackTicks

START = 1_790_000_000.0
SEEDS = range(8)


def play(seed: int, scenario: str) -> Recording:
    """One played meeting of a scenario."""
    return record(meeting(seed, scenario, START))


def loss(tracks: list[TrackTicks]) -> float:
    """The mean loss over all ticks in which something was sent."""
    return fmean(
        ratio for track in tracks for ratio, rate in zip(track.loss_ratio, track.bits_per_second, strict=True) if rate
    )


def sent(recording: Recording, number: int) -> list[TrackTicks]:
    """What one participant sends."""
    return [track for track in recording.tracks[number] if track.direction == "send"]


def received(recording: Recording, number: int, *, owner: int | None = None, kind: str = "") -> list[TrackTicks]:
    """What one participant receives, of one owner or of everybody, of one kind or of both."""
    return [
        track
        for track in recording.tracks[number]
        if track.direction == "recv" and owner in {None, track.owner} and kind in {"", track.kind}
    ]


def freezes_a_minute(tracks: list[TrackTicks]) -> float:
    """Freezes for each minute that a picture is watched."""
    ticks = sum(len(track.freezes) for track in tracks)
    return sum(chain.from_iterable(track.freezes for track in tracks)) / (ticks * TICK / 60)


def concealment(tracks: list[TrackTicks]) -> float:
    """The share of the audio that was made up."""
    ticks = sum(len(track.concealed_samples) for track in tracks)
    return sum(chain.from_iterable(track.concealed_samples for track in tracks)) / (ticks * TICK * 48_000)


def fingerprint(seed: int) -> str:
    """A digest of both vendors' documents of one hour of meetings."""
    digest = sha256()
    for held in simulate(seed, START, START + 3600, anchor=START):
        recording = record(held)
        documents = [
            watchrtc_documents.room_document(recording),
            hundredms_documents.session_row(held, held.end),
            *(hundredms_documents.peer_stats(recording, number) for number in range(len(held.participants))),
        ]
        digest.update(json.dumps(documents, allow_nan=False).encode())
    return digest.hexdigest()


@pytest.mark.no_cover
def test_same_seed_same_documents_in_any_process() -> None:
    """Documents depend on the seed alone: not on the process and the order in which it hashes."""
    code = "from tests.test_demo_simulation import fingerprint; print(fingerprint(5))"
    other = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "123", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert other.stdout.strip() == fingerprint(5)


@pytest.mark.no_cover
def test_other_seed_other_documents() -> None:
    """Another seed gives other meetings."""
    assert fingerprint(5) != fingerprint(6)


def test_a_meeting_can_be_moved_in_time() -> None:
    """Start and room decide nothing but where and when: the media stay."""
    here, there = meeting(3, "bad_uplink", START), meeting(3, "bad_uplink", START + 777.5, room="elsewhere")
    assert here.participants == there.participants
    assert (there.room, there.start, there.end - there.start) == ("elsewhere", START + 777.5, here.end - here.start)
    assert here.key != there.key


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("people", [None, 1, 2, 7])
def test_every_scenario_stands_at_any_size(scenario: str, people: int | None) -> None:
    """Tracks lie within the stay of both ends, columns are as long as each other, and no value is impossible."""
    held = meeting(11, scenario, START, people=people, minutes=2)
    recording = record(held)
    assert len(recording.tracks) == len(held.participants) >= 2
    assert held.end == pytest.approx(max(held.start + person.left for person in held.participants))
    for number, (person, tracks) in enumerate(zip(held.participants, recording.tracks, strict=True)):
        assert 0 <= person.joined < person.left <= held.end - held.start
        assert {track.owner for track in tracks if track.direction == "send"} <= {number}
        assert number not in {track.owner for track in tracks if track.direction == "recv"}
        for track in tracks:
            owner = held.participants[track.owner]
            ticks = len(track.bits_per_second)
            assert ticks > 0
            assert track.first * TICK >= max(person.joined, owner.joined)
            assert (track.first + ticks) * TICK <= min(person.left, owner.left)
            assert len(track.loss_ratio) == len(track.jitter_seconds) == ticks
            assert len(track.round_trip_time_seconds) == (ticks if track.direction == "send" else 0)
            assert len(track.frames_per_second) == (ticks if track.kind == "video" else 0)
            assert len(track.freezes) == (ticks if (track.kind, track.direction) == ("video", "recv") else 0)
            assert len(track.concealed_samples) == (ticks if (track.kind, track.direction) == ("audio", "recv") else 0)
            assert all(0 <= ratio < 1 for ratio in track.loss_ratio)
            assert all(0 <= rate <= 5e6 for rate in track.bits_per_second)
            assert all(0 <= frames <= 30 for frames in track.frames_per_second)
            assert all(0 < jitter < 1 for jitter in track.jitter_seconds)
            assert all(0 < trip < 3 for trip in track.round_trip_time_seconds)
            assert all(0 <= made_up <= TICK * 48_000 for made_up in track.concealed_samples)
            assert all(0 <= count <= 10 for count in track.freezes)


def test_more_people_than_names() -> None:
    """Names stay distinct in a crowd: watchRTC tells peers apart by them."""
    held = meeting(1, "audio_only", START, people=120)
    assert len({person.name for person in held.participants}) == 120


@pytest.mark.parametrize("seed", SEEDS)
def test_bad_uplink(seed: int) -> None:
    """One peer sends with loss and a long way, all others hear the gaps of that peer and of nobody else."""
    recording = play(seed, "bad_uplink")
    others = [number for number in range(5) if number != 1]
    assert loss(sent(recording, 1)) > 0.05
    assert all(loss(sent(recording, number)) < 0.01 for number in others)
    trips = [fmean(sent(recording, number)[0].round_trip_time_seconds) for number in range(5)]
    assert trips[1] > 2 * max(trips[number] for number in others)
    assert loss(received(recording, 1)) < 0.01
    for number in others:
        bad, good = (
            received(recording, number, owner=1),
            received(recording, number, owner=others[others.index(number) - 1]),
        )
        assert loss(bad) > 0.02
        assert loss(good) < 0.01
        assert concealment([t for t in bad if t.kind == "audio"]) > 0.02
        assert concealment([t for t in good if t.kind == "audio"]) < 0.01
    everybody = [track for number in others for track in received(recording, number, owner=1, kind="video")]
    assert freezes_a_minute(everybody) > 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_congested_downlink(seed: int) -> None:
    """One receiver has gaps, freezes and few frames; what it sends is fine, and so is everybody else."""
    recording = play(seed, "congested_downlink")
    for number in range(4):
        assert loss(sent(recording, number)) < 0.01
        audio, video = received(recording, number, kind="audio"), received(recording, number, kind="video")
        frames = [
            frames
            for track in video
            for frames, rate in zip(track.frames_per_second, track.bits_per_second, strict=True)
            if rate
        ]
        if number == 3:
            assert loss(audio) > 0.05
            assert concealment(audio) > 0.05
            assert freezes_a_minute(video) > 1
            assert fmean(frames) < 20
        else:
            assert loss(audio) < 0.01
            assert concealment(audio) < 0.01
            assert freezes_a_minute(video) < 0.1
            assert fmean(frames) > 25


@pytest.mark.parametrize("seed", SEEDS)
def test_mobile_turn(seed: int) -> None:
    """A phone behind a relay loses packets both ways; the other end has a good line."""
    recording = play(seed, "mobile_turn")
    phone = recording.meeting.participants[1]
    assert phone.relay in {"udp", "tls"}
    assert phone.device.os in {"Android", "iOS"}
    assert recording.meeting.participants[0].relay == ""
    assert loss(sent(recording, 1)) > 0.03
    assert loss(received(recording, 1)) > 0.03
    assert loss(sent(recording, 0)) < 0.01
    assert max(chain.from_iterable(track.loss_ratio for track in sent(recording, 1))) > 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_late_joiner(seed: int) -> None:
    """One peer comes in the middle; before that nobody receives anything of it."""
    recording = play(seed, "late_joiner")
    held = recording.meeting
    late = held.participants[-1]
    assert 0.35 * (held.end - held.start) < late.joined < 0.65 * (held.end - held.start)
    assert all(person.joined <= 40 for person in held.participants[:-1])
    assert late.call_setup_seconds is not None
    assert late.call_setup_seconds > 1.5
    assert min(track.first for track in received(recording, 0, owner=3)) * TICK >= late.joined


@pytest.mark.parametrize("seed", SEEDS)
def test_screen_share(seed: int) -> None:
    """The host sends one screen at few frames a second, and everybody else receives it."""
    recording = play(seed, "screen_share")
    (screen,) = [track for track in sent(recording, 0) if track.source == "screen"]
    assert 7 < fmean(screen.frames_per_second) < 9
    for number in range(1, 5):
        assert [track.owner for track in recording.tracks[number] if track.source == "screen"] == [0]


@pytest.mark.parametrize("seed", SEEDS)
def test_audio_only(seed: int) -> None:
    """Nobody sends or receives a picture."""
    assert {track.kind for track in chain.from_iterable(play(seed, "audio_only").tracks)} == {"audio"}


@pytest.mark.parametrize("seed", SEEDS)
def test_never_connects(seed: int) -> None:
    """One peer joins, sends nothing and receives nothing; the others go on without it."""
    recording = play(seed, "never_connects")
    assert not recording.meeting.participants[-1].connected
    assert recording.tracks[-1] == ()
    assert all(track.owner != 2 for track in chain.from_iterable(recording.tracks))
    assert received(recording, 0, owner=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_short_stay(seed: int) -> None:
    """One peer stays 8 s: less than a window of what it sends or receives."""
    person = play(seed, "short_stay").meeting.participants[-1]
    assert person.left - person.joined == pytest.approx(8.0, abs=0.002)


@pytest.mark.parametrize("seed", SEEDS)
def test_bad_episode(seed: int) -> None:
    """One peer's call is good but for a part in the middle, which is bad both ways."""
    recording = play(seed, "bad_episode")
    seconds = recording.meeting.end - recording.meeting.start
    for track in recording.tracks[1]:
        inside, outside = [], []
        for tick, (rate, ratio) in enumerate(zip(track.bits_per_second, track.loss_ratio, strict=True), track.first):
            place = tick * TICK / seconds
            if rate and 0.43 < place < 0.52:
                inside.append(ratio)
            elif rate and not 0.41 < place < 0.55:
                outside.append(ratio)
        assert fmean(outside) < 0.01
        # The best layers are not sent at all in the bad minute.
        assert fmean(inside) > 0.05 if inside else track.rid in {"m", "h"}


@pytest.mark.parametrize("seed", SEEDS)
def test_all_hands(seed: int) -> None:
    """Two people send, the audience and the recorder only receive."""
    recording = play(seed, "all_hands")
    people = recording.meeting.participants
    assert [person.role for person in people].count("viewer") == 13
    assert people[-1].role == RECORDER_ROLE
    assert {number for number in range(16) if sent(recording, number)} == {0, 1}
    assert all({track.owner for track in received(recording, number)} == {0, 1} for number in range(2, 16))
    assert loss(received(recording, 14, kind="audio")) > 0.05


@pytest.mark.no_cover
@pytest.mark.parametrize(("scenario", "share"), [("good_call", (0.0, 0.0)), ("screen_share", (0.02, 0.2))])
def test_most_people_are_well(scenario: str, share: tuple[float, float]) -> None:
    """Of ordinary people most have good lines and a few fair ones, in a call as it should be all; nobody's is bad."""
    losses, trips = [], []
    for seed in range(60):
        recording = play(seed, scenario)
        losses += [loss(sent(recording, number)) for number in range(4)]
        trips += [fmean(sent(recording, number)[0].round_trip_time_seconds) for number in range(4)]
    unwell = [a > 0.01 or b > 0.25 for a, b in zip(losses, trips, strict=True)]
    assert share[0] <= fmean(unwell) <= share[1]
    assert max(losses) < 0.05


def test_layers_pause() -> None:
    """With more cameras than fit, the best layer of each pauses in turn; the lowest never does."""
    recording = record(meeting(1, "good_call", START, people=6))
    pauses = {"l": 0, "m": 0, "h": 0}
    for number in range(6):
        person = recording.meeting.participants[number]
        for track in sent(recording, number):
            if track.rid and not person.camera_off:
                pauses[track.rid] += track.bits_per_second.count(0.0)
    assert pauses["h"] > 0
    assert pauses["l"] == pauses["m"] == 0


def test_people_mute() -> None:
    """Some people mute their microphone and switch their camera off for a while, and then nothing flows or is lost."""
    muted = off = 0
    for seed in range(10):
        recording = play(seed, "good_call")
        for number in range(4):
            for track in sent(recording, number):
                quiet = [place for place, rate in enumerate(track.bits_per_second) if not rate]
                assert all(track.loss_ratio[place] == 0 for place in quiet)
                muted += bool(quiet) and track.kind == "audio"
                off += bool(quiet) and track.rid == "l"
    assert 3 < muted < 30
    assert 1 < off < 20


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 20_000), st.integers(0, 20_000), st.integers(0, 20_000))
def test_neighbouring_spans_fit_together(first: int, second: int, third: int) -> None:
    """What two neighbouring spans give is what the span of both gives, in order, nothing twice and nothing lost."""
    a, b, c = (START + offset for offset in sorted((first, second, third)))
    whole = [held.key for held in simulate(1, a, c, anchor=START)]
    parts = [held.key for held in (*simulate(1, a, b, anchor=START), *simulate(1, b, c, anchor=START))]
    assert whole == parts
    assert len(set(whole)) == len(whole)


def test_meetings_come_in_order_and_within_the_span() -> None:
    """A day of meetings is ordered by start, rooms meet again, and no room is in two meetings at once."""
    held = list(simulate(2, START, START + 86_400))
    starts = [each.start for each in held]
    assert starts == sorted(starts)
    assert all(START <= start < START + 86_400 for start in starts)
    for room in ROOMS:
        mine = [each for each in held if each.room == room.name]
        assert len(mine) > 10
        assert all(one.end < other.start for one, other in pairwise(mine))
    assert {each.scenario for each in held} == set(SCENARIOS)


def test_nothing_happens_before_the_anchor() -> None:
    """Timetables begin at their anchor, and the story is the same wherever that is."""
    early = list(simulate(1, 0.0, START + 3600, anchor=START))
    later = list(simulate(1, 0.0, START + 4600, anchor=START + 1000))
    assert early
    assert all(held.start >= START for held in early)
    assert [(held.scenario, held.participants) for held in early] == [
        (held.scenario, held.participants) for held in later
    ]


def test_a_schedule_without_end() -> None:
    """The end may be infinite: meetings come as they are asked for."""
    endless = simulate(1, START, math.inf)
    assert [next(endless).start for _ in range(50)] == [held.start for held in simulate(1, START, START + 1e5)][:50]


def test_volume_makes_distinct_sessions() -> None:
    """A benchmark's sessions each have their own ids, room and start, and share the media of a few."""
    made = list(volume(1, 12, 3, START, minutes=1, spacing=7, rooms=5, variety=2))
    assert [recording.meeting.start for recording in made] == [START + 7 * number for number in range(12)]
    assert len({hundredms_documents.session_id(recording.meeting) for recording in made}) == 12
    assert len({watchrtc_documents.room_url(recording.meeting) for recording in made}) == 12
    assert len({recording.meeting.room for recording in made}) == 5
    assert all(len(recording.tracks) == 3 for recording in made)
    assert made[0].tracks is made[2].tracks
    assert made[0].tracks != made[1].tracks
    one, other = (hundredms_documents.peer_stats(made[n], 0, hundredms_documents.TIDY) for n in (0, 2))
    stamps = [document["publisher"]["audio"][0]["time_series"]["timestamps"] for document in (one, other)]
    assert [later - earlier for earlier, later in zip(*stamps, strict=True)] == [14_000] * len(stamps[0])
    assert {len(list(volume(1, 1, 2, START, minutes=1)))} == {1}


def test_an_unknown_scenario_is_an_error() -> None:
    """A scenario that does not exist is said to be so."""
    with pytest.raises(KeyError, match="worse_uplink"):
        meeting(1, "worse_uplink", START)
