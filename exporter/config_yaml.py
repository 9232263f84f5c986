"""YAML with positions: plain values, and the line on which each of them stands.

Booleans, numbers and null are those of YAML 1.2. Anchors and aliases work within bounds; tags and merge keys do not; a
key may stand once in a mapping.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, cast

import yaml
from msgspec import Struct

from exporter.config_place import Place, shorten
from exporter.values import kind_of
from exporter.yaml_core import Scalar, ScalarError, is_text, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

SafeLoader: TypeAlias = type[yaml.SafeLoader] | type[yaml.CSafeLoader]

#: libyaml where PyYAML has it: the same language, faster.
LOADER: Final[SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: What no configuration needs and what costs memory, time or stack to read.
LONGEST_FILE = 1_048_576
_DEEPEST = 40
_MOST_VALUES = 100_000

_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Escapes can still write these: a NUL ends a file name early, half a surrogate pair cannot be encoded.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_COLLECTION_TAGS = frozenset({None, "!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})


class LeftOut(Enum):
    """Stands where a value was wrong and its mistake is noted already, so that nothing else is said about it."""

    LEFT_OUT = "left out"


class Finding(Struct, frozen=True):
    """Something wrong at one place of a document."""

    #: From 1.
    line: int
    place: Place
    message: str


class YamlError(Exception):
    """A text that cannot be read as a configuration at all."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class Document(Struct, frozen=True):
    """What a YAML text says, and where."""

    #: Mappings, lists, text, whole numbers of 64 bits, finite numbers, booleans, None, and `LeftOut`.
    data: object
    #: The line, from 1, of each place. That of a mapping's value is its key's line.
    lines: dict[Place, int]
    #: What is wrong already: duplicate keys, keys that are no text, and why a value was left out.
    findings: tuple[Finding, ...]

    def line(self, place: Place) -> int:
        """The line of a place, or of what it would stand in when it is not there."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


class _Node(Struct):
    line: int
    content: Scalar | LeftOut | list[_Node] | dict[str, _Node]


def read(raw: bytes, loader: SafeLoader = LOADER) -> Document:
    """Reads one YAML document; an empty one is null.

    Raises:
        YamlError: it is not UTF-8, not YAML, more than one document, or past what a configuration can need.
    """
    if len(raw) > LONGEST_FILE:
        raise YamlError(1, f"too large; expected a configuration of at most {LONGEST_FILE} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + raw.count(b"\n", 0, error.start)
        # `from None`: the decoding error carries the whole file, secrets included.
        raise YamlError(line, "not UTF-8 text; expected YAML in UTF-8") from None
    if unprintable := _NOT_PRINTABLE.search(text):
        line = 1 + text.count("\n", 0, unprintable.start())
        raise YamlError(line, f"not valid YAML: U+{ord(unprintable[0]):04X} is not allowed; expected printable text")
    composer = _Composer(yaml.parse(text, Loader=loader))
    try:
        root = composer.document()
    except yaml.MarkedYAMLError as error:
        _refuse(error)
    lines: dict[Place, int] = {}
    return Document(_plain(root, (), lines), lines, tuple(composer.findings))


def dump(data: object) -> str:
    """Writes plain values as YAML that both YAML 1.1 and YAML 1.2 read as they are."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=LONGEST_FILE)


class _Dumper(yaml.SafeDumper):
    def represent_text(self, text: str) -> yaml.ScalarNode:
        # Words such as `0o7` and `1e5` are text to YAML 1.1 alone, and its line breaks are more than those of YAML 1.2.
        style = '"' if not text.isprintable() else None if is_text(text) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def _refuse(error: yaml.MarkedYAMLError) -> NoReturn:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    begun = ""
    if error.context and error.context_mark and error.context_mark.line + 1 != line:
        # The end of the file alone says little about a quote that was never closed.
        begun = f" {error.context} that begins on line {error.context_mark.line + 1}"
    # `from None`: the error of PyYAML quotes the text around the mistake, which may hold a secret.
    raise YamlError(line, f"not valid YAML: {error.problem}{begun}") from None


