"""The configuration file: what is in force, or every mistake with its file, line, place and what was expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import ConfigError, Problem, Settings, check, load
from exporter.config_rules import inside, within
from exporter.metrics.catalogue import configurable_buckets
from exporter.quality.thresholds import MosLimit, PacketLossLimit, Thresholds
from exporter.remote_write_settings import (
    Authorization,
    BasicAuth,
    QueueConfig,
    RemoteWriteSettings,
    TlsConfig,
)
from exporter.settings import MetricsSettings, PseudonymSettings, ShardSettings, TimelineSettings
from exporter.sources import source_types
from exporter.values import Duration, Secret, Url
from tests.config_vendors import FAMILIES, VENDORS, AskSettings, Call, Hook, Limits, ReadSettings

FIXTURES = Path(__file__).parent / "fixtures" / "config"
GOOD = sorted((FIXTURES / "good").glob("*.yaml"))
BAD = sorted((FIXTURES / "bad").glob("*.yaml"))

#: The example of the documentation, whole, with its dots filled in.
EXAMPLE = """\
sources:
  - name: meetings                # the source label; default: the type
    type: 100ms
    base_url: https://api.100ms.live/v2
    auth:                         # one of the two
      management_token_file: /run/secrets/token
      # access_key: key           app_secret_file: /run/secrets/app
    discovery:
      poll_interval: 1m
      lookback: 14h               # sessions are listed by their start and last up to 12 h
      rooms: []                   # only these room ids; empty: all
      exclude_roles: [__internal_recorder]
      sessions: []                # fixed list of {session_id, peer_ids}, beside or instead of polling
    peer_stats:
      concurrency: 4
      requests_per_second: 10
      settle_delay: 5m            # after the session's end
      recheck_after: [1h, 24h]    # stats can grow later
      give_up_after: 48h
      max_peers_per_session: 0    # 0: all
    webhook:                      # POST /webhooks/NAME
      header: X-Webhook-Secret
      secret_file: /run/secrets/webhook
  - name: watch
    type: watchrtc
    url: /var/lib/watchrtc        # s3:// gs:// az:// or a local folder
    storage_options: {}           # endpoint, region, credentials: as the object store library names them
    poll_interval: 1m
    min_object_age: 5s
    keys_as_labels: [tenant]
    push: {token_file: /run/secrets/push}     # accept POST /ingest/NAME
quality: {}                       # thresholds, each overridable
metrics:
  series_ttl: 1h
  max_series: 500000
  histogram_rooms: true
  room_ttl: 24h
  zero_hold: 30s
  per_track: false
  pseudonyms: {labels: [peer_id], salt_file: /run/secrets/salt}
  buckets: {}                     # per family
