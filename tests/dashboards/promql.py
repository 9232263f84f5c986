"""What a PromQL expression reads and which labels its result can have, from its syntax tree and the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import promql_parser as promql
import yaml

from exporter.metrics.catalogue import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.metrics.family import Family

#: What Prometheus adds to what it scrapes.
SCRAPE_LABELS: Final = frozenset({"job", "instance"})

_FAMILIES: Final = {family.name: family for family in FAMILIES}
_RULES: Final = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules" / "recording.yaml"
#: What the shipped recording rules make. A board that reads one must do without it too.
RECORDED: Final = frozenset(
    rule["record"] for group in yaml.safe_load(_RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
)


class QueryError(ValueError):
    """The expression cannot be right: an unknown metric, or a label that its operand cannot have."""


class Selection(NamedTuple):
    """A selector and the nodes around it, the outermost first."""

    selector: promql.VectorSelector
    around: tuple[promql.Expr, ...]


def family_of(name: str) -> tuple[Family, bool]:
    """The family that has such a series, and whether the series is one of its buckets.

    Raises:
        QueryError: there is none.
    """
    family = _FAMILIES.get(name)
    if family is not None and family.type != "histogram":
        return family, False
    base, _, suffix = name.rpartition("_")
    family = _FAMILIES.get(base)
    if family is not None and family.type == "histogram" and suffix in {"bucket", "sum", "count"}:
        return family, suffix == "bucket"
    msg = f"{name} is no metric of the catalogue"
    raise QueryError(msg)


def selections(node: promql.Expr, around: tuple[promql.Expr, ...] = ()) -> Iterator[Selection]:
    """Every selector of an expression."""
    if isinstance(node, promql.VectorSelector):
        yield Selection(node, around)
    for child in _children(node):
        yield from selections(child, (*around, node))


def labels(node: promql.Expr) -> frozenset[str]:
    """The labels that the result can have.

    Raises:
        QueryError: a metric or a label is asked for that does not exist there.
    """
    match node:
        case promql.VectorSelector():
            return _selector_labels(node)
        case promql.AggregateExpr():
            return _aggregate_labels(node)
        case promql.BinaryExpr():
            return _binary_labels(node)
        case promql.Call():
            return _call_labels(node)
        case _:
            return frozenset().union(*(labels(child) for child in _children(node)))


def _children(node: promql.Expr) -> Iterator[promql.Expr]:
    for attribute in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(node, attribute, None)
        if isinstance(child, promql.Expr):
            yield child
    yield from getattr(node, "args", None) or []


def _selector_labels(node: promql.VectorSelector) -> frozenset[str]:
    if node.name in RECORDED:
        # Only used whole, so that its labels do not matter.
        return frozenset()
    if node.name is None:
        return _labels_of_any(node)
    family, bucket = family_of(node.name)
    known = frozenset(family.labels) | SCRAPE_LABELS | ({"le"} if bucket else frozenset())
    _require(known, (matcher.name for matcher in node.matchers.matchers), node)
    return known


def _labels_of_any(node: promql.VectorSelector) -> frozenset[str]:
    """The labels that all metrics of a selector without a name of its own have (`{__name__=~"a|b"}`)."""
    matchers = [matcher for matcher in node.matchers.matchers if matcher.name != "__name__"]
    names = [matcher.value for matcher in node.matchers.matchers if matcher.name == "__name__"]
    _require(frozenset({"__name__"} if names else ()), ["__name__"], node)
    shared = [frozenset(family_of(name)[0].labels) for text in names for name in text.split("|")]
    known = frozenset.intersection(*shared) | SCRAPE_LABELS
    _require(known, (matcher.name for matcher in matchers), node)
    return known


def _aggregate_labels(node: promql.AggregateExpr) -> frozenset[str]:
    inner = labels(node.expr)
    if node.modifier is None:
        return inner if str(node.op) in {"topk", "bottomk"} else frozenset()
    named = frozenset(node.modifier.labels)
    _require(inner, named, node)
    if str(node.op) in {"topk", "bottomk"}:
        return inner
    return named if node.modifier.type == promql.AggModifierType.By else inner - named


def _binary_labels(node: promql.BinaryExpr) -> frozenset[str]:
    left, right = labels(node.lhs), labels(node.rhs)
    modifier = node.modifier
    if modifier is not None and modifier.matching is not None:
        _require(left, modifier.matching.labels, node)
        _require(right, modifier.matching.labels, node)
    if _is_scalar(node.lhs):
        return right
    # `group_left` and `group_right` bring labels along.
    brought = frozenset(modifier.group_labels or ()) if modifier is not None else frozenset[str]()
    return left | right if str(node.op) == "or" else left | brought


def _is_scalar(node: promql.Expr) -> bool:
    return isinstance(node, promql.NumberLiteral) or (isinstance(node, promql.Call) and node.func.name == "time")


def _call_labels(node: promql.Call) -> frozenset[str]:
    texts = [argument.val for argument in node.args if isinstance(argument, promql.StringLiteral)]
    inner = frozenset[str]().union(*(labels(argument) for argument in node.args))
    if node.func.name == "label_replace":
        target, _, source, _ = texts
        _require(inner, [source] if source else [], node)
        return inner | {target}
    if node.func.name == "label_join":
        target, _, *sources = texts
        _require(inner, sources, node)
        return inner | {target}
    return inner - {"le"} if node.func.name == "histogram_quantile" else inner


def _require(known: frozenset[str], wanted: Iterable[str], node: promql.Expr) -> None:
    missing = sorted(set(wanted) - known)
    if missing:
        msg = f"label {missing[0]} is not there: {node.prettify()[:160]}"
        raise QueryError(msg)
