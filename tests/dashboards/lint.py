"""Static rules for the dashboards: those of grafana/dashboard-linter, and ours.

The linter's rules on Loki do not apply. Its rule on `instance` is replaced: the exporter is one process, and what a
person chooses is the source, the room, the session and the peer. Its rules for some panel types hold for all of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.dashboards.lint_board import BOARD_RULES
from tests.dashboards.lint_panels import PANEL_RULES
from tests.dashboards.lint_queries import QUERY_RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.dashboards.grafana import Json


class Exemption(NamedTuple):
    """A finding that is right and is left as it is."""

    #: How the finding begins: `rule: place`.
    finding: str
    reason: str


#: None is needed so far. One that no finding needs is a finding itself.
EXEMPTIONS: Final[dict[str, tuple[Exemption, ...]]] = {}


def findings(
    board: Json,
    boards: Mapping[str, Json],
    exemptions: Mapping[str, tuple[Exemption, ...]] = EXEMPTIONS,
) -> list[str]:
    """What is wrong with a dashboard.

    Args:
        board: the dashboard.
        boards: all dashboards of the family by uid, for links between them.
        exemptions: what is left as it is, by uid of the board.

    Returns:
        A line for each finding: `rule: place: what is wrong`.
    """
    rules = {**BOARD_RULES, **PANEL_RULES, **QUERY_RULES}
    found = [f"{name}: {text}" for name, rule in rules.items() for text in rule(board, boards)]
    for exemption in exemptions.get(board.get("uid", ""), ()):
        kept = [text for text in found if not text.startswith(exemption.finding)]
        if len(kept) == len(found):
            kept.append(f"exemption: {exemption.finding}: no finding needs it any more")
        found = kept
    return found
