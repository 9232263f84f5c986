"""The file of `--web.config.file`, read, checked and settled into what the server works with."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from exporter.config_place import Place, show
from exporter.config_schema import convert
from exporter.config_yaml import Document, Finding, YamlError, read
from exporter.values import Secret
from exporter.web.basic_auth import Users
from exporter.web.tls import TlsServer, short_address
from exporter.web.web_config_file import (
    CIPHERS,
    CURVES,
    LEAST_VERSIONS,
    MOST_VERSIONS,
    VERIFY_MODES,
    TlsSection,
    WebConfigFile,
    broken_rules,
)


class WebConfigError(Exception):
    """The file cannot be used; the text has one line for each mistake, `file:line: key: message`."""


class RateLimit(Struct, frozen=True):
    """A token bucket for all requests together."""

    #: Seconds in which one token comes back.
    interval: float
    #: The most requests at once.
    burst: int


class WebConfig(Struct, frozen=True, kw_only=True):
    """What the file asks for."""

    #: None: plain HTTP.
    tls: TlsServer | None
    #: Set on each answer.
    headers: tuple[tuple[str, str], ...]
    #: None: nobody needs a password.
    users: Users | None
    rate_limit: RateLimit | None
    #: Whether the file says nothing at all.
    empty: bool


class Parsed(Struct, frozen=True):
    """A file that is right, and where its keys stand."""

    config: WebConfig
    path: Path
    document: Document

    def error(self, place: Place, message: str) -> WebConfigError:
        """Makes an error about a key."""
        return WebConfigError(_shown(self.path, Finding(self.document.line(place), place, message)))


def parse_web_config(path: Path) -> Parsed:
    """Reads and checks the file, and none of those that it names.

    Raises:
        WebConfigError: it cannot be read, or says what cannot be.
    """
    try:
        document = read(path.read_bytes())
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise WebConfigError(msg) from error
    except YamlError as error:
        msg = f"{path}:{error.line}: {error}"
        raise WebConfigError(msg) from error
    # A file without anything, or with comments only, asks for nothing.
    data = {} if document.data is None else document.data
    file, mistakes = convert(data, WebConfigFile, ())
    if file is not None and not mistakes:
        mistakes += broken_rules(file)
    findings = [Finding(document.line(mistake.place), mistake.place, mistake.message) for mistake in mistakes]
    findings += document.findings
    if file is None or findings:
        findings.sort(key=lambda finding: finding.line)
        raise WebConfigError("\n".join(_shown(path, finding) for finding in findings))
    return Parsed(_settle(file, path.parent, empty=not data), path, document)


def _shown(path: Path, finding: Finding) -> str:
    key = f"{show(finding.place)}: " if finding.place else ""
    return f"{path}:{finding.line}: {key}{finding.message}"


def _settle(file: WebConfigFile, folder: Path, *, empty: bool) -> WebConfig:
    hashes = {user: stored.reveal().encode() for user, stored in file.basic_auth_users.items()}
    limit = file.rate_limit
    return WebConfig(
        tls=_settle_tls(file.tls_server_config, folder),
        headers=tuple((name, value) for name, value in file.http_server_config.headers.items() if value),
        users=Users(hashes) if hashes else None,
        rate_limit=RateLimit(float(limit.interval), limit.burst) if limit.interval else None,
        empty=empty,
    )


def _settle_tls(tls: TlsSection, folder: Path) -> TlsServer | None:
    if tls == TlsSection():
        return None
    ciphers = tuple(CIPHERS[name] for name in tls.cipher_suites if name in CIPHERS)
    # Only suites of TLS 1.3 are named: nothing below may be agreed on.
    only_newest = bool(tls.cipher_suites) and not ciphers
    return TlsServer(
        cert_file=folder / tls.cert_file if tls.cert_file else None,
        key_file=folder / tls.key_file if tls.key_file else None,
        client_ca_file=folder / tls.client_ca_file if tls.client_ca_file else None,
        cert=tls.cert,
        key=Secret(tls.key),
        client_ca=tls.client_ca,
        verify_mode=VERIFY_MODES[tls.client_auth_type],
        client_allowed_sans=frozenset(short_address(name) for name in tls.client_allowed_sans),
        minimum_version=LEAST_VERSIONS["TLS13" if only_newest else tls.min_version],
        maximum_version=MOST_VERSIONS[tls.max_version],
        ciphers=ciphers,
        prefer_server_ciphers=tls.prefer_server_cipher_suites,
        curve=CURVES[tls.curve_preferences[0]] if tls.curve_preferences else "",
    )
