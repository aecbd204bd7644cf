"""What stands before a page on loopback: only its own page, in the browser of who started it, may ask for anything.

Any other page that the user's browser shows can send requests to this machine, and by a name that it makes the browser
take for 127.0.0.1 it could read the answers. So can everybody who works on this machine; but only who started the
studio is told its key, which a browser then keeps as a cookie.
"""

import secrets

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse

HOSTS = ("127.0.0.1", "localhost")
STARTUP_PATH = "/gradio_api/startup-events"  # which Gradio asks itself for, without a cookie; it tells nothing


class AuthMiddleware:
    """ASGI middleware. 403: what comes by another name, or from another page; 401: without the key. With the key in its
    address, /?key=..., the page gives the cookie. A browser does not keep the cookies of two ports apart: `cookie` is
    its name."""

    def __init__(self, app, key: str, cookie: str):
        self.app, self.key, self.cookie = app, key, cookie

    async def __call__(self, scope, receive, send) -> None:
        answer = None if scope["type"] == "lifespan" else self.rejection(HTTPConnection(scope), scope.get("method", ""))
        if answer is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def rejection(self, asked: HTTPConnection, method: str) -> PlainTextResponse | RedirectResponse | None:
        """What is answered in the page's place; None: the page answers."""
        if not is_own_request(asked.headers, method):
            return PlainTextResponse("only for the page of this studio, on this machine", 403)
        if self._is_key(asked.query_params.get("key", "")):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self.cookie, self.key, httponly=True, samesite="lax")
            return answer
        if self._is_key(asked.cookies.get(self.cookie, "")) or asked.url.path == STARTUP_PATH:
            return None
        return PlainTextResponse("only for who started this studio: open the address that it printed then", 401)

    def _is_key(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self.key.encode())


def is_own_request(headers: Headers, method: str) -> bool:
    """Whether a request asks for the page itself, or comes from it."""
    host, origin = headers.get("host", ""), headers.get("origin")
    opened = method == "GET" and headers.get("sec-fetch-dest") == "document"  # a link to it, but no frame around it
    site = headers.get("sec-fetch-site", "none")  # a program that is no browser says nothing
    return (host.partition(":")[0] in HOSTS and origin in (None, f"http://{host}")
            and (site in ("same-origin", "none") or opened))
