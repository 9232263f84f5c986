"""Management tokens: where they come from, when they are replaced, and that they never show."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from exporter.sources.base import PollError
from exporter.sources.hundredms.auth import credentials
from tests.hundredms_support import NOON, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.sources.hundredms.auth import Credentials

# Long enough for PyJWT to decode without a warning.
SECRET = "s3cret-" * 12
SHORT = "short"
GIVEN = "t0ken"
SSH_KEY = "ssh-rsa AAAAB3NzaC1yc2E"


class Clock:
    """Unix seconds that the test sets."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> float:
        """The test's time."""
        return self.time


def make(clock: Clock | None = None, **auth: str) -> Credentials:
    """The credentials of an `auth` section."""
    return credentials(read_settings({"auth": auth}).auth, clock or Clock())


def claims(token: str) -> dict[str, Any]:
    """Checks the signature as the vendor does, and reads the claims."""
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    decoded: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"], options=options)
    return decoded


def test_a_given_token_stays() -> None:
    """There is no other one to renew it with."""
    given = make(management_token=GIVEN)
    given.renew("t0ken")
    assert given.token() == "t0ken"


@pytest.mark.parametrize("token", ["two words", "schl\u00fcssel"])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(token: str) -> None:
    """The HTTP library's own error would quote it."""
    with pytest.raises(PollError, match="management_token: expected a token") as error:
        make(management_token=token).token()
    assert error.value.reason == "unauthorized"
    assert token not in str(error.value)


class TestTokenFile:
    """A token in a file that someone rotates."""

    def test_is_read_again_when_it_changes(self, tmp_path: Path) -> None:
        """And not otherwise: the file is looked at, not read, at each call."""
        file = tmp_path / "token"
        file.write_text("one\n", encoding="utf-8")
        found = make(management_token_file=str(file))
        assert found.token() == "one"
        before = file.stat()
        file.write_text("two\n", encoding="utf-8")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert found.token() == "one"
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert found.token() == "two"

    def test_is_read_again_when_the_token_is_refused(self, tmp_path: Path) -> None:
        """A change that the file's time does not show is found then."""
        file = tmp_path / "token"
        file.write_text("one", encoding="utf-8")
        found = make(management_token_file=str(file))
        assert found.token() == "one"
        before = file.stat()
        file.write_text("two", encoding="utf-8")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        found.renew("one")
        assert found.token() == "two"

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, "cannot be read: No such file"),
            (b"", "the file is empty"),
            (b"\xff\xfe", "not UTF-8"),
        ],
    )
    def test_a_file_that_holds_no_token_is_named(self, tmp_path: Path, content: bytes | None, said: str) -> None:
        """The error says which file and why, and is the poll's, not the process's."""
        file = tmp_path / "token"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(PollError, match=said) as error:
            make(management_token_file=str(file)).token()
        assert error.value.reason == "unauthorized"
        assert str(file) in str(error.value)


class TestSignedTokens:
    """Tokens that the exporter signs itself."""

    def test_claims(self) -> None:
        """As the vendor documents them, back-dated by 10 s, for a day."""
        found = claims(make(access_key="key", app_secret=SECRET).token())
        jti = found.pop("jti")
        issued = int(NOON) - 10
        assert found == {
            "access_key": "key",
            "type": "management",
            "version": 2,
            "iat": issued,
            "nbf": issued,
            "exp": issued + 86_400,
        }
        assert len(jti) == 36

    def test_is_replaced_a_minute_before_its_end(self) -> None:
        """Not earlier, and never so late that it ends on its way."""
        clock = Clock()
        signed = make(clock, access_key="key", app_secret=SECRET)
        first = signed.token()
        ends = claims(first)["exp"]
        clock.time = ends - 61.0
        assert signed.token() == first
        clock.time = ends - 60.0
        second = signed.token()
        assert claims(second)["exp"] == ends - 60 - 10 + 86_400
        assert claims(second)["jti"] != claims(first)["jti"]

    def test_is_replaced_when_refused(self) -> None:
        """The vendor may have forgotten it."""
        signed = make(access_key="key", app_secret=SECRET)
        first = signed.token()
        signed.renew(first)
        second = signed.token()
        assert second != first
        # Of calls that were on their way together each is refused; one new token does for all of them.
        signed.renew(first)
        assert signed.token() == second

    def test_a_clock_that_is_wrong_is_made_up_for(self) -> None:
        """After a refusal tokens are signed, and end, by the vendor's clock; by ours again where that does not help."""
        clock = Clock()
        signed = make(clock, access_key="key", app_secret=SECRET)
        signed.renew(signed.token(), -7200.0)
        by_theirs = signed.token()
        issued = int(NOON) - 7200 - 10
        assert (claims(by_theirs)["iat"], claims(by_theirs)["exp"]) == (issued, issued + 86_400)
        clock.time = NOON + 86_400.0 - 10.0 - 61.0
        assert signed.token() == by_theirs
        clock.time = NOON + 86_400.0 - 10.0 - 60.0
        by_theirs = signed.token()
        assert claims(by_theirs)["iat"] == int(NOON) + 86_400 - 70 - 7200 - 10
        signed.renew(by_theirs, -7200.0)
        assert claims(signed.token())["iat"] == int(NOON) + 86_400 - 70 - 10

    def test_the_secret_is_read_for_each_token(self, tmp_path: Path) -> None:
        """A rotated secret is used from the next token on."""
        file = tmp_path / "secret"
        file.write_text("another-" * 12, encoding="utf-8")
        signed = make(access_key="key", app_secret_file=str(file))
        with pytest.raises(jwt.InvalidSignatureError):
            claims(first := signed.token())
        file.write_text(SECRET, encoding="utf-8")
        signed.renew(first)
        assert claims(signed.token())["access_key"] == "key"

    def test_a_missing_secret_file_is_named(self, tmp_path: Path) -> None:
        """The error is the poll's."""
        with pytest.raises(PollError, match="gone: cannot be read"):
            make(access_key="key", app_secret_file=str(tmp_path / "gone")).token()

    def test_a_short_secret_signs_without_a_warning(self) -> None:
        """The vendor chooses the secret's length, so a warning would help nobody."""
        assert make(access_key="key", app_secret=SHORT).token().count(".") == 2

    def test_a_secret_that_is_another_kind_of_key_is_refused(self) -> None:
        """An SSH key in place of the secret is a mistake that would sign tokens that no one accepts."""
        with pytest.raises(PollError, match="no key to sign tokens with"):
            make(access_key="key", app_secret=SSH_KEY).token()

    def test_no_secret_at_all_is_an_error_of_the_poll(self) -> None:
        """Settings that were never checked must not sign with nothing."""
        with pytest.raises(PollError, match="no secret is configured"):
            make(access_key="key").token()