def _plain(node: _Node, place: Place, lines: dict[Place, int]) -> object:
    """Makes plain values of a node, and notes each one's line. An alias counts as often as it is written."""
    _bound_depth(node.line, place)
    lines.setdefault(place, node.line)
    if len(lines) > _MOST_VALUES:
        raise YamlError(node.line, f"expected a configuration of at most {_MOST_VALUES} values, aliases counted")
    if isinstance(node.content, list):
        return [_plain(child, (*place, index), lines) for index, child in enumerate(node.content)]
    if isinstance(node.content, dict):
        return {key: _plain(child, (*place, key), lines) for key, child in node.content.items()}
    return node.content


def _bound_depth(line: int, place: Place) -> None:
    if len(place) > _DEEPEST:
        raise YamlError(line, f"nested too deep; expected at most {_DEEPEST} levels")


class _Composer:
    """Makes nodes of events. Unlike PyYAML's own it bounds the depth, and it sees duplicate keys."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._anchors: dict[str, _Node] = {}
        self.findings: list[Finding] = []

    def document(self) -> _Node:
        """Reads the only document; an empty text is null."""
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return _Node(1, None)
        root = self._node(next(self._events), ())
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise YamlError(_line(after), "a second document begins here; expected one")
        # After a mere `---` parsers disagree about the line of nothing.
        return _Node(1, None) if root.content is None else root

    def _node(self, event: yaml.Event, place: Place) -> _Node:
        line = _line(event)
        _bound_depth(line, place)
        if isinstance(event, yaml.AliasEvent):
            anchored = self._anchors.get(str(event.anchor))
            if anchored is None:
                raise YamlError(line, "an alias without its anchor; expected the anchor above it, and not around it")
            return _Node(line, anchored.content)
        # The parser gives nothing else where a value belongs.
        start = cast("yaml.ScalarEvent | yaml.CollectionStartEvent", event)
        node = _Node(line, self._content(start, place))
        if start.anchor:
            self._anchors[start.anchor] = node
        return node

    def _content(
        self,
        event: yaml.ScalarEvent | yaml.CollectionStartEvent,
        place: Place,
    ) -> Scalar | LeftOut | list[_Node] | dict[str, _Node]:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        content = self._list(place) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(place)
        return content if event.tag in _COLLECTION_TAGS else self._unknown_tag(event, place)

    def _list(self, place: Place) -> list[_Node]:
        children: list[_Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            children.append(self._node(event, (*place, len(children))))
        return children

    def _mapping(self, place: Place) -> dict[str, _Node]:
        children: dict[str, _Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            key = self._key(event, place)
            value = self._node(next(self._events), (*place, "?" if key is None else key))
            if key in children:
                self._find(line, (*place, key), f"duplicate key, first on line {children[key].line}; expected once")
            elif key is not None:
                children[key] = _Node(line, value.content)
        return children

    def _key(self, event: yaml.Event, place: Place) -> str | None:
        if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            self._find(_line(event), (*place, "<<"), "merge keys are no part of YAML 1.2; expected the keys themselves")
            return None
        content = self._node(event, (*place, "?")).content
        if isinstance(content, str):
            return content
        if not isinstance(content, LeftOut):
            self._find(_line(event), place, f"expected text as a key, got {kind_of(content)}; quote what is text")
        return None

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Scalar | LeftOut:
        if event.tag not in {None, *_TEXT_TAGS}:
            return self._unknown_tag(event, place)
        if _NO_TEXT.search(event.value):
            return self._find(_line(event), place, "expected text without NUL and without halves of surrogate pairs")
        if event.tag in _TEXT_TAGS or not event.implicit[0]:
            return event.value
        try:
            return resolve(event.value)
        except ScalarError as error:
            return self._find(_line(event), place, str(error))

    def _unknown_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, place: Place) -> LeftOut:
        tag = shorten(str(event.tag).replace("tag:yaml.org,2002:", "!!"))
        return self._find(_line(event), place, f"the tag {tag!a} is not allowed; expected a plain value")

    def _find(self, line: int, place: Place, message: str) -> LeftOut:
        self.findings.append(Finding(line, place, message))
        return LeftOut.LEFT_OUT


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
