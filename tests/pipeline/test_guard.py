"""Which requests come from the studio's own page."""

import pytest
from starlette.datastructures import Headers

from pipeline import guard

HERE = {"host": "127.0.0.1:7860"}


@pytest.mark.parametrize("method, headers, own", [
    ("GET", HERE, True),
    ("GET", {"host": "localhost:7860"}, True),
    ("GET", {}, False),
    ("GET", {"host": "studio.example:7860"}, False),
    ("GET", {"host": "127.0.0.1.example:7860"}, False),
    ("POST", HERE | {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}, True),
    ("POST", HERE | {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-site"}, False),
    ("POST", HERE | {"origin": "http://localhost:7860"}, False),
    ("POST", HERE | {"origin": "null"}, False),
    ("GET", HERE | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),  # an <img> elsewhere
    ("GET", HERE | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),  # a link elsewhere
    ("POST", HERE | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),  # a form elsewhere
    ("GET", HERE | {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, True),
])
def test_own(method, headers, own):
    assert guard.own(Headers(headers), method) is own
