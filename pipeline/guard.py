"""What stands before a page on loopback: only its own page may ask it for anything.

Any other page that the user's browser shows can send requests to this machine, and by a name that it makes the browser
take for 127.0.0.1 it could read the answers.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

HOSTS = ("127.0.0.1", "localhost")


class Guard:
    """ASGI middleware that answers 403 to what comes by another name, or from another page."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan" or own(Headers(scope=scope), scope.get("method", "")):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse("only for the page of this studio, on this machine", 403)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


def own(headers: Headers, method: str) -> bool:
    """Whether a request asks for the page itself, or comes from it."""
    host, origin = headers.get("host", ""), headers.get("origin")
    opened = method == "GET" and headers.get("sec-fetch-mode") == "navigate"  # a link to the page, or a bookmark
    site = headers.get("sec-fetch-site", "none")  # a program that is no browser says nothing
    return (urlsplit(f"//{host}").hostname in HOSTS and (not origin or urlsplit(origin).netloc == host)
            and (site in ("same-origin", "none") or opened))
