"""How names, labels and numbers are written, the same in both text formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.metrics.family import Family

#: What HELP escapes in the text format 0.0.4.
_TEXT_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
#: What label values escape in both formats, and HELP in OpenMetrics.
_QUOTED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def number(value: float) -> str:
    """A sample's value or a bucket's bound, always float-like: `1.0`, `0.005`.

    Prometheus 3 spells `le` so; with `le="1"` rules would match one version of Prometheus and not the other.
    """
    return repr(float(value))


def escape(value: str) -> str:
    """A label value as it stands between quotes.

    Text from strangers may hold lone surrogates, which no UTF-8 page can carry: each becomes a question mark.
    """
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode("utf-8")
    return value.translate(_QUOTED)


def label_block(names: Sequence[str], values: Iterable[str]) -> str:
    """`source="a",room_id="b"`: all labels in the order of `names`, empty values too."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))


def header(family: Family, *, open_metrics: bool) -> bytes:
    """The HELP, TYPE and (OpenMetrics) UNIT lines of a family."""
    name = family.open_metrics_name if open_metrics else family.name
    text = family.help.translate(_QUOTED if open_metrics else _TEXT_HELP)
    lines = f"# HELP {name} {text}\n# TYPE {name} {family.type}\n"
    if open_metrics and family.unit:
        lines += f"# UNIT {name} {family.unit}\n"
    return lines.encode()


def histogram_lines(name: str, labels: str, bounds: Sequence[float], counts: Sequence[float], total: float) -> str:
    """The samples of one histogram series.

    Args:
        name: the family's name.
        labels: its label block, not empty.
        bounds: the upper bounds, `+Inf` left out.
        counts: observations in each bucket (not cumulative), that of `+Inf` last.
        total: the sum of the observed values.
    """
    lines, seen = [], 0.0
    for bound, count in zip((*map(number, bounds), "+Inf"), counts, strict=True):
        seen += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {number(seen)}\n')
    lines.append(f"{name}_sum{{{labels}}} {number(total)}\n")
    lines.append(f"{name}_count{{{labels}}} {number(seen)}\n")
    return "".join(lines)
