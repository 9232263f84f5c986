"""TLS with real handshakes: certificates, clients, rotation, silence."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from exporter.web.protocol import Limits
from exporter.web.server import serving
from exporter.web.tls import TlsServer, server_context, subject_names
from exporter.web.web_config import WebConfigError
from tests.web_fakes import FakeFace, application_of

if TYPE_CHECKING:
    from exporter.web.addresses import Address

pytestmark = pytest.mark.anyio

LOCAL = ("127.0.0.1:0",)
PATIENCE = 30

SERVER = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
CLIENTS = SERVER + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """The authority of the server and of its clients."""
    return trustme.CA()


def install(folder: Path, ca: trustme.CA, text: str = SERVER, name: str = "127.0.0.1") -> Path:
    """Writes certificate, key, authority and web configuration; each file is moved into its place, whole."""
    issued = ca.issue_cert(name)
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    files = {
        "server.pem": chain,
        "server.key": issued.private_key_pem.bytes(),
        "ca.pem": ca.cert_pem.bytes(),
        "web.yml": text.encode(),
    }
    for file, content in files.items():
        place(folder / file, content)
    return folder / "web.yml"


def place(path: Path, content: bytes) -> None:
    """Puts a file into its place at once."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def client_context(ca: trustme.CA, *, certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """What a client trusts and shows."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


async def fetched(address: Address, context: ssl.SSLContext) -> httpx.Response:
    """A request over a connection of its own."""
    async with httpx.AsyncClient(verify=context, timeout=PATIENCE) as client:
        return await client.get(f"https://{address}/metrics")


async def serial_number(address: Address, context: ssl.SSLContext) -> str:
    """Which certificate a new connection is shown."""
    async with asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    shown = writer.get_extra_info("peercert")
    writer.transport.abort()
    return f"{shown['serialNumber']}"


async def everything(reader: asyncio.StreamReader) -> bytes:
    """All bytes until the server ends or cuts the connection."""
    try:
        return await reader.read()
    except (ConnectionError, ssl.SSLError):
        return b""


class TestHandshake:
    """Who can talk to the server."""

    async def test_serves_over_tls_only(self, tmp_path: Path, ca: trustme.CA) -> None:
        """A client that trusts the authority is served; plain HTTP is not."""
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca)) as (address,):
            assert (await fetched(address, client_context(ca))).text.endswith("up 1\n")
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.HTTPError):
                    await client.get(f"http://{address}/metrics")

    async def test_passwords_over_tls(self, tmp_path: Path, ca: trustme.CA) -> None:
        """TLS and basic authentication go together."""
        users = "basic_auth_users:\n  alice: $2b$04$WJORPHCUMcfpBQONyE1GzOHO2VTtj4GOykVX9IVpwcZWiW4oXWjFa\n"
        web = install(tmp_path, ca, SERVER + users)
        async with (
            serving(application_of(FakeFace()), LOCAL, web) as (address,),
            httpx.AsyncClient(verify=client_context(ca)) as client,
        ):
            assert (await client.get(f"https://{address}/metrics")).status_code == 401
            assert (await client.get(f"https://{address}/metrics", auth=("alice", "pass"))).status_code == 200

    async def test_inline_certificates(self, tmp_path: Path, ca: trustme.CA) -> None:
        """Certificate, key and authority may stand in the file itself."""
        issued = ca.issue_cert("127.0.0.1")
        inline = {
            "cert": b"".join(pem.bytes() for pem in issued.cert_chain_pems),
            "key": issued.private_key_pem.bytes(),
            "client_ca": ca.cert_pem.bytes(),
        }
        lines = ["tls_server_config:", "  client_auth_type: RequireAndVerifyClientCert"]
        for key, pem in inline.items():
            lines += [f"  {key}: |", *(f"    {line}" for line in pem.decode().splitlines())]
        web = tmp_path / "web.yml"
        web.write_text("\n".join(lines))
        context = client_context(ca, certificate=ca.issue_cert("client.example"))
        async with serving(application_of(FakeFace()), LOCAL, web) as (address,):
            assert (await fetched(address, context)).status_code == 200

    @pytest.mark.parametrize(
        ("option", "version", "served"),
        [
            ("min_version: TLS13", ssl.TLSVersion.TLSv1_2, False),
            ("min_version: TLS13", ssl.TLSVersion.TLSv1_3, True),
            ("max_version: TLS12", ssl.TLSVersion.TLSv1_3, False),
            ("max_version: TLS12", ssl.TLSVersion.TLSv1_2, True),
            ("cipher_suites: [TLS_AES_128_GCM_SHA256]", ssl.TLSVersion.TLSv1_2, False),
        ],
    )
    async def test_versions(
        self, tmp_path: Path, ca: trustme.CA, *, option: str, version: ssl.TLSVersion, served: bool
    ) -> None:
        """Versions outside the file's range end in the handshake."""
        context = client_context(ca)
        context.minimum_version = context.maximum_version = version
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca, f"{SERVER}  {option}\n")) as places:
            if served:
                assert (await fetched(places[0], context)).status_code == 200
            else:
                with pytest.raises(httpx.HTTPError):
                    await fetched(places[0], context)

    async def test_cipher_suites(self, tmp_path: Path, ca: trustme.CA) -> None:
        """Only suites and curves that the file names are agreed on, in the server's order."""
        options = (
            "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
            "  curve_preferences: [CurveP384]\n"
        )
        context = client_context(ca)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca, SERVER + options)) as (address,):
            _, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
            assert writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
            writer.transport.abort()
            context.set_ecdh_curve("prime256v1")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection(address.host, address.port, ssl=context)
            context.set_ecdh_curve("secp384r1")
            context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection(address.host, address.port, ssl=context)

    def test_the_clients_order_can_count(self, tmp_path: Path, ca: trustme.CA) -> None:
        """`prefer_server_cipher_suites: false` leaves the choice to the client."""
        install(tmp_path, ca)
        tls = TlsServer(cert_file=tmp_path / "server.pem", key_file=tmp_path / "server.key")
        ours = server_context(tls)
        theirs = server_context(msgspec.structs.replace(tls, prefer_server_ciphers=False))
        assert ours.options & ssl.OP_CIPHER_SERVER_PREFERENCE
        assert not theirs.options & ssl.OP_CIPHER_SERVER_PREFERENCE


