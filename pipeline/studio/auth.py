"""Accepts requests only from the studio's own page, in the browser of the user who started the studio.

Other websites that are open in the browser can also send requests to this machine; with a host name that resolves to
127.0.0.1 they could read the responses. Other users of this machine can send requests too. Therefore a secret key is
printed when the studio starts, and the browser stores it as a cookie."""

import secrets

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse

HOSTS = ("127.0.0.1", "localhost")
STARTUP_PATH = "/gradio_api/startup-events"  # Gradio requests it itself, without a cookie; it returns no data


class AuthMiddleware:
    """ASGI middleware. Responds with 403 to requests with another host name or from another site, and with 401 without
    the key. A request with the key in its URL, /?key=..., gets the cookie. `cookie` is its name: browsers share cookies
    between ports."""

    def __init__(self, app, key: str, cookie: str):
        self.app, self.key, self.cookie = app, key, cookie

    async def __call__(self, scope, receive, send) -> None:
        response = None if scope["type"] == "lifespan" else self.rejection(HTTPConnection(scope), scope.get("method", ""))
        if response is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def rejection(self, request: HTTPConnection, method: str) -> PlainTextResponse | RedirectResponse | None:
        """The response to a request that is rejected; None if the request is accepted."""
        if not is_own_request(request.headers, method):
            return PlainTextResponse("only the studio's own page on this machine may send requests", 403)
        if self._is_key(request.query_params.get("key", "")):
            response = RedirectResponse("/", 303)
            response.set_cookie(self.cookie, self.key, httponly=True, samesite="lax")
            return response
        if self._is_key(request.cookies.get(self.cookie, "")) or request.url.path == STARTUP_PATH:
            return None
        return PlainTextResponse("open the address with the key that the studio printed when it was started", 401)

    def _is_key(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self.key.encode())


def is_own_request(headers: Headers, method: str) -> bool:
    """Whether a request opens the page itself or comes from it."""
    host, origin = headers.get("host", ""), headers.get("origin")
    opened = method == "GET" and headers.get("sec-fetch-dest") == "document"  # by a link, but not in a frame
    site = headers.get("sec-fetch-site", "none")  # only browsers send it
    return (host.partition(":")[0] in HOSTS and origin in (None, f"http://{host}")
            and (site in ("same-origin", "none") or opened))
