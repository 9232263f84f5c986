"""What holds of any page of `/metrics`, whatever it tells: section 10 of the metric contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from math import isnan
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import Metric
    from prometheus_client.samples import Sample

    Parser: TypeAlias = Callable[[str], Iterable[Metric]]

# prometheus_client does not type one of the two.
_parse_openmetrics: Parser = parse_openmetrics
_parse_text: Parser = parse_text

_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_METADATA = re.compile(r"# (HELP|TYPE|UNIT) ([^ ]+)(?: (.*))?")
_SAMPLE_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NEVER = frozenset({"job", "instance", "region", "quantile"})
_SUFFIXES = {
    "histogram": ("_bucket", "_sum", "_count"),
    "counter": ("_total",),
    "summary": ("_sum", "_count", ""),
    "info": ("_info",),
}
_UNITS = ("seconds", "bytes", "ratio", "bytes_per_second")
#: Values of these change from one request to the next.
_VOLATILE = ("process_", "python_", "webrtc_exporter_")
#: How OpenMetrics calls what text 0.0.4 has no word for.
_TYPES = {"unknown": "untyped", "info": "gauge", "stateset": "gauge"}


def check_exposition(text_body: str, om_body: str) -> None:
    """Checks one page in both of its forms, best rendered at the same moment.

    Values of `process_`, `python_` and `webrtc_exporter_` families may differ between the two.

    Raises:
        AssertionError: what is wrong and where, one finding a line.
    """
    text, text_findings = _read(text_body, openmetrics=False)
    openmetrics, om_findings = _read(om_body, openmetrics=True)
    findings = [f"text: {line}" for line in text_findings] + [f"openmetrics: {line}" for line in om_findings]
    if not findings:
        findings = _form_differences(text, openmetrics)
    findings += [f"promtool: {line}" for line in promtool_findings(text_body)]
    if findings:
        raise AssertionError("\n".join(findings))


def page_findings(body: str, *, openmetrics: bool) -> list[str]:
    """What is wrong with one form of a page by itself."""
    return _read(body, openmetrics=openmetrics)[1]


def _read(body: str, *, openmetrics: bool) -> tuple[list[Metric], list[str]]:
    """The families of one form of a page, and what is wrong with it by itself."""
    findings = _line_findings(body, openmetrics=openmetrics)
    parser = _parse_openmetrics if openmetrics else _parse_text
    try:
        families = list(parser(body))
    except Exception as error:  # noqa: BLE001 - the parsers raise whatever their lines happen to meet
        return [], [*findings, f"not accepted by the parser: {error!r}"]
    seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    for family in families:
        for sample in family.samples:
            series = sample.name, frozenset(sample.labels.items())
            if series in seen:
                findings.append(f"{_series(sample)} stands twice")
            seen.add(series)
            findings += _sample_findings(family, sample)
        findings += _family_findings(family)
    return families, findings


def promtool_findings(text_body: str) -> list[str]:
    """What `promtool check metrics` has to say; nothing where it is not installed, save in CI."""
    if shutil.which("promtool") is None:
        return ["not on PATH"] if os.environ.get("CI") == "true" else []
    result = subprocess.run(
        ["promtool", "check", "metrics"], input=text_body.encode(), capture_output=True, timeout=60, check=False
    )
    said = (result.stdout + result.stderr).decode(errors="replace").strip()
    return said.split("\n") if said else [f"exit code {result.returncode}"] if result.returncode else []


def _line_findings(body: str, *, openmetrics: bool) -> list[str]:
    """What a parser would forgive: metadata that stands twice or late, and families in pieces."""
    findings = _end_findings(body, openmetrics=openmetrics)
    types: dict[str, str] = {}
    metadata: set[tuple[str, str]] = set()
    finished: set[str] = set()
    current = ""
    lines = body.removesuffix("# EOF\n" if openmetrics else "").split("\n")[:-1]
    for number, line in enumerate(lines, start=1):
        match = _METADATA.fullmatch(line)
        if match is None and line.startswith("#"):
            findings.append(f"line {number}: a comment: {line}")
            continue
        if match is not None:
            keyword, family = match[1], match[2]
            if (keyword, family) in metadata:
                findings.append(f"line {number}: {keyword} of {family} stands twice")
            metadata.add((keyword, family))
            if keyword == "TYPE":
                types[family] = match[3] or ""
        else:
            name_match = _SAMPLE_NAME.match(line)
            name = name_match[0] if name_match else line
            family = _family_of(name, types, openmetrics=openmetrics)
        if family != current:
            if family in finished:
                findings.append(f"line {number}: {family} is not in one block")
            finished.add(current)
            current = family
        if match is None:
            findings += [
                f"line {number}: a sample of {family} without {keyword} before it"
                for keyword in ("HELP", "TYPE")
                if (keyword, family) not in metadata
            ]
    return [*findings, *_unit_findings(types, metadata)] if openmetrics else findings


def _end_findings(body: str, *, openmetrics: bool) -> list[str]:
    end = "# EOF\n" if openmetrics else "\n"
    return [] if body.endswith(end) else [f"the end is not {end!r}"]


def _unit_findings(types: dict[str, str], metadata: set[tuple[str, str]]) -> list[str]:
    return [
        f"{family} has no UNIT"
        for family in types
        if family.startswith("webrtc_")
        and any(family.endswith(f"_{unit}") for unit in _UNITS)
        and ("UNIT", family) not in metadata
    ]


def _family_of(name: str, types: dict[str, str], *, openmetrics: bool) -> str:
    if not openmetrics and name in types:
        return name
    for suffix in ("", *sorted({suffix for suffixes in _SUFFIXES.values() for suffix in suffixes if suffix})):
        family = name.removesuffix(suffix)
        if name == family + suffix and suffix in _SUFFIXES.get(types.get(family, ""), ("",) if family in types else ()):
            return family
    return name


def _sample_findings(family: Metric, sample: Sample) -> list[str]:
    findings = []
    if sample.timestamp is not None:
        findings.append(f"{_series(sample)} has a timestamp")
    if sample.name.endswith("_created"):
        findings.append(f"{_series(sample)} is a creation time")
    for label in sample.labels:
        bad = (
            not _LABEL_NAME.fullmatch(label)
            or label in _NEVER
            or (label == "le" and not (family.type == "histogram" and sample.name.endswith("_bucket")))
            or (label == "type" and sample.name != "webrtc_exporter_source_info")
        )
        if bad:
            findings.append(f"{_series(sample)} has the label {label}")
    if isnan(sample.value) and sample.name.startswith("webrtc_"):
        findings.append(f"{_series(sample)} is NaN")
    return findings


def _family_findings(family: Metric) -> list[str]:
    findings = []
    names = {tuple(name for name in sample.labels if name != "le") for sample in family.samples}
    if family.name.startswith("webrtc_") and len(names) > 1:
        findings.append(f"{family.name} has more than one set or order of labels: {sorted(names)}")
    if family.type == "histogram":
        findings += _histogram_findings(family)
    return findings


def _histogram_findings(family: Metric) -> list[str]:
    findings = []
    buckets: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
    parts: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for sample in family.samples:
        labels = frozenset(pair for pair in sample.labels.items() if pair[0] != "le")
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(sample.labels.get("le", "nan")), sample.value))
        else:
            parts[sample.name.removeprefix(family.name), labels] = sample.value
            buckets.setdefault(labels, [])
    for labels, steps in buckets.items():
        series = f"{family.name}{dict(sorted(labels))}"
        if steps != sorted(steps) or [count for _, count in steps] != sorted(count for _, count in steps):
            findings.append(f"{series}: the buckets do not rise")
        if not steps or steps[-1][0] != float("inf") or steps[-1][1] != parts.get(("_count", labels)):
            findings.append(f"{series}: the last bucket is not the count")
        if ("_sum", labels) not in parts:
            findings.append(f"{series}: no sum")
    return findings


def _form_differences(text_families: Iterable[Metric], om_families: Iterable[Metric]) -> list[str]:
    text, openmetrics = _content(text_families), _content(om_families)
    findings = []
    for name in sorted(text.keys() | openmetrics.keys()):
        if name not in text or name not in openmetrics:
            form = "openmetrics" if name in openmetrics else "text"
            findings.append(f"{name} stands only in the {form} form")
            continue
        (kind, help_text, samples), (om_kind, om_help, om_samples) = text[name], openmetrics[name]
        if kind != om_kind or help_text != om_help:
            findings.append(f"{name}: {kind} {help_text!r} in the text form, {om_kind} {om_help!r} in the other")
        if name.startswith(_VOLATILE):
            continue
        differing = (pair for pair in samples.items() ^ om_samples.items() if not isnan(pair[1]))
        findings += sorted({f"{key[0]}{dict(sorted(key[1]))} differs between the forms" for key, _ in differing})
    return findings


_Samples: TypeAlias = "dict[tuple[str, frozenset[tuple[str, str]]], float]"


def _content(families: Iterable[Metric]) -> dict[str, tuple[str, str, _Samples]]:
    content: dict[str, tuple[str, str, _Samples]] = {}
    for family in families:
        name = family.name.removesuffix("_info")
        samples = {(s.name, frozenset(s.labels.items())): float(s.value) for s in family.samples}
        content[name] = _TYPES.get(family.type, family.type), family.documentation, samples
    return content


def _series(sample: Sample) -> str:
    return f"{sample.name}{dict(sorted(sample.labels.items()))}"