class TestClientCertificates:
    """`client_auth_type` and `client_allowed_sans`."""

    async def test_only_clients_of_the_authority(self, tmp_path: Path, ca: trustme.CA) -> None:
        """A client without a certificate, or with another authority's, gets nothing."""
        other = trustme.CA()
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca, CLIENTS)) as (address,):
            right = client_context(ca, certificate=ca.issue_cert("prometheus.example"))
            assert (await fetched(address, right)).status_code == 200
            for certificate in (None, other.issue_cert("prometheus.example")):
                with pytest.raises(httpx.HTTPError):
                    await fetched(address, client_context(ca, certificate=certificate))

    async def test_a_certificate_may_be_optional(self, tmp_path: Path, ca: trustme.CA) -> None:
        """Who has none is served, who has a wrong one is not."""
        text = CLIENTS.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca, text)) as (address,):
            assert (await fetched(address, client_context(ca))).status_code == 200
            with pytest.raises(httpx.HTTPError):
                await fetched(address, client_context(ca, certificate=trustme.CA().issue_cert("a.example")))

    async def test_without_an_authority_the_systems_count(self, tmp_path: Path, ca: trustme.CA) -> None:
        """As in Go; a private client is then a stranger."""
        text = SERVER + "  client_auth_type: RequireAndVerifyClientCert\n"
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca, text)) as (address,):
            with pytest.raises(httpx.HTTPError):
                await fetched(address, client_context(ca, certificate=ca.issue_cert("a.example")))

    @pytest.mark.parametrize(
        ("names", "served"),
        [
            (["prometheus.example"], True),
            (["other.example", "prometheus.example"], True),
            (["::1"], True),
            (["10.0.0.1"], True),
            (["ops@example.org"], True),
            (["other.example"], False),
            (["a.prometheus.example"], False),
            (["10.0.0.2"], False),
        ],
    )
    async def test_only_allowed_names(
        self, tmp_path: Path, ca: trustme.CA, caplog: pytest.LogCaptureFixture, *, names: list[str], served: bool
    ) -> None:
        """One of the certificate's names must be allowed; a connection without is cut before a request is read."""
        text = CLIENTS + "  client_allowed_sans: [prometheus.example, '0:0:0:0:0:0:0:1', 10.0.0.1, ops@example.org]\n"
        context = client_context(ca, certificate=ca.issue_cert(*names))
        face = FakeFace()
        async with serving(application_of(face), LOCAL, install(tmp_path, ca, text)) as (address,):
            if served:
                assert (await fetched(address, context)).status_code == 200
            else:
                with pytest.raises(httpx.HTTPError):
                    await fetched(address, context)
                assert face.asked == []
                assert "client_allowed_sans" in caplog.text

    def test_names_of_a_certificate(self) -> None:
        """DNS, e-mail, URI and IP are names; a directory name is not, and the common name never was one."""
        certificate = {
            "subject": ((("commonName", "cn.example"),),),
            "subjectAltName": (
                ("DNS", "a.example"),
                ("IP Address", "2001:DB8:0:0:0:0:0:1"),
                ("IP Address", "<invalid>"),
                ("email", "a@example.org"),
                ("URI", "spiffe://a"),
                ("DirName", ((("commonName", "x"),),)),
            ),
        }
        assert subject_names(certificate) == {"a.example", "2001:db8::1", "<invalid>", "a@example.org", "spiffe://a"}
        assert subject_names({}) == set()


