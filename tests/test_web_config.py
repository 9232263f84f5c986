"""The file of `--web.config.file`: what it may say, and what it is told when it is wrong."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
import trustme

from exporter.web.web_config import RateLimit, WebConfigError, parse_web_config
from exporter.web.web_config_file import CIPHERS, CURVES, HEADERS

if TYPE_CHECKING:
    from pathlib import Path

#: The password is `pass`, at the lowest cost.
HASH = "$2b$04$WJORPHCUMcfpBQONyE1GzOHO2VTtj4GOykVX9IVpwcZWiW4oXWjFa"

EVERYTHING = f"""\
tls_server_config:
  cert_file: server.pem
  key_file: keys/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example, 10.0.0.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: default-src 'none'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection:
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
  bob: {HASH}
"""


def write(folder: Path, text: str) -> Path:
    """Writes a web configuration."""
    path = folder / "web.yml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    """What is said about a web configuration that is wrong, without the folder."""
    path = write(folder, text)
    with pytest.raises(WebConfigError) as caught:
        parse_web_config(path)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def test_everything(tmp_path: Path) -> None:
    """Every section is read; paths are relative to the file's folder, names become those of OpenSSL."""
    config = parse_web_config(write(tmp_path, EVERYTHING)).config
    tls = config.tls
    assert tls is not None
    assert tls.files() == (tmp_path / "server.pem", tmp_path / "keys/server.key", tmp_path / "ca.pem")
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.client_allowed_sans == {"prometheus.example", "10.0.0.1"}
    assert tls.ciphers == ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")
    assert (tls.minimum_version, tls.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert (tls.curve, tls.prefer_server_ciphers) == ("prime256v1", False)
    assert dict(config.headers) == {
        "Content-Security-Policy": "default-src 'none'",
        "X-Frame-Options": "deny",
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=31536000",
    }
    assert config.users is not None
    assert config.users.stored("alice") == HASH.encode()
    assert config.rate_limit is None


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "{}", "tls_server_config:\n", "tls_server_config: {}\nbasic_auth_users: {}\n"]
)
def test_nothing(tmp_path: Path, text: str) -> None:
    """A file that asks for nothing is plain HTTP for everybody."""
    config = parse_web_config(write(tmp_path, text)).config
    assert (config.tls, config.users, config.headers, config.rate_limit) == (None, None, (), None)


def test_inline_certificates(tmp_path: Path) -> None:
    """Certificates may stand in the file itself; the key shows in no repr."""
    text = "tls_server_config:\n  cert: |\n    CERT\n  key: |\n    PRIVATE\n"
    tls = parse_web_config(write(tmp_path, text)).config.tls
    assert tls is not None
    assert (tls.cert, tls.key.reveal(), tls.files()) == ("CERT\n", "PRIVATE\n", ())
    assert "PRIVATE" not in repr(tls)


def test_rate_limit(tmp_path: Path) -> None:
    """The rate limit is an interval and a burst; without an interval there is none."""
    assert parse_web_config(write(tmp_path, "rate_limit: {interval: 500ms, burst: 3}")).config.rate_limit == RateLimit(
        0.5, 3
    )
    assert parse_web_config(write(tmp_path, "rate_limit: {interval: 0, burst: 3}")).config.rate_limit is None