remote_write: []                  # each as in Prometheus
timeline: {keep: 0s, endpoint: false}
shard: {index: 0, count: 1}       # which sessions are mine
"""


def load_text(folder: Path, text: str | bytes) -> Settings:
    """Loads a configuration written to a file."""
    file = folder / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(file, VENDORS, FAMILIES)


class TestGood:
    """Files that are right."""

    @pytest.mark.parametrize("file", GOOD, ids=[file.stem for file in GOOD])
    def test_no_problem(self, file: Path) -> None:
        """There is nothing to say about them."""
        assert check(file, VENDORS, FAMILIES) == []

    @pytest.mark.parametrize("name", ["smallest", "commented-out"])
    def test_defaults(self, name: str) -> None:
        """Only sources are required; a part without a value is its default."""
        found = load(FIXTURES / "good" / f"{name}.yaml", VENDORS, FAMILIES)
        assert found.quality == Thresholds()
        assert found.metrics == MetricsSettings(
            series_ttl=Duration(3600),
            max_series=500_000,
            histogram_rooms=True,
            room_ttl=Duration(86_400),
            zero_hold=Duration(30),
            per_track=False,
            pseudonyms=None,
            buckets={},
        )
        assert found.remote_write == ()
        assert found.timeline == TimelineSettings(
            keep=Duration(0),
            max_age=Duration(604_800),
            max_bytes=1_073_741_824,
            endpoint=False,
            expose_for=Duration(60),
            out_of_order_time_window=Duration(86_400),
        )
        assert found.shard == ShardSettings(index=0, count=1)

    def test_name_is_the_type(self) -> None:
        """A source without a name has its type's."""
        (source,) = load(FIXTURES / "good" / "smallest.yaml", VENDORS, FAMILIES).sources
        assert source == ReadSettings(name="read", url="data")
        (source,) = load(FIXTURES / "good" / "commented-out.yaml", VENDORS, FAMILIES).sources
        assert source.name == "ask"

    def test_everything(self) -> None:
        """Every key arrives where it belongs."""
        found = load(FIXTURES / "good" / "everything.yaml", VENDORS, FAMILIES)
        limits = Limits(least=Duration(0.5), most=Duration(60), concurrency=10, rate=0.5)
        assert found == Settings(
            source_types=("ask", "ask", "read"),
            sources=(
                AskSettings(
                    name="asked.one-2",
                    base_url="https://ask.example/v2",
                    mode="fast",
                    token_file="/run/secrets/token",  # noqa: S106 - a file's name
                    poll_interval=Duration(0),
                    limits=limits,
                    calls=(Call(id="010", peers=("a", "b")),),
                    recheck_after=(Duration(3600), Duration(86_400)),
                    webhook=Hook(header="X-Own", secret_file="/run/secrets/webhook"),  # noqa: S106 - a file's name
                ),
                AskSettings(name="ask", token=Secret("in-the-file"), limits=limits),
                ReadSettings(
                    name="read",
                    url="/var/lib/read",
                    options={"region": "no", "a.b": "1"},
                    push=Hook(secret=Secret("in-the-file-too")),
                ),
            ),
            quality=Thresholds(packet_loss_ratio=PacketLossLimit(fair=0.02), mos=MosLimit(poor=2.6)),
            metrics=MetricsSettings(
                series_ttl=Duration(7200),
                max_series=1,
                histogram_rooms=False,
                room_ttl=Duration(604_800),
                zero_hold=Duration(0),
                per_track=True,
                pseudonyms=PseudonymSettings(labels=("peer_id", "room_id"), salt=Secret("pepper")),
                buckets={"webrtc_peer_session_mos": (1.0, 2.5, 4.0)},
            ),
            remote_write=(
                RemoteWriteSettings(
                    url=Url("https://writer:hidden-password@mimir.example/api/v1/push?tenant=hidden-tenant"),
                    name="mimir",
                    headers={"X-Scope-OrgID": Secret("hidden-header")},
                    authorization=Authorization(credentials=Secret("hidden-credentials")),
                    tls_config=TlsConfig(
                        ca_file="ca.pem",
                        cert_file="cert.pem",
                        key_file="key.pem",
                        server_name="mimir",
                        min_version="TLS13",
                    ),
                    queue_config=QueueConfig(
                        capacity=1,
                        max_shards=1,
                        max_samples_per_send=1,
                        batch_send_deadline=Duration(0),
                        min_backoff=Duration(0.001),
                        max_backoff=Duration(0.001),
                    ),
                    remote_timeout=Duration(5),
                    external_labels={"cluster": "eu", "_replica": "1"},
                    max_sample_age=Duration(3600),
                ),
                RemoteWriteSettings(
                    url=Url("http://localhost:9090/api/v1/write"),
                    basic_auth=BasicAuth(username="exporter", password_file="/run/secrets/password"),  # noqa: S106 - a file's name
                ),
            ),
            timeline=TimelineSettings(
                keep=Duration(172_800),
                max_age=Duration(172_800),
                max_bytes=1_048_576,
                endpoint=True,
                expose_for=Duration(45),
                out_of_order_time_window=Duration(1800),
            ),
            shard=ShardSettings(index=1, count=2),
        )

    def test_no_file_is_opened(self, tmp_path: Path) -> None:
        """Checking needs neither secrets nor folders: none of those named here exists."""
        missing = tmp_path / "missing"
        text = f"sources: [{{type: ask, token_file: {missing}}}, {{type: read, url: {missing}}}]"
        assert len(load_text(tmp_path, text).sources) == 2

    def test_documented_example(self, tmp_path: Path) -> None:
        """The example of the documentation is right as it is, with the real vendors and families."""
        file = tmp_path / "config.yaml"
        file.write_text(EXAMPLE, encoding="utf-8")
        assert check(file, source_types(), configurable_buckets()) == []
        found = load(file, source_types(), configurable_buckets())
        assert [source.name for source in found.sources] == ["meetings", "watch"]
        assert [source.poll_seconds for source in found.sources] == [60.0, 60.0]
        assert found.source_types == ("100ms", "watchrtc")

    def test_documented_values_are_the_defaults(self, tmp_path: Path) -> None:
        """Without the keys that have a default everything is as in the example."""
        file = tmp_path / "config.yaml"
        file.write_text(EXAMPLE, encoding="utf-8")
        documented = load(file, source_types(), configurable_buckets())
        file.write_text(
            """\
sources:
  - name: meetings
    type: 100ms
    auth: {management_token_file: /run/secrets/token}
    webhook: {secret_file: /run/secrets/webhook}
  - name: watch
    type: watchrtc
    url: /var/lib/watchrtc
    keys_as_labels: [tenant]
    push: {token_file: /run/secrets/push}
metrics:
  pseudonyms: {labels: [peer_id], salt_file: /run/secrets/salt}
""",
            encoding="utf-8",
        )
        assert load(file, source_types(), configurable_buckets()) == documented