class TestSilence:
    """Clients that do not speak TLS, or do not speak at all."""

    async def test_a_silent_client_blocks_nobody(self, tmp_path: Path, ca: trustme.CA) -> None:
        """While clients stay silent in the handshake others are served; then the silent ones are cut."""
        limits = Limits(head=0.3)
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca), limits=limits) as (address,):
            silent = [await asyncio.open_connection(address.host, address.port) for _ in range(20)]
            assert (await fetched(address, client_context(ca))).status_code == 200
            async with asyncio.timeout(PATIENCE):
                for reader, writer in silent:
                    assert await reader.read() == b""
                    writer.transport.abort()

    async def test_half_a_request_is_cut_over_tls(self, tmp_path: Path, ca: trustme.CA) -> None:
        """The time for headers holds after the handshake, too."""
        limits = Limits(head=0.3)
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca), limits=limits) as (address,):
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=client_context(ca))
            writer.write(b"GET /metrics HTTP/1.1\r\nHo")
            async with asyncio.timeout(PATIENCE):
                assert await everything(reader) == b""
            writer.transport.abort()


class TestRotation:
    """Certificates that are renewed while the server runs."""

    async def test_new_connections_get_the_new_certificate(self, tmp_path: Path, ca: trustme.CA) -> None:
        """Nobody restarts anything, and connections that exist go on."""
        context = client_context(ca)
        async with (
            serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca)) as (address,),
            httpx.AsyncClient(verify=context) as kept,
        ):
            assert (await kept.get(f"https://{address}/metrics")).status_code == 200
            before = await serial_number(address, context)
            assert await serial_number(address, context) == before
            install(tmp_path, ca)
            after = await serial_number(address, context)
            assert (await kept.get(f"https://{address}/metrics")).status_code == 200
        assert before != after

    async def test_half_a_rotation_keeps_the_old_one(
        self, tmp_path: Path, ca: trustme.CA, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A certificate whose key has not come yet is not used; the log says so once; with the key it is."""
        context = client_context(ca)
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca)) as (address,):
            before = await serial_number(address, context)
            issued = ca.issue_cert("127.0.0.1")
            place(tmp_path / "server.pem", b"".join(pem.bytes() for pem in issued.cert_chain_pems))
            caplog.set_level(logging.ERROR)
            for _ in range(3):
                assert await serial_number(address, context) == before
            (message,) = caplog.messages
            assert message.endswith(
                "web.yml:2: tls_server_config.cert_file: "
                "no certificate with its key, in PEM and not encrypted (key values mismatch)"
            )
            place(tmp_path / "server.key", issued.private_key_pem.bytes())
            assert await serial_number(address, context) != before

    async def test_a_certificate_rotates_under_a_broken_file(self, tmp_path: Path, ca: trustme.CA) -> None:
        """While somebody mends the file, certificates do not expire."""
        context = client_context(ca)
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca)) as (address,):
            before = await serial_number(address, context)
            install(tmp_path, ca, "tls_server_config: [")
            assert await serial_number(address, context) != before

    async def test_the_clients_authority_rotates(self, tmp_path: Path, ca: trustme.CA) -> None:
        """Clients of an authority that was taken out are refused."""
        other = trustme.CA()
        old = client_context(ca, certificate=ca.issue_cert("a.example"))
        new = client_context(ca, certificate=other.issue_cert("a.example"))
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca, CLIENTS)) as (address,):
            assert (await fetched(address, old)).status_code == 200
            place(tmp_path / "ca.pem", other.cert_pem.bytes())
            assert (await fetched(address, new)).status_code == 200
            with pytest.raises(httpx.HTTPError):
                await fetched(address, old)

    async def test_tls_is_not_switched_off(
        self, tmp_path: Path, ca: trustme.CA, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A file that asks for plain HTTP needs a restart; passwords must not go over the wire by an edit."""
        async with serving(application_of(FakeFace()), LOCAL, install(tmp_path, ca)) as (address,):
            place(tmp_path / "web.yml", b"basic_auth_users: {}\n")
            assert (await fetched(address, client_context(ca))).status_code == 200
        assert "TLS cannot be switched on or off without a restart" in caplog.text


def open_files() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


class TestMistakes:
    """Files that cannot be used, at the start."""

    @pytest.mark.parametrize(
        ("file", "content", "said"),
        [
            ("server.pem", None, r"web\.yml:2: tls_server_config\.cert_file: cannot read .*server\.pem: No such file"),
            ("server.key", None, r"web\.yml:3: tls_server_config\.key_file: cannot read .*server\.key: No such file"),
            ("ca.pem", None, r"web\.yml:5: tls_server_config\.client_ca_file: cannot read .*ca\.pem: No such file"),
            ("server.pem", b"junk", r"web\.yml:2: tls_server_config\.cert_file: no certificate with its key"),
            ("server.key", b"junk", r"web\.yml:2: tls_server_config\.cert_file: no certificate with its key"),
            ("ca.pem", b"junk", r"web\.yml:5: tls_server_config\.client_ca_file: no certificate in PEM"),
            ("ca.pem", b"", r"web\.yml:5: tls_server_config\.client_ca_file: no certificate in PEM"),
        ],
    )
    async def test_unusable_files(
        self, tmp_path: Path, ca: trustme.CA, file: str, content: bytes | None, said: str
    ) -> None:
        """The error names the file, the line and the key of what cannot be used."""
        web = install(tmp_path, ca, CLIENTS)
        (tmp_path / file).unlink()
        if content is not None:
            (tmp_path / file).write_bytes(content)
        with pytest.raises(WebConfigError, match=said):
            async with serving(application_of(FakeFace()), LOCAL, web):
                raise AssertionError

    async def test_an_encrypted_key_does_not_ask(self, tmp_path: Path, ca: trustme.CA) -> None:
        """A key with a password is an error; OpenSSL would wait at the terminal for it."""
        web = install(tmp_path, ca)
        key = serialization.load_pem_private_key((tmp_path / "server.key").read_bytes(), None)
        encrypted = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
        (tmp_path / "server.key").write_bytes(encrypted)
        with pytest.raises(WebConfigError, match="not encrypted"):
            async with serving(application_of(FakeFace()), LOCAL, web):
                raise AssertionError

    async def test_inline_mistakes_do_not_show_the_key(self, tmp_path: Path) -> None:
        """What is wrong with an inline key is said without it, and leaves no open file behind."""
        text = (
            "tls_server_config:\n  cert: nothing\n  key: PRIVATE-PART\n  client_auth_type: RequireAndVerifyClientCert\n"
        )
        (tmp_path / "web.yml").write_text(text)
        before = open_files()
        with pytest.raises(WebConfigError, match=r"web\.yml:2: tls_server_config\.cert: no certificate") as caught:
            async with serving(application_of(FakeFace()), LOCAL, tmp_path / "web.yml"):
                raise AssertionError
        assert "PRIVATE-PART" not in str(caught.value)
        assert open_files() == before

    async def test_nothing_listens_after_a_mistake(self, tmp_path: Path) -> None:
        """The port is not taken when the configuration cannot be used."""
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(WebConfigError, match="cannot be read"):
            async with serving(application_of(FakeFace()), (f"127.0.0.1:{port}",), tmp_path / "none.yml"):
                raise AssertionError
        with closing(socket.create_server(("127.0.0.1", port))):
            pass
