"""Two vendors that exist only in the tests of the configuration, with settings as real vendors have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from exporter.config_rules import Broken, exactly_one, within
from exporter.sources.base import SourceType
from exporter.values import Duration, Secret

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from exporter.sources.base import Source

FAMILIES = frozenset({"webrtc_peer_session_mos", "webrtc_sample_jitter_seconds"})


class Call(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One element of a list of mappings."""

    id: str
    peers: tuple[str, ...] = ()


class Hook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part with a rule between its keys."""

    header: str = "X-Secret"
    secret: Secret | None = None
    secret_file: str | None = None

    def problems(self) -> list[Broken]:
        """Names a secret that is missing or given twice."""
        return exactly_one(secret=self.secret, secret_file=self.secret_file)


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part whose rule compares two keys."""

    least: Duration = Duration(1)
    most: Duration = Duration(60)
    concurrency: Annotated[int, Meta(ge=1, le=10)] = 4
    rate: Annotated[float, Meta(gt=0)] = 10.0

    def problems(self) -> list[Broken]:
        """Names limits out of order."""
        return (
            [("most", f"expected at least `least` ({self.least}), got {self.most}")] if self.most < self.least else []
        )


class AskSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vendor that is asked."""

    name: str
    base_url: str = "https://ask.example"
    mode: Literal["fast", "thorough"] = "thorough"
    token: Secret | None = None
    token_file: str | None = None
    poll_interval: Duration = Duration(60)
    limits: Limits = Limits()
    calls: tuple[Call, ...] = ()
    recheck_after: Annotated[tuple[Duration, ...], Meta(max_length=3)] = (Duration(3600),)
    webhook: Hook | None = None

    @property
    def poll_seconds(self) -> float:
        """As every vendor has it."""
        return float(self.poll_interval)

    @property
    def keys_as_labels(self) -> tuple[str, ...]:
        """As every vendor has it."""
        return ()

    @property
    def max_key_values(self) -> int:
        """As every vendor has it."""
        return 100

    def problems(self) -> list[Broken]:
        """Names what is wrong between keys."""
        found = exactly_one(token=self.token, token_file=self.token_file)
        found += within("limits", self.limits) + within("webhook", self.webhook)
        found += [
            (f"calls[{index}].peers", "expected at least one peer")
            for index, call in enumerate(self.calls)
            if not call.peers
        ]
        return found


class ReadSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vendor whose files are read."""

    name: str = "read"
    url: str
    options: dict[str, str] = {}
    keys_as_labels: tuple[str, ...] = ()
    poll_interval: Duration = Duration(60)
    push: Hook | None = None

    @property
    def poll_seconds(self) -> float:
        """As every vendor has it."""
        return float(self.poll_interval)

    @property
    def max_key_values(self) -> int:
        """As every vendor has it."""
        return 100

    def problems(self) -> list[Broken]:
        """Names a missing URL."""
        empty = [] if self.url else [("url", "expected text that is not empty")]
        return empty + within("push", self.push)


def _never_opened(*_: object) -> AbstractAsyncContextManager[Source]:
    """The configuration opens no source."""
    raise AssertionError


VENDORS = {
    "ask": SourceType(name="ask", settings=AskSettings, open=_never_opened),
    "read": SourceType(name="read", settings=ReadSettings, open=_never_opened),
}