@pytest.mark.parametrize(
    ("option", "minimum", "maximum"),
    [
        ("min_version: TLS10", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
        ("min_version: TLS13", ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
        ("max_version: TLS12", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    ],
)
def test_versions(tmp_path: Path, option: str, minimum: ssl.TLSVersion, maximum: ssl.TLSVersion) -> None:
    """Versions are at least as close as the file says."""
    tls = parse_web_config(write(tmp_path, TLS + f"  {option}\n")).config.tls
    assert tls is not None
    assert (tls.minimum_version, tls.maximum_version) == (minimum, maximum)


@pytest.mark.parametrize(
    ("option", "mode"),
    [
        ("client_auth_type: NoClientCert", ssl.CERT_NONE),
        ("client_auth_type: RequestClientCert", ssl.CERT_NONE),
        ("client_auth_type: VerifyClientCertIfGiven", ssl.CERT_OPTIONAL),
        ("client_auth_type: RequireAndVerifyClientCert", ssl.CERT_REQUIRED),
    ],
)
def test_client_certificates(tmp_path: Path, option: str, mode: ssl.VerifyMode) -> None:
    """Go's policies have their counterpart."""
    tls = parse_web_config(write(tmp_path, TLS + f"  {option}\n")).config.tls
    assert tls is not None
    assert tls.verify_mode is mode


TLS = "tls_server_config:\n  cert_file: a.pem\n  key_file: a.key\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls:\n", "web.yml:1: tls: unknown key"),
        ("rate_limit:\n  burst: 1\n  burst: 2\n", "web.yml:3: rate_limit.burst: duplicate key, first on line 2"),
        ("[]", "web.yml:1: expected a mapping, got a list"),
        ("basic_auth_users: [\n", "web.yml:2: not valid YAML"),
        (TLS + "  tls_version: 1\n", "web.yml:4: tls_server_config.tls_version: unknown key"),
        (TLS + "  min_version: TLS14\n", "web.yml:4: tls_server_config.min_version: expected one of `TLS10`"),
        (TLS + "  max_version: TLS11\n", "web.yml:4: tls_server_config.max_version: TLS11 is not spoken"),
        (
            TLS + "  min_version: TLS13\n  max_version: TLS12\n",
            "web.yml:5: tls_server_config.max_version: expected a version that is not below `min_version`",
        ),
        (
            TLS + "  cipher_suites:\n  - TLS_FOO\n",
            "web.yml:5: tls_server_config.cipher_suites[0]: unknown cipher suite",
        ),
        (
            TLS + "  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n",
            "web.yml:5: tls_server_config.cipher_suites: expected a suite of TLS 1.2",
        ),
        (
            TLS + "  curve_preferences: [CurveP111]\n",
            "web.yml:4: tls_server_config.curve_preferences[0]: unknown curve; expected one of `CurveP256`",
        ),
        (
            TLS + "  curve_preferences: [CurveP256, X25519]\n",
            "web.yml:4: tls_server_config.curve_preferences: expected one curve",
        ),
        (
            TLS + "  client_auth_type: RequireAnyClientCert\n",
            "web.yml:4: tls_server_config.client_auth_type: a certificate that nobody verifies is not offered here",
        ),
        (
            TLS + "  client_auth_type: Always\n",
            "web.yml:4: tls_server_config.client_auth_type: unknown; expected one of",
        ),
        (
            TLS + "  client_ca_file: ca.pem\n",
            "web.yml:1: tls_server_config.client_auth_type: a client CA has no effect without it",
        ),
        (
            TLS + "  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a]\n",
            "web.yml:5: tls_server_config.client_allowed_sans: expected `client_auth_type: RequireAndVerify",
        ),
        (TLS + "  cert: x\n", "web.yml:4: tls_server_config.cert: expected one of `cert` and `cert_file`, got both"),
        (
            "tls_server_config: {cert_file: a.pem}",
            "web.yml:1: tls_server_config.key_file: missing; expected `key_file` or `key`",
        ),
        ("tls_server_config: {min_version: TLS13, key_file: k}", "web.yml:1: tls_server_config.cert_file: missing"),
        ("http_server_config: {http2: yes}", "web.yml:1: http_server_config.http2: expected `true` or `false`"),
        (
            "http_server_config:\n  headers:\n    Server: x\n",
            "web.yml:3: http_server_config.headers.Server: cannot be set",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: maybe}}",
            "web.yml:1: http_server_config.headers.X-Frame-Options: expected one of `deny`, `sameorigin`",
        ),
        (
            'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}',
            "web.yml:1: http_server_config.headers.Content-Security-Policy: expected one line of printable ASCII",
        ),
        ("basic_auth_users: {alice: 123}", "web.yml:1: basic_auth_users.alice: expected text, got a whole number"),
        ("basic_auth_users:\n  'a:b': " + HASH, 'web.yml:2: basic_auth_users["a:b"]: no client can send'),
        ("rate_limit: {interval: 1s}", "web.yml:1: rate_limit.burst: expected 1 or more"),
        ("rate_limit: {interval: soon, burst: 1}", "web.yml:1: rate_limit.interval: expected a duration"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake is told with its line, its key and what was expected."""
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "password",
    [
        "hunter2",
        "$2y$04$tooshort",
        HASH.replace("$2b$", "$1$"),
        HASH.replace("$04$", "$03$"),
        f"{HASH}x",
        "$2y$04$" + "N" * 53,
    ],
)
def test_a_password_in_the_clear_is_refused_and_not_repeated(tmp_path: Path, password: str) -> None:
    """What is no bcrypt hash may be the password itself, so no error shows it."""
    (found,) = mistakes(tmp_path, f"basic_auth_users:\n  alice: '{password}'\n")
    assert found == "web.yml:2: basic_auth_users.alice: expected a bcrypt hash, as from `htpasswd -nBC 10 NAME`"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """A person does not have to try again for each one; they come in the order of the file."""
    text = TLS + "  max_version: TLS11\n  curve_preferences: [x]\nbasic_auth_users: {alice: x}\n"
    assert [line.split(": ")[0] for line in mistakes(tmp_path, text)] == ["web.yml:4", "web.yml:5", "web.yml:6"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The error names the file and why it cannot be read."""
    with pytest.raises(WebConfigError, match=r"none\.yml: cannot be read: No such file or directory"):
        parse_web_config(tmp_path / "none.yml")


def test_names_are_those_of_openssl() -> None:
    """Every cipher suite and curve that the file may name exists in the library."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, openssl in CIPHERS.items():
        context.set_ciphers(f"{openssl}:@SECLEVEL=0")
        assert openssl in {cipher["name"] for cipher in context.get_ciphers()}, name
    for curve in CURVES.values():
        context.set_ecdh_curve(curve)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
def test_promtool_takes_what_we_take(tmp_path: Path) -> None:
    """A file that works here works in every exporter of the toolkit."""
    (tmp_path / "keys").mkdir()
    ca = trustme.CA()
    issued = ca.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    issued.private_key_pem.write_to_path(tmp_path / "keys/server.key")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    # Older promtools do not know this key, and none of them a header without a value.
    text = EVERYTHING.replace("  client_allowed_sans: [prometheus.example, 10.0.0.1]\n", "")
    text = text.replace("    X-XSS-Protection:\n", "")
    checked = subprocess.run(
        ["promtool", "check", "web-config", write(tmp_path, text)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    parse_web_config(tmp_path / "web.yml")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
@pytest.mark.parametrize("name", list(HEADERS))
def test_promtool_knows_each_header(tmp_path: Path, name: str) -> None:
    """The headers that may be set are the toolkit's."""
    value = (HEADERS[name] or ("x",))[0]
    path = write(tmp_path, f"http_server_config: {{headers: {{{name}: {value}}}}}\n")
    checked = subprocess.run(["promtool", "check", "web-config", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert parse_web_config(path).config.headers == ((name, value),)
