"""The `remote_write` part of the configuration: each element as in Prometheus' own.

Source of keys and defaults: Prometheus' configuration, `<remote_write>`, as far as it makes sense for one sender.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from exporter.config_place import show
from exporter.config_rules import Broken, at_most_one, exactly_one, within
from exporter.values import Duration, Secret, Url

_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
#: RFC 9110, section 5.6.2.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What the protocol and the keys beside `headers` set.
_RESERVED_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-prometheus-remote-write-version",
    }
)


class BasicAuth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password of HTTP's basic scheme."""

    username: str = ""
    password: Secret | None = None
    password_file: str | None = None

    def problems(self) -> list[Broken]:
        """Names a password that is given twice."""
        return at_most_one(password=self.password, password_file=self.password_file)


class Authorization(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `Authorization` header: a type and its credentials."""

    type: str = "Bearer"
    credentials: Secret | None = None
    credentials_file: str | None = None

    def problems(self) -> list[Broken]:
        """Names credentials that are missing or given twice."""
        found = exactly_one(credentials=self.credentials, credentials_file=self.credentials_file)
        if self.type.lower() == "basic":
            found.append(("type", "expected another type than Basic; for that use `basic_auth`"))
        elif not _HEADER_NAME.fullmatch(self.type):
            found.append(("type", "expected a word such as `Bearer`"))
        return found


class TlsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the receiver's certificate is checked, and the sender's own."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS12"

    def problems(self) -> list[Broken]:
        """Names a certificate without its key, and a key without its certificate."""
        if (self.cert_file is None) == (self.key_file is None):
            return []
        given, absent = ("cert_file", "key_file") if self.key_file is None else ("key_file", "cert_file")
        return [(given, f"expected `{absent}` beside `{given}`")]


class QueueConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How what waits is sent.

    One connection with large requests is the default, unlike Prometheus': receivers store what comes late in order of
    arrival, and few large requests cost them least.
    """

    #: Samples that are read ahead of the connections.
    capacity: int = 20_000
    #: Connections at the same time: one, so that samples come in the order of their times. It is here so that it need
    #: not be taken out of a configuration that says so.
    max_shards: int = 1
    max_samples_per_send: int = 10_000
    batch_send_deadline: Duration = Duration(5)
    min_backoff: Duration = Duration(0.03)
    max_backoff: Duration = Duration(5)

    def problems(self) -> list[Broken]:
        """Names numbers out of range."""
        numbers = {
            "capacity": self.capacity,
            "max_shards": self.max_shards,
            "max_samples_per_send": self.max_samples_per_send,
        }
        found = [(key, f"expected at least 1, got {number}") for key, number in numbers.items() if number < 1]
        if self.max_shards > 1:
            found.append(("max_shards", f"expected 1: one request follows another here; got {self.max_shards}"))
        if not self.min_backoff:
            found.append(("min_backoff", "expected more than 0s, or a failing receiver would never be left in peace"))
        if self.max_backoff < self.min_backoff:
            message = f"expected at least `min_backoff` ({self.min_backoff}), got {self.max_backoff}"
            found.append(("max_backoff", message))
        return found


class RemoteWriteSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receiver of the true timeline."""

    url: Url
    #: Tells receivers apart in metrics and logs; empty: made of the URL.
    name: str = ""
    #: Header values may be secrets (a tenant's key), so they are kept as such.
    headers: dict[str, Secret] = {}
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    tls_config: TlsConfig = TlsConfig()
    queue_config: QueueConfig = QueueConfig()
    remote_timeout: Duration = Duration(30)
    #: Labels that every series gets beside its own.
    external_labels: dict[str, str] = {}
    #: Samples older than this are not sent, as the receiver would not take them; None: no limit.
    max_sample_age: Duration | None = None

    @property
    def label(self) -> str:
        """What it is known by, in metrics and in the state: its name, else what the URL says without its secrets."""
        if self.name:
            return self.name
        parts = urlsplit(self.url.reveal())
        address = f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"
        return f"{parts.hostname}-{blake2b(address.encode(), digest_size=3).hexdigest()}"

    def problems(self) -> list[Broken]:
        """Names each mistake that no single value shows, as its place in this element and what was expected there."""
        found = [
            *_header_problems(self.headers),
            *within("basic_auth", self.basic_auth),
            *within("authorization", self.authorization),
            *within("tls_config", self.tls_config),
            *within("queue_config", self.queue_config),
        ]
        if self.basic_auth and self.authorization:
            found.append(("authorization", "expected one of `basic_auth` and `authorization`, not both"))
        if not self.remote_timeout:
            found.append(("remote_timeout", "expected more than 0s"))
        for name in self.external_labels:
            if not _LABEL_NAME.fullmatch(name):
                message = "expected a label name: letters, digits and `_`, no digit and no `__` at its start"
                found.append((show(("external_labels", name)), message))
        return found


def _header_problems(headers: dict[str, Secret]) -> list[Broken]:
    found = []
    for name in headers:
        if not _HEADER_NAME.fullmatch(name):
            found.append((show(("headers", name)), "expected the name of an HTTP header"))
        elif name.lower() in _RESERVED_HEADERS:
            found.append((show(("headers", name)), "expected another header; this one is set by the exporter"))
    return found
