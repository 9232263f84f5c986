"""Who gets in: passwords, headers, the rate limit, and a web configuration that changes."""

from __future__ import annotations

import asyncio
import base64
import logging
import threading
from typing import TYPE_CHECKING

import bcrypt
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.access import Access, TokenBucket
from exporter.web.basic_auth import BasicAuth, Credentials, OverloadedError, Users, matches, read_authorization
from exporter.web.live_web_config import LiveWebConfig
from exporter.web.web_config import RateLimit
from tests.web_fakes import FakeFace, application_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio


def hashed(password: bytes) -> bytes:
    """A hash at the lowest cost."""
    return bcrypt.hashpw(password, bcrypt.gensalt(4))


def basic(user: str, password: str) -> str:
    """An `Authorization` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TestAuthorizationHeader:
    """RFC 7617."""

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (basic("alice", "secret"), Credentials("alice", b"secret")),
            ("basic   " + basic("a", "b")[6:] + " ", Credentials("a", b"b")),
            (basic("a", "with:colon"), Credentials("a", b"with:colon")),
            (basic("", ""), Credentials("", b"")),
            (basic("caf\u00e9", "\u2713"), Credentials("caf\u00e9", "\u2713".encode())),
            ("", None),
            ("Basic", None),
            ("Bearer abc", None),
            ("Basic ****", None),
            ("Basic YWxpY2U", None),
            ("Basic " + base64.b64encode(b"no colon").decode(), None),
            ("Basic " + base64.b64encode(b"\xff\xfe:latin").decode(), None),
            ("Basic \u00e9", None),
        ],
    )
    def test_read(self, header: str, expected: Credentials | None) -> None:
        """Credentials are read, everything else is none."""
        assert read_authorization(header) == expected

    @given(st.text() | st.binary().map(lambda raw: "Basic " + base64.b64encode(raw).decode()))
    def test_no_header_raises(self, header: str) -> None:
        """Whatever a client sends, it is credentials or none."""
        found = read_authorization(header)
        assert found is None or isinstance(found, Credentials)

    def test_credentials_do_not_show(self) -> None:
        """A password is in no log by accident."""
        assert "secret" not in repr(Credentials("alice", b"secret"))


class TestPasswords:
    """bcrypt."""

    def test_matches_hashes_of_other_programs(self) -> None:
        """A hash as htpasswd writes it; the password is public in exporter-toolkit."""
        stored = b"$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
        assert matches(b"fakepassword", stored)
        assert not matches(b"Fakepassword", stored)

    def test_long_passwords_are_cut_as_elsewhere(self) -> None:
        """The hash knows 72 bytes; a longer password works and does not raise."""
        stored = hashed(b"x" * 72)
        assert matches(b"x" * 100, stored)
        assert not matches(b"x" * 71, stored)

    def test_passwords_may_hold_any_byte(self) -> None:
        """A NUL neither raises nor ends the password."""
        assert not matches(b"a\0b", hashed(b"a"))


class TestBasicAuth:
    """Checks and what is remembered of them."""

    @staticmethod
    def counting() -> tuple[list[bytes], Callable[[bytes, bytes], bool]]:
        """A check that notes the passwords that it was asked about."""
        asked: list[bytes] = []

        def check(password: bytes, stored: bytes) -> bool:
            asked.append(password)
            return matches(password, stored)

        return asked, check

    async def test_accepts_the_right_and_refuses_the_wrong(self) -> None:
        """Name and password both count."""
        auth, users = BasicAuth(), Users({"alice": hashed(b"a"), "bob": hashed(b"b")})
        headers = [basic("alice", "a"), basic("bob", "b"), basic("alice", "b"), basic("eve", "a"), "", "Bearer a"]
        assert [await auth.accepts(users, header) for header in headers] == [True, True, False, False, False, False]

    async def test_each_password_is_hashed_once(self) -> None:
        """What was found is remembered, right or wrong, known user or not."""
        asked, check = self.counting()
        auth, users = BasicAuth(check), Users({"alice": hashed(b"a")})
        for _ in range(3):
            assert await auth.accepts(users, basic("alice", "a"))
            assert not await auth.accepts(users, basic("alice", "x"))
            assert not await auth.accepts(users, basic("eve", "a"))
        assert asked == [b"a", b"x", b"a"]

    async def test_simultaneous_requests_share_a_check(self) -> None:
        """Ten scrapes at the start cost one hash."""
        asked, check = self.counting()
        auth, users = BasicAuth(check), Users({"alice": hashed(b"a")})
        found = await asyncio.gather(*(auth.accepts(users, basic("alice", "a")) for _ in range(10)))
        assert (found, asked) == ([True] * 10, [b"a"])

    async def test_new_users_forget_the_old_ones(self) -> None:
        """A password that was changed is not accepted from memory, and memory does not grow with each change."""
        asked, check = self.counting()
        stored = hashed(b"a")
        auth = BasicAuth(check)
        assert await auth.accepts(Users({"alice": stored}), basic("alice", "a"))
        after = Users({"alice": hashed(b"b"), "bob": stored})
        assert not await auth.accepts(after, basic("alice", "a"))
        assert await auth.accepts(after, basic("alice", "b"))
        assert await auth.accepts(after, basic("bob", "a"))
        assert asked == [b"a", b"a", b"b", b"a"]

    async def test_wrong_passwords_do_not_push_out_right_ones(self) -> None:
        """Memory is bounded, and a flood costs the others nothing."""
        asked: list[bytes] = []

        def check(password: bytes, _: bytes) -> bool:
            asked.append(password)
            return password == b"a"

        auth, users = BasicAuth(check), Users({"alice": hashed(b"a")})
        assert await auth.accepts(users, basic("alice", "a"))
        for number in range(200):
            assert not await auth.accepts(users, basic("alice", f"x{number}"))
        asked.clear()
        assert await auth.accepts(users, basic("alice", "a"))
        assert not await auth.accepts(users, basic("alice", "x199"))
        assert not await auth.accepts(users, basic("alice", "x0"))
        assert asked == [b"x0"]

    async def test_an_unknown_user_costs_what_a_known_one_does(self) -> None:
        """The hash for a name that does not exist has the cost of the dearest user."""
        users = Users({"alice": hashed(b"a"), "bob": bcrypt.hashpw(b"b", bcrypt.gensalt(6))})
        assert users.stored("eve").startswith(b"$2b$06$")

    async def test_too_many_at_once_are_told_so(self) -> None:
        """Beyond 32 passwords that wait for their hash the next one is turned away; remembered ones still pass."""
        gate = threading.Event()

        def check(password: bytes, _: bytes) -> bool:
            return password == b"known" or gate.wait(30)

        auth, users = BasicAuth(check), Users({"alice": hashed(b"a")})
        assert await auth.accepts(users, basic("alice", "known"))
        waiting = [asyncio.create_task(auth.accepts(users, basic("alice", f"x{number}"))) for number in range(32)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await auth.accepts(users, basic("alice", "one more"))
        assert await auth.accepts(users, basic("alice", "known"))
        gate.set()
        assert await asyncio.gather(*waiting) == [True] * 32


class TestTokenBucket:
    """The rate limit."""

    def test_burst_and_refill(self) -> None:
        """A burst at once, then one for each interval, never more than a burst saved up."""
        now = [100.0]
        bucket, limit = TokenBucket(lambda: now[0]), RateLimit(interval=2.0, burst=3)
        assert [bucket.take(limit) for _ in range(4)] == [True, True, True, False]
        now[0] += 2
        assert [bucket.take(limit) for _ in range(2)] == [True, False]
        now[0] += 1000
        assert [bucket.take(limit) for _ in range(4)] == [True, True, True, False]

    def test_a_new_limit_begins_full(self) -> None:
        """A changed file is in force at once."""
        bucket = TokenBucket(lambda: 0.0)
        assert [bucket.take(RateLimit(1.0, 1)) for _ in range(2)] == [True, False]
        assert bucket.take(RateLimit(1.0, 2))


GUARDED_FILE = """\
basic_auth_users:
  alice: {stored}
