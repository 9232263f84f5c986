"""Credentials and TLS of the sender, with real handshakes, and how both follow their files."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme

from exporter.timeline.access import Access, AccessError
from tests.timeline_support import (
    ACCEPTED,
    FakeTime,
    RecordedEvents,
    Reply,
    Request,
    in_turn,
    read_settings,
    recording_receiver,
    sending,
    series,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOW = 1_772_359_200.0
LINE = series("webrtc_timeline_connected", [(1_772_359_190_000, 1.0), (1_772_359_200_000, 1.0)], peer_id="a")
SAMPLES = 2


async def test_a_new_secret_ends_the_wait(tmp_path: Path) -> None:
    """Whoever corrects the password need not wait for five minutes, nor restart."""
    password = tmp_path / "password"
    password.write_text("wrong\n")
    right = "Basic " + b64encode(b"me:right").decode()
    world = FakeTime(NOW)
    world.meanwhile = lambda number: void(password.write_text("right\n")) if number == 3 else None

    def answer(request: Request) -> Reply:
        return ACCEPTED if request.headers["authorization"] == right else Reply(401)

    with recording_receiver(answer) as receiver:
        settings = read_settings(receiver.url, basic_auth={"username": "me", "password_file": str(password)})
        async with sending(settings, world) as sender:
            await sender.send((LINE,))
    assert len(receiver.requests) == 2
    assert world.slept == [5.0, 5.0, 5.0]


def void(_: object) -> None:
    """Turns an expression into a statement."""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"basic_auth": {"username": "me", "password": "sesame"}}, "Basic " + b64encode(b"me:sesame").decode()),
        ({"basic_auth": {"username": "me"}}, "Basic " + b64encode(b"me:").decode()),
        ({"authorization": {"credentials": "sesame"}}, "Bearer sesame"),
        ({"authorization": {"type": "Token", "credentials": "sesame"}}, "Token sesame"),
    ],
)
async def test_credentials(raw: dict[str, object], expected: str, caplog: pytest.LogCaptureFixture) -> None:
    """Basic, bearer and other types; a receiver that repeats them does not bring them into the log."""

    def answer(request: Request) -> Reply:
        said = request.headers["authorization"]
        return Reply(400, f"what is {said}?".encode())

    caplog.set_level(logging.DEBUG)
    with recording_receiver(answer) as receiver:
        async with sending(read_settings(receiver.url, **raw), FakeTime(NOW)) as sender:
            await sender.send((LINE,))
    (request,) = receiver.requests
    assert request.headers["authorization"] == expected
    assert "status 400" in caplog.text
    assert "sesame" not in caplog.text
    assert expected not in caplog.text


async def test_a_password_that_is_repeated_in_plain_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Though it was sent encoded; what else the receiver says is in the log where it names no secret."""
    replies = in_turn(Reply(400, b"the password sesame is wrong"), Reply(400, b"a password is wrong"))
    with recording_receiver(replies) as receiver:
        settings = read_settings(receiver.url, basic_auth={"username": "me", "password": "sesame"})
        async with sending(settings, FakeTime(NOW)) as sender:
            await sender.send((LINE,))
            await sender.send((LINE,))
    assert "sesame" not in caplog.text
    assert "a password is wrong" in caplog.text


async def test_user_and_password_in_the_url() -> None:
    """They are sent as basic authentication, and not as part of the address; a configured authorization wins."""
    with recording_receiver() as receiver:
        url = receiver.url.replace("//", "//me:s%3Asame@")
        world = FakeTime(NOW)
        for settings in (read_settings(url), read_settings(url, authorization={"credentials": "token"})):
            async with sending(settings, world) as sender:
                await sender.send((LINE,))
    assert [request.headers["authorization"] for request in receiver.requests] == [
        "Basic " + b64encode(b"me:s:same").decode(),
        "Bearer token",
    ]
    assert {request.headers["host"] for request in receiver.requests} == {receiver.url.split("/")[2]}


async def test_secrets_are_read_at_each_request(tmp_path: Path) -> None:
    """A token that is rotated is used at once; a file that is missing meanwhile loses nothing."""
    token = tmp_path / "token"
    token.write_text("first")
    world, events = FakeTime(NOW), RecordedEvents()
    world.meanwhile = lambda _: void(token.write_text("third"))
    with recording_receiver() as receiver:
        settings = read_settings(receiver.url, authorization={"credentials_file": str(token)})
        async with sending(settings, world, events) as sender:
            await sender.send((LINE,))
            token.write_text("second")
            await sender.send((LINE,))
            token.unlink()
            await sender.send((LINE,))
            token.write_text("two\nlines")
            await sender.send((LINE,))
    found = [request.headers["authorization"] for request in receiver.requests]
    assert found == ["Bearer first", "Bearer second", "Bearer third", "Bearer third"]
    assert (events.stored, events.codes.count("error")) == (4 * SAMPLES, 2)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """The authority of the receiver and of the sender."""
    return trustme.CA()


