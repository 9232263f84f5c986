"""Messages with and without what they quote."""

from __future__ import annotations

import pytest

from exporter.told import Discretion, Told, quote, told

DISCREET = Discretion(lambda text: f"<{len(text)}>", {"meetings", "http_status"})


def test_a_message_is_text_with_its_quotes() -> None:
    """For whoever does not ask for discretion it is a text like any other."""
    message = told("session ", quote("s1"), ": answered with status 500: ", quote("'no such s1'"))
    assert message == "session s1: answered with status 500: 'no such s1'"
    assert isinstance(message, Told)
    assert DISCREET.told(message) == "session <2>: answered with status 500: <12>"


def test_messages_within_messages_keep_their_words() -> None:
    """As parts, as quotes, and as the texts of errors, raised again."""
    place = told(quote("file.json"), ": element 3")
    error = ValueError(told(place, ": expected a room"))
    again = RuntimeError(str(error))
    assert str(again) == "file.json: element 3: expected a room"
    assert DISCREET.told(again) == "<9>: element 3: expected a room"
    assert DISCREET.told(told("poll failed: ", quote(again))) == "poll failed: <9>: element 3: expected a room"
    assert DISCREET.told(quote(place)) == "<9>: element 3"


def test_what_was_not_told_so_is_a_quote_as_a_whole() -> None:
    """Put together in any other way, a message shows nothing; of an error its class stays."""
    message = told("session ", quote("s1"))
    for text in (f"{message}!", "plain", f"{message} and {message}"):
        assert DISCREET.told(text) == f"<{len(text)}>"
    assert DISCREET.told(KeyError("s1")) == "KeyError <4>"
    assert DISCREET.told(TimeoutError()) == "TimeoutError"
    assert quote(TimeoutError()) == ""


def test_empty_and_public_texts_are_said() -> None:
    """Names of sources and reasons tell nothing of strangers."""
    assert DISCREET.told("meetings") == "meetings"
    assert DISCREET.told("") == ""
    assert DISCREET.told(told("why: ", quote("http_status"))) == "why: http_status"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, 5),
        (0.5, 0.5),
        (True, True),
        (None, None),
        ("s1", "<2>"),
        (b"s1", "<5>"),
        ({"session_id": "s1"}, "<20>"),
        (["s1"], "<6>"),
        (told("ours"), "ours"),
    ],
)
def test_arguments_of_log_calls(value: object, said: object) -> None:
    """Numbers are no quotes; everything else is one, unless it was told."""
    assert DISCREET.argument(value) == said


def test_tracebacks_without_texts() -> None:
    """Where it happened and what kind of error it was, of every error that is behind it or in it."""
    texts = [f"secret {number}" for number in range(4)]

    def fail() -> None:
        try:
            dict[str, str]()[texts[0]]
        except KeyError as error:
            raise ExceptionGroup(texts[1], [ValueError(texts[2]), OSError(texts[3])]) from error

    with pytest.raises(ExceptionGroup) as raised:
        fail()
    said = DISCREET.traceback(raised.value)
    lines = said.splitlines()
    assert [line for line in lines if line.endswith(("Error", "Group"))] == [
        "KeyError",
        "ValueError",
        "OSError",
        "ExceptionGroup",
    ]
    assert "in fail" in said
    assert "secret" not in said


def test_a_traceback_in_a_circle_ends() -> None:
    """Errors can be each other's cause."""
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__context__ = other, one
    assert DISCREET.traceback(one).splitlines()[-1] == "ValueError"
    one.__cause__, one.__context__, one.__suppress_context__ = None, other, True
    assert "KeyError" not in DISCREET.traceback(one)
