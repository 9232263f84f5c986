"""Log lines: one an event, readable by machines, without secrets and without control characters."""

from __future__ import annotations

import io
import json
import logging
import time
import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.logs import FORMATS, LEVELS, Format, Level, LineFormatter, mask, setup

if TYPE_CHECKING:
    from collections.abc import Iterator

QUIET = ("httpx", "httpcore", "uvicorn", "uvicorn.access", "uvicorn.error")
HIDDEN = "do-not-show-me"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leaves the process' logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def line(
    message: object, *arguments: object, line_format: Format = "logfmt", error: BaseException | None = None
) -> str:
    """One formatted record of 2026-11-21 03:48:00.25 UTC."""
    failure = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("exporter.part", logging.WARNING, "file", 1, message, arguments, failure)
    record.created = 1_795_232_880.25
    return LineFormatter(line_format).format(record)


def raised(text: str) -> Exception:
    """An exception with a traceback."""
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(text)
    return caught.value


class TestLogfmt:
    """`key=value`, as Prometheus and its exporters log."""

    def test_line(self) -> None:
        """Time in UTC to the millisecond, level, logger, message."""
        assert line("%s: %d files", "watch", 3) == (
            'ts=2026-11-21T03:48:00.250Z level=warn logger=exporter.part msg="watch: 3 files"'
        )

    @pytest.mark.parametrize(
        ("message", "value"),
        [
            ("stopping", "stopping"),
            ("a=b", '"a=b"'),
            ('say "x"', '"say \\"x\\""'),
            ("back\\slash", '"back\\\\slash"'),
            ("", '""'),
            ("two\nlines\r\n", '"two\\nlines\\r\\n"'),
            ("\x1b[31mred", '"\\u001b[31mred"'),
            ("\x7f\x9b", '"\\u007f\\u009b"'),
            ("Zürich", '"Zürich"'),
            ("line\u2028break", '"line\\u2028break"'),
            ("\u202etxet", '"\\u202etxet"'),
            ("half \ud83d", '"half \\ud83d"'),
        ],
    )
    def test_quoting(self, message: str, value: str) -> None:
        """What would break the line, the terminal or the encoding is escaped."""
        assert line(message).partition("msg=")[2] == value

    def test_exception(self) -> None:
        """A traceback is part of the line."""
        text = line("failed", error=raised("boom"))
        assert text.count("\n") == 0
        assert 'msg=failed exception="Traceback (most recent call last):\\n' in text
        assert text.endswith('RuntimeError: boom"')


class TestJson:
    """One object a line."""

    def test_line(self) -> None:
        """The same fields, ASCII only."""
        text = line("Zürich\n", line_format="json", error=raised("boom"))
        assert text.isascii()
        assert text.count("\n") == 0
        fields = json.loads(text)
        assert fields.pop("exception").endswith("RuntimeError: boom")
        assert fields == {
            "ts": "2026-11-21T03:48:00.250Z",
            "level": "warn",
            "logger": "exporter.part",
            "msg": "Zürich\n",
        }