def server_side(ca: trustme.CA, name: str, *, clients: bool = False) -> ssl.SSLContext:
    """A receiver's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)
    return context


async def attempt(url: str, tls: dict[str, object]) -> tuple[RecordedEvents, list[float]]:
    """Sends, and gives up at the first pause."""
    world, events = FakeTime(NOW), RecordedEvents()

    def give_up(_: int) -> None:
        raise asyncio.CancelledError

    world.meanwhile = give_up
    async with sending(read_settings(url, tls_config=tls), world, events) as sender:
        try:
            await sender.send((LINE,))
        except asyncio.CancelledError:
            assert events.stored == 0
    return events, world.slept


async def test_tls_trusts_whom_it_is_told_to(tmp_path: Path, ca: trustme.CA, caplog: pytest.LogCaptureFixture) -> None:
    """A private authority by file, its name as configured; nobody else, unless all are trusted.

    Compliance: tls_handshake_failure.
    """
    caplog.set_level(logging.INFO)
    authority, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    ca.cert_pem.write_to_path(str(authority))
    trustme.CA().cert_pem.write_to_path(str(other))
    with recording_receiver(context=server_side(ca, "127.0.0.1")) as receiver:
        assert (await attempt(receiver.url, {"ca_file": str(authority)}))[0].stored == SAMPLES
        assert (await attempt(receiver.url, {"insecure_skip_verify": True}))[0].stored == SAMPLES
        assert (await attempt(receiver.url, {}))[0].codes == ["error"]
        assert (await attempt(receiver.url, {"ca_file": str(other)}))[0].codes == ["error"]
        assert (await attempt(receiver.url, {"ca_file": str(authority), "server_name": "mimir"}))[0].codes == ["error"]
    assert "certificate verify failed" in caplog.text.lower()
    with recording_receiver(context=server_side(ca, "mimir")) as receiver:
        assert (await attempt(receiver.url, {"ca_file": str(authority)}))[0].codes == ["error"]
        assert (await attempt(receiver.url, {"ca_file": str(authority), "server_name": "mimir"}))[0].stored == SAMPLES


async def test_a_certificate_of_our_own(tmp_path: Path, ca: trustme.CA) -> None:
    """A receiver that asks for one gets it."""
    own = ca.issue_cert("sender")
    files = {"ca_file": tmp_path / "ca.pem", "cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    ca.cert_pem.write_to_path(str(files["ca_file"]))
    files["cert_file"].write_bytes(own.cert_chain_pems[0].bytes())
    own.private_key_pem.write_to_path(str(files["key_file"]))
    tls: dict[str, object] = {key: str(path) for key, path in files.items()}
    with recording_receiver(context=server_side(ca, "127.0.0.1", clients=True)) as receiver:
        assert (await attempt(receiver.url, tls))[0].stored == SAMPLES
        assert (await attempt(receiver.url, {"ca_file": str(files["ca_file"])}))[0].codes == ["error"]


async def test_an_alert_after_the_handshake_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """In TLS 1.3 the missing certificate is told with the answer; where the library lets that pass, it is an error."""
    caplog.set_level(logging.INFO)

    def refuse(_: httpx.Request) -> httpx.Response:
        raise ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required")

    world, events = FakeTime(NOW), RecordedEvents()

    def give_up(_: int) -> None:
        raise asyncio.CancelledError

    world.meanwhile = give_up
    async with sending(read_settings("https://h/"), world, events, httpx.MockTransport(refuse)) as sender:
        with pytest.raises(asyncio.CancelledError):
            await sender.send((LINE,))
    assert events.codes == ["error"]
    assert "alert certificate required" in caplog.text


async def test_an_authority_that_changes_is_read_again(tmp_path: Path, ca: trustme.CA) -> None:
    """Without a restart; and while the file is broken nothing is lost."""
    authority, world, events = tmp_path / "ca.pem", FakeTime(NOW), RecordedEvents()
    authority.write_text("broken")

    def repair(number: int) -> None:
        if number == 1:
            trustme.CA().cert_pem.write_to_path(str(authority))
        else:
            ca.cert_pem.write_to_path(str(authority))

    world.meanwhile = repair
    with recording_receiver(context=server_side(ca, "127.0.0.1")) as receiver:
        settings = read_settings(receiver.url, tls_config={"ca_file": str(authority)})
        async with sending(settings, world, events) as sender:
            await sender.send((LINE,))
            await sender.send((LINE,))
    assert (events.codes, events.stored) == (["error", "error", "204", "204"], 2 * SAMPLES)


async def test_certificates_are_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle of authorities takes a tenth of a second, in which no scrape would be answered; and it is read once."""
    readers: list[threading.Thread] = []
    real = httpx.create_ssl_context

    def reading() -> ssl.SSLContext:
        readers.append(threading.current_thread())
        return real()

    monkeypatch.setattr(httpx, "create_ssl_context", reading)
    with recording_receiver() as receiver:
        async with sending(read_settings(receiver.url), FakeTime(NOW)) as sender:
            await sender.send((LINE,))
            await sender.send((LINE,))
    (reader,) = readers
    assert reader is not threading.current_thread()


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ({"ca_file": "/nowhere"}, "tls_config.ca_file: cannot use /nowhere: No such file or directory"),
        (
            {"cert_file": "/nowhere", "key_file": "/nowhere"},
            "tls_config.cert_file: cannot use /nowhere: No such file or directory",
        ),
    ],
)
async def test_what_cannot_be_used_is_named(tls: dict[str, str], expected: str) -> None:
    """The key and the file."""
    access = Access(read_settings("https://h/", tls_config=tls))
    with pytest.raises(AccessError, match=re.escape(expected)):
        access.context()


async def test_an_address_that_is_none_is_told_without_its_password() -> None:
    """What the configuration's check lets through, but the HTTP library does not."""
    with pytest.raises(AccessError, match="expected a URL") as caught:
        Access(read_settings("http://me:sesame@exa_mple.\u2024com/"))
    assert "sesame" not in str(caught.value)