class TestBad:
    """Files that are wrong."""

    @pytest.mark.parametrize("file", BAD, ids=[file.stem for file in BAD])
    def test_messages(self, file: Path) -> None:
        """Every mistake is said once, ordered by line, in the words that stand beside the file."""
        expected = file.with_suffix(".txt").read_text(encoding="utf-8").replace("FILE", str(file))
        assert [str(problem) for problem in check(file, VENDORS, FAMILIES)] == expected.splitlines()
        with pytest.raises(ConfigError) as caught:
            load(file, VENDORS, FAMILIES)
        assert str(caught.value) == expected.rstrip("\n")

    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that cannot be read has no line."""
        file = tmp_path / "none.yaml"
        assert [str(problem) for problem in check(file, VENDORS, FAMILIES)] == [
            f"{file}: cannot be read (No such file or directory); expected a YAML file"
        ]
        assert str(check(tmp_path, VENDORS, FAMILIES)[0]) == (
            f"{tmp_path}: cannot be read (Is a directory); expected a YAML file"
        )

    def test_problem(self) -> None:
        """A problem is a line, with or without a place."""
        assert str(Problem(file="f", line=3, path="a.b", message="m")) == "f:3: a.b: m"
        assert str(Problem(file="f", line=3, message="m")) == "f:3: m"

    def test_left_out_root(self, tmp_path: Path) -> None:
        """A document with a tag of its own is one mistake, not that and a missing key."""
        file = tmp_path / "config.yaml"
        file.write_text("!own {sources: []}\n", encoding="utf-8")
        assert [str(problem) for problem in check(file, VENDORS, FAMILIES)] == [
            f"{file}:1: the tag '!own' is not allowed; expected a plain value"
        ]

    def test_left_out_parts(self, tmp_path: Path) -> None:
        """The same holds for each part, list and element."""
        file = tmp_path / "config.yaml"
        for text in (
            "sources: !own []",
            "sources: [!own {}]",
            "sources: [{type: !own ask}]",
            "sources: [{type: read, url: x}]\nremote_write: !own []",
            "sources: [{type: read, url: x}]\nremote_write: [!own {}]",
            "sources: [{type: read, url: x, name: !own x}]",
        ):
            file.write_text(text, encoding="utf-8")
            assert len(check(file, VENDORS, FAMILIES)) == 1


HIDDEN = "do-not-show-me"

#: Places of secrets, each with values that are wrong for it in some way.
SECRET_PLACES = [
    "sources: [{type: ask, token: %s}]",
    "sources: [{type: ask, token_file: x, webhook: {secret: %s}}]",
    "sources: [{type: ask, token_file: x, webhook: %s}]",
    "sources: [{type: read, url: x}]\nmetrics: {pseudonyms: {labels: [a], salt: %s}}",
    "sources: [{type: read, url: x}]\nremote_write: [{url: %s}]",
    "sources: [{type: read, url: x}]\nremote_write: [{url: http://x, headers: {X-A: %s}}]",
    "sources: [{type: read, url: x}]\nremote_write: [{url: http://x, headers: %s}]",
    "sources: [{type: read, url: x}]\nremote_write: [{url: http://x, basic_auth: {password: %s}}]",
    "sources: [{type: read, url: x}]\nremote_write: [{url: http://x, basic_auth: %s}]",
    "sources: [{type: read, url: x}]\nremote_write: [{url: http://x, authorization: {credentials: %s}}]",
]
WRONG_VALUES = [
    f"[{HIDDEN}]",
    f'"{HIDDEN}\\n"',
    f'"{HIDDEN}\\0"',
    f"!own {HIDDEN}",
    f"https://user:{HIDDEN}@:host",
    f"{HIDDEN}: x: y",
    f"'{HIDDEN}",
    f"*{HIDDEN}",
    f"{HIDDEN}]]",
]


@pytest.mark.parametrize("place", SECRET_PLACES)
@pytest.mark.parametrize("value", WRONG_VALUES)
def test_errors_show_no_secret(tmp_path: Path, place: str, value: str) -> None:
    """However wrong what stands in a secret's place is, the message does not repeat it."""
    try:
        shown = repr(load_text(tmp_path, place % value))
    except ConfigError as error:
        shown = f"{error} {error!r} {error.problems}"
    assert HIDDEN not in shown


