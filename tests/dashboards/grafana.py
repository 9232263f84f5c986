"""What Grafana does with a dashboard's JSON, as far as the checks need it: panels, variables and their insertion.

The rules of insertion are those of Grafana's Prometheus data source: a variable that may have several values is escaped
for a regular expression, the others for a string; the value for "all" goes in as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json: TypeAlias = dict[str, Any]

#: `$name`, `${name}`, `${name:format}`, `[[name]]`.
REFERENCE: Final = re.compile(r"\$(\w+)|\$\{([^}:]+)(?::[^}]+)?\}|\[\[([^\]:]+)(?::\w+)?\]\]")
_SPECIAL: Final = re.compile(r"[\\^$*{}\[\]'+?.()|]")
_SCRAPE_SECONDS: Final = 15
_POINTS: Final = 1_000


def panels(dashboard: Json) -> Iterator[Json]:
    """Every panel, rows and those inside collapsed rows included."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels") or []


def charts(dashboard: Json) -> Iterator[Json]:
    """The panels that show data."""
    return (panel for panel in panels(dashboard) if panel["type"] not in {"row", "text"})


def variables(dashboard: Json) -> dict[str, Json]:
    """The variables by name, in their order."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def variable_query(variable: Json) -> str:
    """The text of a query variable, whichever of the two forms it has."""
    query = variable["query"]
    return str(query["query"] if isinstance(query, dict) else query)


def label_values(query: str) -> tuple[str | None, str] | None:
    """The selector and the label of a `label_values` query."""
    match = re.fullmatch(r"label_values\((?:(.+),\s*)?(\w+)\)", query)
    return (match[1], match[2]) if match else None


def query_result(query: str) -> str | None:
    """The expression of a `query_result` query."""
    match = re.fullmatch(r"query_result\((.+)\)", query)
    return match[1] if match else None


def as_option(series: Json) -> str:
    """The text that Grafana makes of a series of a `query_result`, for the variable's regular expression to read."""
    told = ",".join(f'{label}="{value}"' for label, value in series["metric"].items() if label != "__name__")
    at, value = series["value"]
    return f"{series['metric'].get('__name__', '')}{{{told}}} {value} {1_000 * at:.0f}"


def options_kept(variable: Json, texts: Sequence[str]) -> list[str]:
    """What the variable's regular expression, `/.../`, leaves of each text; all of it where there is none."""
    pattern = (variable.get("regex") or "/(.*)/").strip("/")
    return list(dict.fromkeys(match[1] for text in texts if (match := re.search(pattern, text))))


def references(text: str) -> Iterator[str]:
    """The names of the variables in a text, without the fields that follow them."""
    for match in REFERENCE.finditer(text):
        name = (match[1] or match[2] or match[3]).split(".")[0]
        # `$1` stands for a group of label_replace().
        if not name.isdigit():
            yield name


def insert(text: str, values: Mapping[str, str]) -> str:
    """Puts values in the place of the variables; what is not known stays."""

    def value(match: re.Match[str]) -> str:
        return values.get(match[1] or match[2] or match[3], match[0])

    return REFERENCE.sub(value, text)


def quoted(variable: Json, chosen: Sequence[str]) -> str:
    """The chosen values as they stand in a query."""
    if not (variable.get("multi") or variable.get("includeAll")):
        return chosen[0].replace("\\", "\\\\").replace('"', '\\"')
    escaped = [_SPECIAL.sub(_escaped, value) for value in chosen]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _escaped(match: re.Match[str]) -> str:
    # Escaped for the regular expression, and that once more for the string that it stands in.
    return "\\\\" + match[0].replace("\\", "\\\\")


def step_seconds(span: float, panel: Json) -> int:
    """The step of a panel's range query: its own least one, the scrape interval, or a point for each pixel."""
    least = parse_seconds(panel["interval"]) if panel.get("interval") else _SCRAPE_SECONDS
    return max(least, round(span / (panel.get("maxDataPoints") or _POINTS)), 1)


def parse_seconds(duration: str) -> int:
    """Seconds of a duration of one unit."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[duration[-1]]


def built_in(start: float, end: float, step: int) -> dict[str, str]:
    """Grafana's own variables for a time range and a step."""
    span, rate = round(end - start), max(step + _SCRAPE_SECONDS, 4 * _SCRAPE_SECONDS)
    return {
        "__interval": f"{step}s",
        "__interval_ms": f"{step * 1000}",
        "__rate_interval": f"{rate}s",
        "__range": f"{span}s",
        "__range_s": f"{span}",
        "__range_ms": f"{span * 1000}",
    }
