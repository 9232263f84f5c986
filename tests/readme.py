"""The parts of README.md that are generated: `make readme` writes them, a test holds them to what the code says."""

from __future__ import annotations

import re
from argparse import _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.flags_parser import command_line
from exporter.ledger import migrations
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.gauge_families import MEDIA_LABELS, PEER_LABELS, ROOM_LABELS
from exporter.state.description import describe
from exporter.state.overview import Marks, Overview, Peers, Receiver, Series, Shard, Source, TimelineLog, View

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable, Iterator

    from exporter.metrics.family import Family

README = Path(__file__).parent.parent / "README.md"

_IDENTITIES = ((PEER_LABELS, "*peer*"), (ROOM_LABELS, "*room*"))


def generated(text: str) -> str:
    """A README with its generated parts made anew."""
    for name, write in _PARTS.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
        made = f"\n{write()}\n"
        text, found = re.subn(pattern, lambda match, made=made: match[1] + made + match[2], text, flags=re.DOTALL)  # type: ignore[misc]
        if found != 1:
            msg = f"{README}: expected the part `<!-- {name} -->` once, found it {found} times"
            raise ValueError(msg)
    return text


def _gauges() -> str:
    scopes = {"room", "room_stream", "peer", "peer_stream"}
    return _table(family for family in FAMILIES if family.scope in scopes)


def _cumulative() -> str:
    return _table(family for family in FAMILIES if family.scope.endswith("_count"))


def _exporter() -> str:
    return _table(family for family in FAMILIES if family.scope == "exporter")


def _timeline() -> str:
    return _table(family for family in FAMILIES if family.scope == "timeline")


def _table(families: Iterable[Family]) -> str:
    rows = [f"| `{family.name}` | {family.type} | {_labels(family)} | {family.help} |" for family in families]
    return "\n".join(("| family | type | labels | help |", "|---|---|---|---|", *rows))


def _labels(family: Family) -> str:
    labels = family.labels
    words = []
    for identity, word in _IDENTITIES:
        if labels[: len(identity)] == identity:
            words.append(word)
            labels = labels[len(identity) :]
            break
    if labels[-len(MEDIA_LABELS) :] == MEDIA_LABELS:
        words.append("*media*")
        labels = labels[: -len(MEDIA_LABELS)]
    return ", ".join((*words, *(f"`{label}`" for label in labels)))


def _commands() -> str:
    """Each command as it is written, and what its help says first."""
    parser, _ = command_line()
    rows = [f"| `{usage}` | {about} |" for usage, about in _each_command(parser)]
    return "\n".join(("| command | does |", "|---|---|", *rows))


def _each_command(parser: ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._subparsers._group_actions if parser._subparsers else ():  # noqa: SLF001 - argparse has no other way to ask
        assert isinstance(action, _SubParsersAction)
        for command, summary in zip(action.choices.values(), action._choices_actions, strict=True):  # noqa: SLF001 - as above
            usage = command.format_usage().removeprefix("usage: ").strip().replace("|", "\\|")
            yield usage, f"{summary.help}."
            yield from _each_command(command)


def _state() -> str:
    """What `state` says of an example."""
    end = 1_772_359_200.0
    example = Overview(
        file="data/state.sqlite",
        size_bytes=1_843_200,
        state_version=len(migrations.STEPS),
        pseudonyms=(),
        shard=Shard(index=0, count=1),
        view=View(sessions=12, peers=57, oldest=end + 300.0, newest=end + 3800.0),
        series=Series(series=942, held=31, rooms=5),
        marks=Marks(
            sessions=310,
            peers=1448,
            rejections=1,
            sessions_forgotten=0,
            peers_forgotten=0,
            since=end - 864_000.0,
            forgotten_before=None,
        ),
        timeline=TimelineLog(
            stays=3,
            bytes=14_100,
            first=end - 900.0,
            last=end + 3500.0,
            receivers=(Receiver(receiver="remote_write/prometheus", stays=3, samples=12_400, bytes=14_100),),
        ),
        sources=(
            Source(
                source="meetings",
                sessions=301,
                sessions_departed=9,
                peers=Peers(good=1201, fair=140, poor=61, unclassified=5, departed=41),
                reports_ingested=1466,
                reports_duplicate=20,
                reports_rejected=1,
                tasks_waiting=14,
                tasks_aside=90,
                tasks_finished=1448,
                objects=0,
                newest_end=end + 3500.0,
            ),
        ),
    )
    return f"```console\n$ webrtc-quality-exporter state\n{describe(example)}\n```"


_PARTS: dict[str, Callable[[], str]] = {
    "commands": _commands,
    "state": _state,
    "gauges": _gauges,
    "cumulative": _cumulative,
    "exporter": _exporter,
    "timeline": _timeline,
}

if __name__ == "__main__":
    README.write_text(generated(README.read_text(encoding="utf-8")), encoding="utf-8")