WORDS = st.sampled_from(
    [
        *("sources", "type", "name", "ask", "read", "url", "token", "limits", "least", "most", "calls", "id", "peers"),
        *("metrics", "buckets", "webrtc_peer_session_mos", "pseudonyms", "labels", "salt", "max_series", "series_ttl"),
        *("remote_write", "headers", "http://x", "tls_config", "queue_config", "shard", "index", "count", "quality"),
        *("5m", "webhook", "secret", "recheck_after", "rate", "mos", "fair"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=30,
)


def check_text(folder: Path, text: bytes) -> None:
    """Checks that a text is right, or that each of its problems is a line with the file and a line number."""
    file = folder / "config.yaml"
    file.write_bytes(text)
    problems = check(file, VENDORS, FAMILIES)
    assert [problem.line for problem in problems] == sorted(problem.line for problem in problems)
    for problem in problems:
        assert re.fullmatch(rf"{re.escape(str(file))}:[1-9][0-9]*: .*\w.*", str(problem))
        assert str(problem).isprintable()
    assert bool(problems) == (not _loads(file))


def _loads(file: Path) -> bool:
    try:
        load(file, VENDORS, FAMILIES)
    except ConfigError:
        return False
    return True


# No deadline: how long a machine takes to write a file is not the promise.
IN_ONE_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@IN_ONE_FOLDER
@given(data=VALUES | st.dictionaries(st.sampled_from(["sources", "metrics", "remote_write", "shard"]), VALUES))
def test_any_data(tmp_path: Path, data: object) -> None:
    """Whatever a YAML document says, there are settings or problems, and no other exception."""
    check_text(tmp_path, yaml.safe_dump(data, allow_unicode=True).encode())


@IN_ONE_FOLDER
@given(text=st.text(max_size=200), begin=st.sampled_from(["", "sources:\n  - type: read\n    url: "]))
def test_any_text(tmp_path: Path, text: str, begin: str) -> None:
    """The same holds for text that may be no YAML."""
    check_text(tmp_path, (begin + text).encode("utf-8", "surrogatepass"))


EVERYTHING = (FIXTURES / "good" / "everything.yaml").read_text(encoding="utf-8").splitlines(keepends=True)


@IN_ONE_FOLDER
@given(
    at=st.integers(0, len(EVERYTHING) - 1),
    cut=st.integers(0, 80),
    instead=st.sampled_from(["", " ", "x", "\t", ": ", "- ", "'", "{", "5", "~", "!!x ", "&a ", "*limits"]),
)
def test_any_slip(tmp_path: Path, at: int, cut: int, instead: str) -> None:
    """A right file with one slip in it is right or has problems; it never fails otherwise."""
    line = EVERYTHING[at]
    slipped = [*EVERYTHING[:at], line[:cut] + instead + line[cut + 1 :], *EVERYTHING[at + 1 :]]
    check_text(tmp_path, "".join(slipped).encode())


class TestRules:
    """Places within parts."""

    def test_inside(self) -> None:
        """The place of a part's part is written in one go."""
        assert inside("a", "") == "a"
        assert inside("a", "b[0]") == "a.b[0]"
        assert inside("a", "[0].b") == "a[0].b"

    def test_within(self) -> None:
        """A part that is not there breaks no rule."""
        assert within("a", None) == []
        assert within("a", Hook()) == [("a", "expected one of `secret` and `secret_file`")]
