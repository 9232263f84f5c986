"""What is in force: the settings as YAML without secrets."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, cast

from msgspec import Struct
from msgspec.structs import fields

from exporter import config_yaml
from exporter.values import MASK, Duration, Secret, Url, mask_url

if TYPE_CHECKING:
    from collections.abc import Collection

    from exporter.settings import Settings

#: Keys of sources that hold values of a label; where that is a pseudonym they are nobody's business either.
_IDS = {"rooms": "room_id", "room_id": "room_id", "session_id": "session_id", "peer_ids": "peer_id"}

#: Names of free-form options, such as those of an object store, that hold secrets without being typed so.
_SECRET_NAME = re.compile(
    r"(?i)secret|token|passw|passphrase|credential|signature|salt|(?:^|_|-)(?:sas|pwd)(?:$|_|-)"
    r"|(?:access|account|api|private|shared|sas|encryption|master|storage)[_-]?key",
)


def effective(settings: Settings) -> str:
    """Writes the settings in force as YAML, defaults included, secrets masked. What is not set is left out."""
    chosen = settings.metrics.pseudonyms.labels if settings.metrics.pseudonyms else ()
    hidden = frozenset(key for key, label in _IDS.items() if label in chosen)
    parts = _keys(settings)
    del parts["source_types"]
    types = zip_longest(settings.sources, settings.source_types)
    parts["sources"] = [
        {"name": source.name, "type": kind, **_keys(cast("Struct", source), hidden)} for source, kind in types
    ]
    return config_yaml.dump(parts)


def _plain(value: object, key: str, hidden: Collection[str]) -> object:
    if isinstance(value, Struct):
        return _keys(value, hidden)
    if isinstance(value, dict):
        return {name: _plain(each, name, hidden) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each, key, hidden) for each in value]
    if isinstance(value, Secret | Url):
        return repr(value)
    if isinstance(value, str):
        is_secret = key in hidden or (_SECRET_NAME.search(key) and not key.endswith("_file"))
        return MASK if value and is_secret else mask_url(value)
    return str(value) if isinstance(value, Duration) else value


def _keys(part: Struct, hidden: Collection[str] = ()) -> dict[str, object]:
    values = {each.encode_name: getattr(part, each.name) for each in fields(part)}
    return {key: _plain(value, key, hidden) for key, value in values.items() if value is not None}
