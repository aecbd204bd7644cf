"""DVC remotes for tests: a folder, and a bucket of an S3 server (moto) in the tests' process."""

import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client

KEYS = {"access_key_id": "AKIAFAKEMOTION123456", "secret_access_key": "sEcReT/fakemotion+of+a+test/0123456789ab"}


@dataclass(frozen=True)
class Remote:
    """A storage for artifacts. `options`: the server's address and access keys, if it needs them."""

    url: str
    options: dict[str, str] = field(default_factory=dict)

    def configure(self, folder: Path) -> None:
        """Makes it the default remote of the project in `folder` by writing .dvc/config.local, as `dvc remote add
        --local --default` and `dvc remote modify --local` would."""
        lines = ["[core]", "    remote = storage", "['remote \"storage\"']", f"    url = {self.url}"]
        lines += [f"    {name} = {value}" for name, value in self.options.items()]
        (folder / ".dvc/config.local").write_text("\n".join(lines) + "\n")


class S3Server:
    """Listens on a free loopback port. Stored objects survive `stop`; `start` listens at the same address again."""

    def __init__(self):
        self._app = DomainDispatcherApplication(create_backend_app)
        self._changed = threading.Condition()
        self.requests: list[str] = []  # such as PUT /bucket/key, in order
        self.breaks = lambda request: ""  # the status with which a request fails, such as 503 Slow Down; "": it succeeds
        self.port = 0
        self.start()

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True, request_handler=_Silent)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Accepts no more connections; requests in progress are completed."""
        self._server.shutdown()
        self._thread.join()

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Waits until the server has received this number of requests in total."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, seconds), self.requests

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def remote(self) -> Remote:
        """A new, empty bucket."""
        bucket = f"artifacts-{uuid.uuid4().hex}"
        assert Client(self._app).put(f"/{bucket}", base_url=self.address).status_code == 200
        return Remote(f"s3://{bucket}/dvc", {"endpointurl": self.address, "region": "us-east-1", **KEYS})

    def _answer(self, environment: dict, respond):
        request = f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']}"
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if status := self.breaks(request):
            respond(status, [("Content-Length", "0")])
            return []
        return self._app(environment, respond)


class _Silent(WSGIRequestHandler):
    def log_request(self, *_) -> None:
        pass