http_server_config:
  headers:
    X-Frame-Options: deny
    Content-Security-Policy: default-src 'self'
"""


def guarded(path: Path, clock: Callable[[], float] = lambda: 0.0) -> httpx.AsyncClient:
    """A client of an application behind a web configuration."""
    app = Access(application_of(FakeFace()), LiveWebConfig(path), clock)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://exporter")


class TestAccess:
    """The guard around every route."""

    @pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/config", "/unknown"])
    async def test_no_route_without_a_password(self, tmp_path: Path, path: str) -> None:
        """Every route asks, even those that do not exist, and says how."""
        web = tmp_path / "web.yml"
        web.write_text(GUARDED_FILE.format(stored=hashed(b"a").decode()))
        async with guarded(web) as client:
            refused = await client.get(path)
            wrong = await client.get(path, auth=("alice", "b"))
            allowed = await client.get(path, auth=("alice", "a"))
        assert (refused.status_code, wrong.status_code) == (401, 401)
        assert refused.headers["www-authenticate"] == 'Basic realm="webrtc-quality-exporter", charset="UTF-8"'
        assert allowed.status_code not in {401, 403}

    async def test_headers_are_on_each_answer(self, tmp_path: Path) -> None:
        """The file's headers stand on pages and refusals, in the place of our own; each answer is dated."""
        web = tmp_path / "web.yml"
        web.write_text(GUARDED_FILE.format(stored=hashed(b"a").decode()))
        async with guarded(web) as client:
            for answer in (await client.get("/"), await client.get("/", auth=("alice", "a"))):
                assert answer.headers["x-frame-options"] == "deny"
                assert answer.headers.get_list("content-security-policy") == ["default-src 'self'"]
                assert answer.headers["date"].endswith(" GMT")

    async def test_without_a_configuration_everybody_gets_in(self) -> None:
        """No file, no guard."""
        transport = httpx.ASGITransport(Access(application_of(FakeFace()), None))
        async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
            answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["date"].endswith(" GMT")

    async def test_rate_limit(self, tmp_path: Path) -> None:
        """Too many requests get 429 until time has passed."""
        web, now = tmp_path / "web.yml", [0.0]
        web.write_text("rate_limit: {interval: 1s, burst: 2}\n")
        async with guarded(web, lambda: now[0]) as client:
            statuses = [(await client.get("/metrics")).status_code for _ in range(3)]
            now[0] = 1.0
            statuses.append((await client.get("/metrics")).status_code)
        assert statuses == [200, 200, 429, 200]

    async def test_overload_is_503(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A client that cannot be checked now is told to come again, not that its password is wrong."""

        async def overloaded(*_: object) -> bool:
            raise OverloadedError

        monkeypatch.setattr(BasicAuth, "accepts", overloaded)
        web = tmp_path / "web.yml"
        web.write_text(GUARDED_FILE.format(stored=hashed(b"a").decode()))
        async with guarded(web) as client:
            answer = await client.get("/metrics", auth=("alice", "a"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


class TestChange:
    """A web configuration that changes while the server runs."""

    async def test_new_users_count_at_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """The next request is asked for the new password."""
        caplog.set_level(logging.INFO, "exporter.web.live_web_config")
        web = tmp_path / "web.yml"
        web.write_text(GUARDED_FILE.format(stored=hashed(b"a").decode()))
        async with guarded(web) as client:
            assert (await client.get("/metrics", auth=("alice", "a"))).status_code == 200
            web.write_text(GUARDED_FILE.format(stored=hashed(b"b").decode()))
            assert (await client.get("/metrics", auth=("alice", "a"))).status_code == 401
            assert (await client.get("/metrics", auth=("alice", "b"))).status_code == 200
            web.write_text("basic_auth_users: {}\n")
            assert (await client.get("/metrics")).status_code == 200
        said = [record.getMessage() for record in caplog.records if record.name == "exporter.web.live_web_config"]
        assert said == [f"the web configuration {web} was read again"] * 2

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            ("basic_auth_users: ]", "web.yml:1: not valid YAML"),
            ("unknown: 1", "web.yml:1: unknown: unknown key"),
            ("a: 1\nb: 2", "`rate_limit`; "),
            ("", "web.yml:1: empty; expected what it said before"),
            ("tls_server_config: {cert_file: a, key_file: b}", "TLS cannot be switched on or off without a restart"),
            (None, "web.yml: cannot be read: No such file or directory"),
        ],
    )
    async def test_a_broken_file_keeps_the_old_one(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str | None, said: str
    ) -> None:
        """The door stays as it was, the log says once why, and a file that is right again counts."""
        web = tmp_path / "web.yml"
        web.write_text(GUARDED_FILE.format(stored=hashed(b"a").decode()))
        async with guarded(web) as client:
            web.unlink()
            if broken is not None:
                web.write_text(broken)
            for _ in range(3):
                assert (await client.get("/metrics")).status_code == 401
                assert (await client.get("/metrics", auth=("alice", "a"))).status_code == 200
            assert len(caplog.messages) == 1
            assert said in caplog.messages[0]
            web.write_text(GUARDED_FILE.format(stored=hashed(b"c").decode()))
            assert (await client.get("/metrics", auth=("alice", "c"))).status_code == 200

    async def test_a_path_that_cannot_be_asked_about_counts_as_gone(self, tmp_path: Path) -> None:
        """A folder in the place of the file keeps the old one, too."""
        web = tmp_path / "web.yml"
        web.write_text(GUARDED_FILE.format(stored=hashed(b"a").decode()))
        live = LiveWebConfig(web)
        before = live.in_force()
        web.unlink()
        web.mkdir()
        assert live.in_force() is before
