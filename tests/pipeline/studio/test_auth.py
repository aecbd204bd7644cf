"""Which requests the studio accepts."""

import pytest
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from pipeline.studio import auth

HERE = {"host": "127.0.0.1:7860"}
OTHER = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


@pytest.mark.parametrize("method, headers, own", [
    ("GET", HERE, True),
    ("GET", {"host": "localhost:7860"}, True),
    ("GET", {}, False),
    ("GET", {"host": "studio.example:7860"}, False),
    ("GET", {"host": "["}, False),
    ("GET", {"host": "127.0.0.1.example:7860"}, False),
    ("POST", HERE | {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}, True),
    ("POST", HERE | {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-site"}, False),
    ("POST", HERE | {"origin": "http://localhost:7860"}, False),
    ("POST", HERE | {"origin": "null"}, False),
    ("GET", HERE | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),  # an <img> on another site
    ("GET", HERE | OTHER | {"sec-fetch-dest": "document"}, True),   # a link on another site
    ("GET", HERE | OTHER | {"sec-fetch-dest": "iframe"}, False),    # a frame on another site (clickjacking)
    ("POST", HERE | OTHER | {"sec-fetch-dest": "document"}, False),  # a form on another site
    ("GET", HERE | {"sec-fetch-site": "none", "sec-fetch-dest": "document"}, True),
])
def test_is_own_request(method, headers, own):
    assert auth.is_own_request(Headers(headers), method) is own


@pytest.mark.parametrize("path, query, cookie, status", [
    ("/", "", "", 401),
    ("/", "key=wrong", "", 401),
    ("/", "key=", "studio_1=", 401),
    ("/", "key=%C3%A9", "studio_1=é", 401),
    ("/", "key=right", "", 303),
    ("/", "", "studio_1=wrong", 401),
    ("/", "", "studio_2=right", 401),  # of a studio on another port
    ("/", "", "a=b; studio_1=right", None),
    ("/gradio_api/file=/x.mp4", "", "", 401),
    ("/gradio_api/startup-events", "", "", None),
])
def test_a_key_is_required(path, query, cookie, status):
    headers = [(b"host", b"127.0.0.1:1"), (b"cookie", cookie.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers}
    answer = auth.AuthMiddleware(None, "right", "studio_1").rejection(HTTPConnection(scope), "GET")
    assert (answer and answer.status_code) == status
    if status == 303:
        assert answer.headers["location"] == "/"
        assert answer.headers["set-cookie"] == "studio_1=right; HttpOnly; Path=/; SameSite=lax"


def test_the_key_does_not_help_another_site():
    scope = {"type": "http", "path": "/", "query_string": b"key=right", "headers": [(b"host", b"evil.example")]}
    assert auth.AuthMiddleware(None, "right", "studio_1").rejection(HTTPConnection(scope), "GET").status_code == 403
