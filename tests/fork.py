"""Speeds up tests by forking instead of starting new interpreters.

`python -m dvc`, `-m pipeline.dvc_backend.split_lock` and `-m stages` run in forks of a process that has already
imported what they need, which saves half a second or more each. `Popen` replaces subprocess.Popen. What it starts is a
normal child process with its own session and files. DVC, itself a fork, forks again for its stage. Each fork imports
the project's modules from its own working folder.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import string
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAMS = {"dvc", "pipeline.dvc_backend.split_lock", "stages", "stages.code_digest"}
LOADED = (  # third-party modules that the programs import
    "configobj", "configparser", "dulwich.ignore", "dulwich.worktree", "dvc._debug", "dvc.analytics", "dvc.cachemgr",
    "dvc.cli.parser", "dvc.compare", "dvc.data_cloud", "dvc.dependency.param", "dvc.lock", "dvc.render.convert",
    "dvc.repo.artifacts", "dvc.repo.brancher", "dvc.repo.collect", "dvc.repo.datasets", "dvc.repo.experiments.collect",
    "dvc.repo.experiments.executor.local", "dvc.repo.experiments.queue.workspace", "dvc.repo.experiments.run",
    "dvc.repo.experiments.show", "dvc.repo.fetch", "dvc.repo.graph", "dvc.repo.index", "dvc.repo.metrics.diff",
    "dvc.repo.open_repo", "dvc.repo.params", "dvc.repo.plots.diff", "dvc.repo.push", "dvc.repo.reproduce",
    "dvc.repo.stage", "dvc.repo.status", "dvc.repo.trie", "dvc.repo.worktree", "dvc.rwlock", "dvc.scm", "dvc.stage.run",
    "dvc.stage.utils", "dvc.ui.table", "dvc.utils.hydra", "dvc.utils.strictyaml", "dvc_data.fs",
    "dvc_data.hashfile.checkout", "dvc_data.hashfile.db.index", "dvc_data.hashfile.db.local", "dvc_data.hashfile.status",
    "dvc_data.index.checkout", "dvc_data.index.fetch", "dvc_data.index.push", "dvc_s3", "fsspec.implementations.memory",
    "graphlib", "hydra._internal.core_plugins.structured_config_source", "inspect", "networkx", "psutil",
    "pydantic._internal._validators", "pyparsing", "resource", "rich.console", "ruamel.yaml", "s3fs", "scmrepo.git",
    "tqdm", "yaml", "zc.lockfile")
OURS = (  # the project's modules, reused if those of the working folder are identical
    "stages.code_digest", "stages.media.artifact_metadata", "stages.params", "stages.progress")
CHILD_SUBREAPER = 36  # of prctl(2): orphans become children of the nearest ancestor that has set it
MAX_REQUEST = 1 << 17  # bytes

REAL = subprocess.Popen
_forked = False  # whether this process is a fork


class Popen(REAL):
    """subprocess.Popen that forks for PROGRAMS."""

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags,
                       shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *rest):
        environment = dict(os.environ if env is None else env)
        words = _words(args, environment)
        if not words or shell or executable or preexec_fn:
            return super()._execute_child(
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell, p2cread,
                p2cwrite, c2pread, c2pwrite, errread, errwrite, *rest)
        streams = [given if given != -1 else ours for ours, given in enumerate((p2cread, c2pwrite, errwrite))]
        order = {"words": words, "cwd": os.path.abspath(cwd or "."), "environment": environment,
                 "session": bool(rest[-2]), "keeps": list(pass_fds)}
        self.pid = _fork(order, [*streams, *pass_fds]) if _forked else _zygote().ask(order, [*streams, *pass_fds])
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def _words(args, environment: dict[str, str]) -> list[str]:
    """The arguments of `python` if one of PROGRAMS is to be run, directly or by DVC's shell; else an empty list."""
    args = [str(arg) for arg in args] if isinstance(args, (list, tuple)) else []
    if len(args) > 2 and args[-2] == "-c" and args[-1].startswith("python -m stages"):
        args = [string.Template(word.strip('"')).substitute(environment) for word in args[-1].split()]
    elif not args or args[0] != sys.executable:
        return []
    words = args[2:] if args[1:2] == ["-P"] else args[1:]
    return args[1:] if words[:1] == ["-m"] and words[1] in PROGRAMS else []


