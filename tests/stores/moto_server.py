"""moto's server as a process of its own: `python -m tests.stores.moto_server s3`, or `google`.

S3 checks signatures and permissions: one user may do everything, one may list and not read. For Google Cloud Storage
the same server speaks the XML API behind `GoogleWays`: in pages, with tokens, with answers without a length, none of
which the emulator of `tests.stores.emulator_place` has. What else is on PyPI and npm (gcp-storage-emulator,
gcloud-storage-emulator, firebase-tools) lists by Google's JSON API only, which the object-store library does not use.
"""

from __future__ import annotations

import gzip
import json
import logging
import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import botocore.utils  # type: ignore[import-untyped] # it ships no types
import moto.settings
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import S3Backend, s3_backends
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_ACCOUNT = "123456789012"
#: How the object-store library calls itself; the tests write with other clients.
_LIBRARY = "object_store/"
#: Bytes that a page of a thousand objects has at least.
_FULL_PAGE = 100_000
GOOGLE_TOKEN = "google-token"  # noqa: S105 - of a server that is ours
#: Larger ones Google sends without their length; it does so from some 9 MB on.
_GOOGLE_LENGTH_LIMIT = 9_000_000


class Counted:
    """Counts what the object-store library asks for, and makes objects by the thousand."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._asked: Counter[str] = Counter()
        #: Full pages of listings, until something is written: moto is slow, and the next poll asks for all again.
        self._pages: dict[str, Response] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = Request(environ)
        if request.path == "/-asked":
            asked, self._asked = self._asked, Counter()
            return Response(json.dumps(asked))(environ, start_response)
        if request.path == "/-fill":
            _fill(request.args["bucket"], request.args["prefix"], int(request.args["count"]))
            return Response()(environ, start_response)
        if request.method != "GET":
            self._pages.clear()
        if not request.headers.get("User-Agent", "").startswith(_LIBRARY):
            return self._application(environ, start_response)
        if "list-type" not in request.args:
            self._asked["reads"] += 1
            return self._application(environ, start_response)
        self._asked["listings"] += 1
        answer = self._pages.get(request.full_path) or Response.from_app(self._application, environ, buffered=True)
        if len(answer.data) > _FULL_PAGE:
            self._pages[request.full_path] = answer
        return answer(environ, start_response)


class GoogleWays:
    """What Google does and S3 does not: cloud.google.com/storage/docs/transcoding, apache/arrow-rs-object-store#774."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        if not environ.get("HTTP_USER_AGENT", "").startswith(_LIBRARY):
            return self._application(environ, start_response)
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {GOOGLE_TOKEN}":
            answer = Response("<Error><Code>AuthenticationRequired</Code></Error>", status=401)
        elif "list-type" in environ.get("QUERY_STRING", ""):
            answer = self._listing(environ)
        else:
            answer = self._object(environ)
        return answer(environ, start_response)

    def _listing(self, environ: WSGIEnvironment) -> Response:
        """Compressed, as a server may, for those who take it."""
        answer = self._asked(environ)
        if "gzip" not in environ.get("HTTP_ACCEPT_ENCODING", ""):
            return answer
        headers = {"Content-Type": answer.headers["Content-Type"], "Content-Encoding": "gzip"}
        return Response(gzip.compress(answer.data), status=answer.status, headers=headers)

    def _object(self, environ: WSGIEnvironment) -> Response:
        answer = self._asked(environ)
        if answer.headers.get("Content-Encoding") != "gzip":
            return answer
        if "gzip" not in environ.get("HTTP_ACCEPT_ENCODING", ""):
            # A range is ignored, and what is known of the stored bytes is not said.
            whole = self._asked({name: value for name, value in environ.items() if name != "HTTP_RANGE"})
            return Response(_in_pieces(gzip.decompress(whole.data)), headers={"Vary": "Accept-Encoding"})
        if len(answer.data) > _GOOGLE_LENGTH_LIMIT:
            told = {name: answer.headers[name] for name in ("ETag", "Last-Modified", "Content-Encoding")}
            return Response(_in_pieces(answer.data), headers=told)
        return answer

    def _asked(self, environ: WSGIEnvironment) -> Response:
        return Response.from_app(self._application, environ, buffered=True)


def _in_pieces(raw: bytes) -> Iterable[bytes]:
    """A body whose length the server does not know, and does not say."""
    for start in range(0, len(raw), 1 << 16):
        yield raw[start : start + (1 << 16)]


def _fill(bucket: str, prefix: str, count: int) -> None:
    for number in range(count):
        s3_backends[_ACCOUNT]["aws"].put_object(bucket, f"{prefix}{number:06}.json", b"[]")


def _sorted_once(slow: Callable[..., Any]) -> Callable[..., Any]:
    """Keeps the keys of large buckets in order: moto sorts them for each page."""
    known: dict[str, tuple[int, list[str]]] = {}

    def list_objects(self: S3Backend, bucket: Any, **asked: Any) -> Any:  # noqa: ANN401 - moto's
        if asked["delimiter"] or len(bucket.keys) < 10_000:
            return slow(self, bucket, **asked)
        count, names = known.get(bucket.name, (0, []))
        if count != len(bucket.keys):
            names = sorted(bucket.keys)
            known[bucket.name] = len(bucket.keys), names
        token, prefix = asked["continuation_token"], asked["prefix"] or ""
        after = self._pagination_tokens[token] if token else asked["start_after"] or ""
        start = max(bisect_left(names, prefix), bisect_right(names, after))
        page = names[start : start + asked["max_keys"] + 1]
        return self._truncate_result([bucket.keys[name] for name in page if name.startswith(prefix)], asked["max_keys"])

    return list_objects


def _users() -> dict[str, list[str]]:
    """Makes the users, and gives the access key of each."""
    iam, keys = iam_backends[_ACCOUNT]["aws"], {}
    for name, actions in (("owner", "s3:*"), ("lister", "s3:ListBucket")):
        iam.create_user("aws", name)
        key = iam.create_access_key(name)
        keys[name] = [key.access_key_id, key.secret_access_key]
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.put_user_policy(name, "all", json.dumps(policy))
    return keys


def main(kind: str) -> None:
    """Serves until it is killed; the first line that it says has its address and the users' keys."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application: WSGIApplication = DomainDispatcherApplication(create_backend_app)
    users = _users()
    if kind == "google":
        application = GoogleWays(application)
    else:
        moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    # Nearly half of the time for a page goes into times that it has parsed before.
    botocore.utils.parse_timestamp = lru_cache(10_000, typed=True)(botocore.utils.parse_timestamp)
    S3Backend.list_objects_v2 = _sorted_once(S3Backend.list_objects_v2)  # type: ignore[method-assign] # its own is slow
    server = make_server("127.0.0.1", 0, Counted(application), threaded=True, request_handler=MotoRequestHandler)
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{server.server_port}", **users}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
