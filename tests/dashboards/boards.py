"""The committed dashboards, and what a checker needs to run tools on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dashboards
from tests.dashboards.grafana import built_in, insert, variables
from tests.dashboards.lint_queries import targets

if TYPE_CHECKING:
    from tests.dashboards.grafana import Json

FOLDER: Final = Path(dashboards.__file__).parent


def committed() -> dict[str, Json]:
    """The committed dashboards by uid."""
    return {board["uid"]: board for board in map(read, sorted(FOLDER.glob("*.json")))}


def read(file: Path) -> Json:
    """One dashboard."""
    board: dict[str, Any] = json.loads(file.read_bytes())
    return board


def as_rules(board: Json) -> str:
    """Every query as a recording rule, for `promtool check rules`: JSON is YAML as well."""
    values = {**dict.fromkeys(variables(board), "x"), **built_in(0, 3_600, 15)}
    rules = [
        {"record": f"checked:panel_{target.panel['id']}:{target.target['refId']}", "expr": insert(expression, values)}
        for target in targets(board)
        if (expression := target.target["expr"])
    ]
    return json.dumps({"groups": [{"name": board["uid"], "rules": rules}]})