class Zygote:
    """The process that is forked. It has no threads and no state except loaded modules."""

    def __init__(self):
        ctypes.CDLL(None).prctl(CHILD_SUBREAPER, 1, 0, 0, 0)
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            REAL([sys.executable, "-m", __name__, str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()],
                             env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def ask(self, order: dict, files: list[int]) -> int:
        """Starts a fork, which is a child of this process, and returns its process id."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(order).encode()], files)
            return json.loads(self._socket.recv(MAX_REQUEST))


@cache
def _zygote() -> Zygote:
    return Zygote()


def _serve(channel: socket.socket) -> None:
    while True:
        request, files, _, _ = socket.recv_fds(channel, MAX_REQUEST, 16)
        if not request:
            return
        reader, writer = os.pipe()
        if middle := os.fork():  # ends at once, so that the caller (a subreaper) becomes the parent of the fork
            os.close(writer)
            os.waitpid(middle, 0)
            with open(reader) as answer:
                channel.send(answer.read().encode())
            for file in files:
                os.close(file)
        else:
            channel.close()
            os.write(writer, str(_fork(json.loads(request), files)).encode())
            os._exit(0)


def _fork(order: dict, files: list[int]) -> int:
    if number := os.fork():
        return number
    code = 1
    try:
        code = _become(order, files)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _become(order: dict, files: list[int]) -> int:
    """Runs a program as the interpreter would and returns its exit code."""
    global _forked
    _forked = True
    if order["session"]:
        os.setsid()
    high = [os.dup(file) for file in files]  # away from the target descriptors
    for file, number in zip(high, [0, 1, 2, *order["keeps"]]):
        os.dup2(file, number)
    last = 2
    for number in sorted(order["keeps"]):
        os.closerange(last + 1, number)
        last = number
    os.closerange(last + 1, 4096)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    subprocess.Popen = Popen
    _take_over(Path(order["cwd"]))
    for number, name in enumerate(("stdout", "stderr"), 1):
        setattr(sys, name, open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False))
    words = list(order["words"])
    own = [order["cwd"]] if words[0] != "-P" else words.pop(0) and []
    paths = [path for path in order["environment"].get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*own, *paths, *(path for path in sys.path if path not in ("", str(ROOT)))]
    _, module, *sys.argv[1:] = words
    sys.modules.pop(module if module in OURS else "", None)  # it will be __main__
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    return code


def _take_over(folder: Path) -> None:
    """Reuses the loaded modules of OURS for the project in `folder` if its files are identical; otherwise unloads
    them."""
    ours = {name: Path(module.__file__) for name, module in sys.modules.items() if name.split(".")[0] == "stages"}
    theirs = {name: folder / file.relative_to(ROOT) for name, file in ours.items()}
    same = all(theirs[name].is_file() and theirs[name].read_bytes() == file.read_bytes() for name, file in ours.items())
    for name, file in theirs.items():
        if not same:
            del sys.modules[name]
        elif file.name == "__init__.py":
            sys.modules[name].__path__[:] = [str(file.parent)]


if __name__ == "__main__":
    for name in (*LOADED, *OURS):
        importlib.import_module(name)
    parser = sys.modules["dvc.cli.parser"]
    parser.get_main_parser = cache(parser.get_main_parser)
    parser.get_main_parser()  # slow: a hundred commands
    gc.freeze()  # garbage collection in a fork would copy all these pages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: this process ends when the tests' process does
    _serve(socket.socket(fileno=int(sys.argv[1])))
