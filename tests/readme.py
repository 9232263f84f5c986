"""The parts of README.md that are generated: `make readme` writes them, a test holds them to what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.gauge_families import MEDIA_LABELS, PEER_LABELS, ROOM_LABELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


_PARTS: dict[str, Callable[[], str]] = {
    "gauges": _gauges,
    "cumulative": _cumulative,
    "exporter": _exporter,
    "timeline": _timeline,
}

if __name__ == "__main__":
    README.write_text(generated(README.read_text(encoding="utf-8")), encoding="utf-8")