@given(st.text() | st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Zl"])), st.sampled_from(FORMATS))
def test_any_message(message: str, line_format: Format) -> None:
    """Whatever is logged is one printable line that can be encoded."""
    text = line("%s", message, line_format=line_format)
    assert text.isprintable()
    assert text.encode()


@pytest.mark.parametrize(
    ("message", "arguments", "text"),
    [
        ("%d files", ("three",), "%d files"),
        ("%s and %s", ("one",), "%s and %s"),
        ("%(name)s", ({"other": 1},), "%(name)s"),
        ("100 %", (1,), "100 %"),
    ],
)
def test_wrong_arguments(message: str, arguments: tuple[object, ...], text: str) -> None:
    """A mistake in a log call costs its arguments, not the event."""
    assert json.loads(line(message, *arguments, line_format="json"))["msg"] == text


def test_long_messages_are_cut() -> None:
    """A page that a vendor answers with does not fill the log."""
    assert len(line("x" * 1_000_000)) < 20_000


def test_time_before_the_epoch() -> None:
    """A clock that is wrong does not stop the log."""
    record = logging.LogRecord("a", logging.INFO, "file", 1, "b", (), None)
    record.created = -0.001
    assert LineFormatter("logfmt").format(record).startswith("ts=1969-12-31T23:59:59.999Z ")


@pytest.mark.parametrize(
    ("number", "name"), [(5, "debug"), (10, "debug"), (20, "info"), (30, "warn"), (40, "error"), (50, "error")]
)
def test_levels(number: int, name: str) -> None:
    """Levels are called as `--log.level` calls them."""
    record = logging.LogRecord("a", number, "file", 1, "b", (), None)
    assert f" level={name} " in LineFormatter("logfmt").format(record)


class TestMask:
    """The last line of defence."""

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (f"Authorization: Bearer {HIDDEN}", "Authorization: Bearer <secret>"),
            (f"Illegal header value b'Bearer {HIDDEN}'", "Illegal header value b'Bearer <secret>'"),
            (f"bearer {HIDDEN}, retried", "bearer <secret>, retried"),
            (f"authorization=Basic {HIDDEN}==", "authorization=Basic <secret>"),
            (f'{{"Authorization": "Token {HIDDEN}"}}', '{"Authorization": "Token <secret>"}'),
            (f"token eyJhbGciOiJI.eyJ{HIDDEN}.{HIDDEN} expired", "token <secret> expired"),
            (f"GET https://u:{HIDDEN}@host/x", "GET https://<secret>@host/x"),
            (f"GET https://{HIDDEN}@host?a=1", "GET https://<secret>@host?a=1"),
            (f"/x?limit=3&access_token={HIDDEN}&b=1", "/x?limit=3&access_token=<secret>&b=1"),
            (f"?X-Amz-Signature={HIDDEN}&X-Amz-Date=1", "?X-Amz-Signature=<secret>&X-Amz-Date=1"),
            (f"?sv=2024&sig={HIDDEN}%3D", "?sv=2024&sig=<secret>"),
            (f"?api_key={HIDDEN}", "?api_key=<secret>"),
        ],
    )
    def test_hides(self, text: str, shown: str) -> None:
        """Tokens, credentials of URLs and secret parameters are hidden, in messages and tracebacks."""
        assert mask(text) == shown
        for line_format in FORMATS:
            assert HIDDEN not in line("%s", text, line_format=line_format)
            assert HIDDEN not in line("failed", error=raised(text), line_format=line_format)

    @pytest.mark.parametrize(
        "text",
        [
            "the bearer token was refused",
            "basic authentication is off",
            "bearer authentication",
            "conf.yaml:3: sources[0].auth: expected exactly one of management_token, management_token_file",
            "GET https://api.100ms.live/v2/sessions?room_id=a&limit=10&active=false",
            "https://host/a@b",
            "s3://bucket/prefix is empty",
            "signature=1 without a question mark",
        ],
    )
    def test_leaves(self, text: str) -> None:
        """What a person needs to read stays."""
        assert mask(text) == text

    @pytest.mark.parametrize("part", ["a", "://", "?a=", "&", "bearer ", "authorization: ", "eyJ", "eyJaaaaa.", "@"])
    def test_long_text(self, part: str) -> None:
        """Time grows with the length of the text and not with its square."""
        started = time.process_time()
        mask(part * (400_000 // len(part)))
        assert time.process_time() - started < 5


class TestSetup:
    """What the process logs."""

    @pytest.mark.parametrize("level", LEVELS)
    def test_level(self, level: Level) -> None:
        """Only messages of the level and above are written."""
        stream = io.StringIO()
        setup(level, "logfmt", stream)
        logger = logging.getLogger("exporter.test")
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logger.log(number, "x")
        written = [each.split()[1] for each in stream.getvalue().splitlines()]
        assert written == [f"level={name}" for name in LEVELS[LEVELS.index(level) :]]

    def test_again(self) -> None:
        """Called again it replaces its handler; each event is written once."""
        first, second = io.StringIO(), io.StringIO()
        setup("info", "logfmt", first)
        setup("info", "json", second)
        logging.getLogger("exporter.test").info("x")
        assert first.getvalue() == ""
        assert json.loads(second.getvalue())["msg"] == "x"

    def test_standard_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Logs go to standard error, so that standard output is the program's."""
        setup("info", "logfmt")
        logging.getLogger("exporter.test").info("x")
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.endswith("level=info logger=exporter.test msg=x\n")

    def test_warnings(self) -> None:
        """Python's warnings are events like others."""
        stream = io.StringIO()
        setup("info", "logfmt", stream)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=False)
            logging.captureWarnings(capture=True)
            warnings.warn("deprecated", stacklevel=1)
        assert "level=warn logger=py.warnings" in stream.getvalue()
        assert stream.getvalue().count("\n") == 1

    @pytest.mark.parametrize(("level", "heard"), [("debug", ["warn", "error"]), ("error", ["error"])])
    @pytest.mark.parametrize("name", QUIET)
    def test_talkative_libraries(
        self, name: str, level: Level, heard: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The HTTP client would log URLs with all that is in them, at any level of ours."""
        # A uvicorn server that was configured earlier in this process has switched its own loggers off.
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        stream = io.StringIO()
        setup(level, "logfmt", stream)
        logger = logging.getLogger(name)
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logger.log(number, "x")
        assert [each.split()[1] for each in stream.getvalue().splitlines()] == [f"level={each}" for each in heard]
