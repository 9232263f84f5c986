"""Opens a bucket with the options of the configuration, and says what is wrong with them."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from exporter.sources.watchrtc.cloud import CloudStore
from exporter.sources.watchrtc.cloud_errors import is_of_library
from exporter.sources.watchrtc.patient_store import PatientStore
from exporter.values import MASK, Url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obstore.store import RetryConfig

    from exporter.sources.watchrtc.cloud import Store, Tell
    from exporter.sources.watchrtc.location import Bucket
    from exporter.sources.watchrtc.worker import Worker

#: What the library would take otherwise: half a minute for all of an object, no end to waiting for its next byte.
_TIMEOUTS = {"timeout": "6h", "connect_timeout": "5s", "read_timeout": "15s"}
#: The next poll is the better retry: a poll that waits long delays the end of the process, too.
_RETRY: RetryConfig = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=15),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
#: Google decompresses what is stored with `Content-Encoding: gzip` for those who do not ask for gzip. Not for listings:
#: a server may compress them then, and the library decompresses nothing.
_AS_STORED = {"Accept-Encoding": "gzip"}
#: What the library takes either all as options of the store, or all apart, where headers can be given too.
_OF_CLIENT = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "default_content_type",
        "http1_only",
        "http2_keep_alive_interval",
        "http2_keep_alive_timeout",
        "http2_keep_alive_while_idle",
        "http2_max_frame_size",
        "http2_only",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_ca_certificate",
        "proxy_excludes",
        "proxy_url",
        "randomize_addresses",
        "read_timeout",
        "timeout",
        "user_agent",
    }
)
#: Options of Google's that the library reads files or keys by as soon as a store is opened.
_CREDENTIALS = re.compile("service_account|credentials", re.IGNORECASE)
_PARSE = re.compile(r"failed to parse .* as (\w+)", re.DOTALL)
_EXPECTED = {"boolean": "expected `true` or `false`, quoted", "Duration": "expected a duration such as `30s`"}


class ExtraMissingError(ValueError):
    """The object-store library is not installed; the text says how to get it."""


class OptionError(ValueError):
    """The library refuses the options; the text holds no value of theirs."""

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        #: The option that is wrong, where one is to blame.
        self.option = option


def open_cloud(
    bucket: Bucket, options: Mapping[str, str], tell: Tell = lambda *_: None, worker: Worker | None = None
) -> CloudStore:
    """Opens a bucket; nothing is asked of it yet.

    Args:
        bucket: where the objects lie.
        options: endpoint, region, credentials, time limits, as the library names them.
        tell: is told of each request, as `CloudStore` says.
        worker: in whose steps it is asked; needed for no more than to look at the options.

    Raises:
        ExtraMissingError: the library is not there.
        OptionError: the library refuses the options.
    """
    try:
        from obstore import store as stores  # noqa: PLC0415 - an extra: whoever reads folders does without
    except ImportError as error:
        msg = f"{bucket.scheme}:// needs an extra: pip install 'webrtc-quality-exporter[stores]'"
        raise ExtraMissingError(msg) from error
    config = {**_TIMEOUTS, **options}
    for name, value in options.items():
        if name.lower().endswith(("endpoint", "base_url")):
            _check_url(name, value)
            # Whoever writes http:// out means it; the library wants to be told twice.
            if value.lower().startswith("http:"):
                config.setdefault("allow_http", "true")
    makers: dict[str, Callable[..., Store]] = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}
    make = partial(makers[bucket.scheme], bucket.name, prefix=bucket.prefix or None, retry_config=_RETRY)
    reading = None
    try:
        store = make(config=config)
        if bucket.scheme == "gs":
            reading = make(**_apart(config))
    except BaseException as error:
        if not is_of_library(error):
            raise
        raise _option_error(error, bucket, options) from None
    if worker is None:
        return CloudStore(bucket, store, tell, reading=reading)
    patient = PatientStore(reading, worker) if reading else None
    return CloudStore(bucket, PatientStore(store, worker), tell, reading=patient)


def _apart(config: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """The options for Google as the library takes them beside headers."""
    options: dict[str, object] = {}
    of_client: dict[str, object] = {"default_headers": _AS_STORED}
    for name, value in config.items():
        plain = name.lower().removeprefix("google_")
        if plain in _OF_CLIENT:
            of_client[plain] = value
        else:
            options[name] = value
    return {"config": options, "client_options": of_client}


def option_problems(bucket: Bucket, options: Mapping[str, str]) -> list[tuple[str | None, str]]:
    """What is wrong with options, each with its name where it has one; reads no file that the options name.

    Raises:
        ExtraMissingError: the library is not there.
    """
    tried = {name: value for name, value in options.items() if bucket.scheme != "gs" or not _CREDENTIALS.search(name)}
    found: list[tuple[str | None, str]] = []
    for name in options.keys() - tried.keys():
        refused = _refused(bucket, {name: ""})
        found += [(name, str(refused))] if refused and refused.option else []
    # The library stops at the first one.
    while refused := _refused(bucket, tried):
        if refused.option is None:
            # Google's default credentials are no part of the configuration, and may be put there later.
            found += [(None, str(refused))] if bucket.scheme != "gs" else []
            break
        found.append((refused.option, str(refused)))
        del tried[refused.option]
    return found


def _refused(bucket: Bucket, options: Mapping[str, str]) -> OptionError | None:
    try:
        open_cloud(bucket, options)
    except OptionError as error:
        return error
    return None


def _check_url(name: str, value: str) -> None:
    try:
        Url.parse(value)
    except ValueError as error:
        # The library would not refuse it, and panic when it is used.
        raise OptionError(str(error), name) from None


def _option_error(error: BaseException, bucket: Bucket, options: Mapping[str, str]) -> OptionError:
    text = str(error).partition("\n\nDebug source")[0]
    if type(error).__name__ == "UnknownConfigurationKeyError":
        name = next((name for name in options if f"'{name.lower()}'" in text.lower()), None)
        return OptionError(f"the object-store library knows no such option for {bucket.scheme}://", name)
    if parse := _PARSE.search(text):
        name = next((name for name, value in options.items() if f'"{value}"' in text), None)
        return OptionError(_EXPECTED.get(parse[1], f"expected a {parse[1]}"), name)
    for value in sorted(options.values(), key=len, reverse=True):
        text = text.replace(value, MASK) if value else text
    return OptionError(f"{bucket}: the options are refused: {' '.join(text.split())}")
