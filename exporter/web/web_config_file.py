"""exporter-toolkit's web configuration as it is written: the sections, the names of Go's crypto/tls, the rules.

Source: exporter-toolkit, docs/web-configuration.md. What Python's ssl cannot do is refused with a reason: a server must
not be less closed than its file says.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from exporter.config_schema import Mistake, one_of
from exporter.values import Duration, Secret
from exporter.web.basic_auth import is_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Version: TypeAlias = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
#: Nothing below 1.2 is spoken: it is off in today's OpenSSL, and a least version may be met by a higher one.
LEAST_VERSIONS: Final[Mapping[Version, ssl.TLSVersion]] = {
    "TLS10": ssl.TLSVersion.TLSv1_2,
    "TLS11": ssl.TLSVersion.TLSv1_2,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
MOST_VERSIONS: Final[Mapping[Version, ssl.TLSVersion]] = {
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
VERIFY_MODES: Final[Mapping[str, ssl.VerifyMode]] = {
    "NoClientCert": ssl.CERT_NONE,
    # Go asks for a certificate and looks at nothing in it: for who gets in, that is the same as not asking.
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED: Final = frozenset({"RequireAnyClientCert", "RequireClientCert"})
#: The suites of TLS 1.2 that Go calls secure, or did until 1.22 (crypto/tls.CipherSuites), by their name in OpenSSL.
CIPHERS: Final[Mapping[str, str]] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}
#: Always on with TLS 1.3, in Go as in Python.
TLS13_CIPHERS: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CURVES: Final[Mapping[str, str]] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
#: The headers that may be set, and the values of those that are enumerations.
HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}


class TlsSection(Struct, frozen=True, kw_only=True):
    """`tls_server_config`."""

    cert: str = ""
    key: str = ""
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: str = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    curve_preferences: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True


class HttpSection(Struct, frozen=True, kw_only=True):
    """`http_server_config`."""

    #: Taken and without effect: HTTP/1.1 is spoken.
    http2: bool = True
    #: None or empty: not set.
    headers: dict[str, str | None] = {}


class RateLimitSection(Struct, frozen=True, kw_only=True):
    """`rate_limit`."""

    #: In which one more request may come; 0: no limit.
    interval: Duration = Duration(0)
    burst: int = 0


class WebConfigFile(Struct, frozen=True, kw_only=True):
    """The whole file."""

    tls_server_config: TlsSection = TlsSection()
    http_server_config: HttpSection = HttpSection()
    basic_auth_users: dict[str, Secret] = {}
    rate_limit: RateLimitSection = RateLimitSection()


def broken_rules(file: WebConfigFile) -> Iterator[Mistake]:
    """Finds what each value for itself does not show."""
    yield from _within("tls_server_config", _tls_rules(file.tls_server_config))
    yield from _within("http_server_config", _header_rules(file.http_server_config.headers))
    yield from _within("basic_auth_users", _user_rules(file.basic_auth_users))
    if file.rate_limit.interval and file.rate_limit.burst < 1:
        yield Mistake(("rate_limit", "burst"), "expected 1 or more: no request would ever be answered")


def _within(section: str, mistakes: Iterator[Mistake]) -> Iterator[Mistake]:
    return (Mistake((section, *mistake.place), mistake.message) for mistake in mistakes)


def _tls_rules(tls: TlsSection) -> Iterator[Mistake]:
    if tls == TlsSection():
        return
    # A section without a certificate would be plain HTTP, against what its author must have meant.
    for option, file, inline in (
        ("cert", tls.cert_file, tls.cert),
        ("key", tls.key_file, tls.key),
        ("client_ca", tls.client_ca_file, tls.client_ca),
    ):
        if file and inline:
            yield Mistake((option,), f"expected one of `{option}` and `{option}_file`, got both")
        if not file and not inline and option != "client_ca":
            yield Mistake((f"{option}_file",), f"missing; expected `{option}_file` or `{option}`")
    yield from _client_rules(tls)
    yield from _agreement_rules(tls)


def _client_rules(tls: TlsSection) -> Iterator[Mistake]:
    verify = VERIFY_MODES.get(tls.client_auth_type)
    if verify is None:
        unverified = tls.client_auth_type in _UNVERIFIED
        why = "a certificate that nobody verifies is not offered here" if unverified else "unknown"
        yield Mistake(("client_auth_type",), f"{why}; expected {one_of(VERIFY_MODES)}")
    elif verify is ssl.CERT_NONE and (tls.client_ca_file or tls.client_ca):
        expected = one_of(("VerifyClientCertIfGiven", "RequireAndVerifyClientCert"))
        yield Mistake(("client_auth_type",), f"a client CA has no effect without it; expected {expected}")
    elif verify is not ssl.CERT_REQUIRED and tls.client_allowed_sans:
        yield Mistake(("client_allowed_sans",), "expected `client_auth_type: RequireAndVerifyClientCert` with it")


def _agreement_rules(tls: TlsSection) -> Iterator[Mistake]:
    most = MOST_VERSIONS.get(tls.max_version)
    if most is None:
        yield Mistake(("max_version",), f"{tls.max_version} is not spoken; expected {one_of(MOST_VERSIONS)}")
    elif most < LEAST_VERSIONS[tls.min_version]:
        yield Mistake(("max_version",), "expected a version that is not below `min_version`")
    known = (*CIPHERS, *TLS13_CIPHERS)
    for index, name in enumerate(tls.cipher_suites):
        if name not in known:
            yield Mistake(("cipher_suites", index), f"unknown cipher suite; expected {one_of(known)}")
    if tls.max_version == "TLS12" and tls.cipher_suites and set(tls.cipher_suites) <= set(TLS13_CIPHERS):
        yield Mistake(("cipher_suites",), "expected a suite of TLS 1.2, as `max_version` is TLS12")
    for index, name in enumerate(tls.curve_preferences):
        if name not in CURVES:
            yield Mistake(("curve_preferences", index), f"unknown curve; expected {one_of(CURVES)}")
    if len(tls.curve_preferences) > 1:
        yield Mistake(("curve_preferences",), "expected one curve, or none for the defaults: no order can be set here")


def _header_rules(headers: Mapping[str, str | None]) -> Iterator[Mistake]:
    for name, value in headers.items():
        choices = HEADERS.get(name)
        if choices is None:
            yield Mistake(("headers", name), f"cannot be set; expected {one_of(HEADERS)}")
        elif value and choices and value not in choices:
            yield Mistake(("headers", name), f"expected {one_of(choices)}")
        elif value and not (value.isascii() and value.isprintable()):
            yield Mistake(("headers", name), "expected one line of printable ASCII")


def _user_rules(users: Mapping[str, Secret]) -> Iterator[Mistake]:
    for user, stored in users.items():
        if ":" in user:
            yield Mistake((user,), "no client can send a user name with a colon; expected one without")
        # The value stays out of the message: where it is no hash it may be the password itself.
        if not is_hash(stored.reveal()):
            yield Mistake((user,), "expected a bcrypt hash, as from `htpasswd -nBC 10 NAME`")
