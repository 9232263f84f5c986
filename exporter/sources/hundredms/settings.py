"""The configuration of a 100ms source."""

from __future__ import annotations

from itertools import pairwise
from urllib.parse import urlsplit

from msgspec import Struct

from exporter.config_rules import Broken, exactly_one, within
from exporter.model import PersonalLabel
from exporter.sources.push import PushSettings
from exporter.values import Duration, Secret, Url

#: More requests in flight make httpx slower, not faster, and vendors angry.
_MOST_CONCURRENCY = 10
#: The vendor says of its analytics that they go back so far.
LONGEST_CATCH_UP_SECONDS = 30 * 86_400.0

#: What comes later would be taken for something that was counted long ago.
_LONGEST_WAIT_SECONDS = 10 * 86_400.0
#: What grew later would not be counted any more.
_LONGEST_RECHECK_SECONDS = 7 * 86_400.0


class Auth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the exporter shows who it is: with a management token, or with tokens that it signs itself."""

    management_token: Secret | None = None
    #: Read again when it changes and when the vendor refuses the token.
    management_token_file: str | None = None
    access_key: str | None = None
    app_secret: Secret | None = None
    app_secret_file: str | None = None

    def problems(self) -> list[Broken]:
        """Names what is wrong with the choice of one way out of three."""
        tokens = (self.management_token is not None) + (self.management_token_file is not None)
        secrets = (self.app_secret is not None) + (self.app_secret_file is not None)
        signing = self.access_key is not None or secrets > 0
        if tokens + signing != 1:
            return [
                ("", "expected one of `management_token`, `management_token_file` and `access_key` with `app_secret`")
            ]
        if not signing:
            return []
        found = exactly_one(app_secret=self.app_secret, app_secret_file=self.app_secret_file)
        if not self.access_key:
            found.append(("access_key", "expected the access key that belongs to the app secret"))
        return found


class FixedSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Peers of one session that are asked for without being discovered."""

    session_id: str
    peer_ids: tuple[str, ...]
    #: Where it is not given it is taken from the answers.
    room_id: str = ""


class Discovery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How finished sessions are found."""

    poll_interval: Duration = Duration(60)
    #: Sessions are listed that started at most this long ago; none are listed where it is 0.
    lookback: Duration = Duration(14 * 3600)
    #: Sessions that were missed in a downtime are listed up to this long ago, once; 0: up to the look-back.
    catch_up: Duration = Duration(LONGEST_CATCH_UP_SECONDS)
    #: Only these rooms; all where it is empty.
    rooms: tuple[str, ...] = ()
    #: Peers of these roles are recorders and other machines: neither asked for nor counted.
    exclude_roles: tuple[str, ...] = ("__internal_recorder",)
    sessions: tuple[FixedSession, ...] = ()
    #: Labels of `webrtc_peer_info` that tell who somebody is; what is not named here is not even read.
    personal_labels: tuple[PersonalLabel, ...] = ()

    def problems(self) -> list[Broken]:
        """Names what would never find anything."""
        found = []
        if self.catch_up > LONGEST_CATCH_UP_SECONDS:
            message = f"expected at most {Duration(LONGEST_CATCH_UP_SECONDS)}, got {self.catch_up}"
            found.append(("catch_up", message))
        found += [
            (f"personal_labels[{index}]", f"`{label}` stands here twice")
            for index, label in enumerate(self.personal_labels)
            if index != self.personal_labels.index(label)
        ]
        found += [
            (f"rooms[{index}]", "expected a room id, not an empty text")
            for index, room in enumerate(self.rooms)
            if not room
        ]
        for index, session in enumerate(self.sessions):
            if not session.session_id:
                found.append((f"sessions[{index}].session_id", "expected a text that is not empty"))
            if not session.peer_ids or not all(session.peer_ids):
                found.append((f"sessions[{index}].peer_ids", "expected at least one peer id, none empty"))
        return found


class PeerStats(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the statistics of peers are asked for. Durations count from the session's end."""

    concurrency: int = 4
    #: For all calls of the source, evenly spaced.
    requests_per_second: float = 10.0
    settle_delay: Duration = Duration(300)
    recheck_after: tuple[Duration, ...] = (Duration(3600), Duration(86400))
    give_up_after: Duration = Duration(48 * 3600)
    #: 0: all.
    max_peers_per_session: int = 0

    def problems(self) -> list[Broken]:
        """Names numbers out of range and times out of order."""
        found = []
        if not 1 <= self.concurrency <= _MOST_CONCURRENCY:
            message = f"expected 1 to {_MOST_CONCURRENCY}, got {self.concurrency}"
            found.append(("concurrency", message))
        if not 0 < self.requests_per_second < float("inf"):
            message = f"expected a number above 0, got {self.requests_per_second}"
            found.append(("requests_per_second", message))
        if self.give_up_after > _LONGEST_WAIT_SECONDS:
            message = f"expected at most {Duration(_LONGEST_WAIT_SECONDS)}, got {self.give_up_after}"
            found.append(("give_up_after", message))
        if any(wait > _LONGEST_RECHECK_SECONDS for wait in self.recheck_after):
            message = f"expected at most {Duration(_LONGEST_RECHECK_SECONDS)} each, got {max(self.recheck_after)}"
            found.append(("recheck_after", message))
        if any(later <= earlier for earlier, later in pairwise(self.recheck_after)):
            found.append(("recheck_after", "expected ascending durations, such as [1h, 24h]"))
        if self.max_peers_per_session < 0:
            message = f"expected 0 (all) or more, got {self.max_peers_per_session}"
            found.append(("max_peers_per_session", message))
        return found


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller of `POST /webhooks/NAME` has to show."""

    header: str = "X-Webhook-Secret"
    secret: Secret | None = None
    secret_file: str | None = None

    def problems(self) -> list[Broken]:
        """Names a missing header or secret."""
        found = []
        if not self.header:
            found.append(("header", "expected the name of a header"))
        return found + exactly_one(secret=self.secret, secret_file=self.secret_file)


class HundredMsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source of type `100ms`."""

    name: str = "100ms"
    base_url: Url = Url("https://api.100ms.live/v2")
    auth: Auth = Auth()
    discovery: Discovery = Discovery()
    peer_stats: PeerStats = PeerStats()
    webhook: Webhook | None = None
    push: PushSettings | None = None

    @property
    def poll_seconds(self) -> float:
        """The time between the starts of two polls."""
        return float(self.discovery.poll_interval)

    @property
    def keys_as_labels(self) -> tuple[str, ...]:
        """The vendor's peers have no keys of the application's own."""
        return ()

    @property
    def max_key_values(self) -> int:
        """No keys, no values."""
        return 0

    def problems(self) -> list[Broken]:
        """Names each mistake that no single value shows, as its place in this source and what was expected there."""
        url = urlsplit(self.base_url.reveal())
        found = []
        if "@" in url.netloc:
            found.append(("base_url", "expected no user or password in the URL; they belong into `auth`"))
        if url.query or url.fragment:
            found.append(("base_url", "expected a URL without `?` and `#`"))
        if not (self.discovery.lookback or self.discovery.sessions or self.webhook or self.push):
            found.append(("discovery", "expected a lookback above 0s or a list of sessions, or a `webhook` or `push`"))
        return [
            *found,
            *within("auth", self.auth),
            *within("discovery", self.discovery),
            *within("peer_stats", self.peer_stats),
            *within("webhook", self.webhook),
            *within("push", self.push),
        ]
