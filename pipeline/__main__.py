"""`python -m pipeline`: runs what its command line (cli.py) asks for."""

import argparse
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

if sys.platform == "win32":  # before the imports, of which some fail there
    sys.exit("FakeMotion does not run on Windows itself; run it inside WSL 2 (https://learn.microsoft.com/windows/wsl)")

from pipeline import cli, graph, inspect, weights
from pipeline.datasets import variants
from pipeline.dvc_backend import dvc_client
from stages import InputError, code_digest, events, layout, params


def main() -> int:
    """The exit status: 141, a shell's for SIGPIPE, where whoever read the output has gone, as `| head -1` does."""
    try:
        try:
            return _obey(cli.arguments())
        finally:
            sys.stdout.flush()  # here rather than at exit, where it could not be caught
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):  # Python flushes them once more at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 141


def _obey(options: argparse.Namespace) -> int:
    _ask_this_machine_directly()
    try:
        if options.command == "verify":
            return _verify(options.file)
        if options.command == "weights" and options.action == "take":  # make does, whatever params.yaml holds
            print(weights.take(options.folder))
            return 0
        config = params.load()
        if options.command == "inspect":
            print(inspect.inspect(config, options.address))
            print(inspect.look(options.address))
        elif options.command == "variant":
            print(variants.write(config, options.variant, options.preset))
        elif options.command == "import":
            print(_import(config, options))
        elif options.command == "weights":
            print(_weights(config, options))
        elif options.command == "studio":
            _studio(options)
        elif options.command == "forget":
            from pipeline import forget

            print(forget.forget(config, options.name, options.yes))
        elif options.command == "table":
            _table(config, options)
        elif options.command == "evaluate":
            from pipeline.paper_tables import other_systems

            print(other_systems.evaluate(config, options.frames, options.name, options.key))
        elif options.command == "stage":
            _check(config, [options.address])
            _flow("stage", options, address=options.address)
        elif options.all:
            _check(config, graph.goals(config.transfers))
            _flow("copy_all", options)
        else:
            keys = [graph.transfer(config, options.target, source, options.key) for source in options.sources]
            _check(config, graph.goals(keys))
            _flow("copy_motion", options, target=options.target, source=options.sources, key=options.key)
    except InputError as error:
        events.emit("failed", message=str(error))
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was finished stays", file=sys.stderr)
        return 130
    except SystemExit as ended:
        print("ended; what was finished stays", file=sys.stderr)
        return ended.code
    return 0


def _check(config: params.Params, goals: Iterable[str]) -> None:
    """InputError where the goals cannot be reached, before Prefect starts: what is missing, or code whose digests are out
    of date."""
    graph.plan(config, goals)
    code_digest.check()


def _ask_this_machine_directly() -> None:
    """Whatever proxy the environment names: Prefect's server and the studio's page are here."""
    others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = ",".join([*([others] if others else []), "127.0.0.1", "localhost"])


def _verify(file: Path) -> int:
    from stages.provenance import verification

    ours, told = verification.verify(file, layout.results())
    print(told)
    return 0 if ours else 1


def _import(config: params.Params, options: argparse.Namespace) -> str:
    from pipeline.datasets import folder, iper

    if options.kind == "iper":
        only = [subject for subject in options.only.split(",") if subject]
        found = iper.iper(config, options.folder, options.preset, only)
    else:
        found = folder.folder(config, options.folder, options.preset)
    return folder.write(found, options.folder, options.preset, options.consent)


def _studio(options: argparse.Namespace) -> None:
    from pipeline.studio import app

    _interruptible()
    app.serve(options.port)


def _weights(config: params.Params, options: argparse.Namespace) -> str:
    if options.action == "fetch":
        return weights.fetch(config, options.names)
    return weights.listing(config)


def _table(config: params.Params, options: argparse.Namespace) -> None:
    """Runs what is left of a table's experiments; what there is by then is written, however that ends."""
    from pipeline.paper_tables import experiments, pages, tables

    _interruptible()
    code_digest.check()
    if options.into and (options.into.is_dir() or not options.into.parent.is_dir()):  # before hours of work
        raise InputError(f"--into {options.into}: expected a file in a folder that is there, such as docs/results.md")
    weights.fetch_metric_weights(config.with_variants(options.preset, experiments.BASE))  # as no stage does
    table = tables.Table(options.number, config, options.preset, options.subject, options.source, options.seeds)
    failures = {}
    try:
        experiments.run(config, table.experiments, failures)
    finally:
        files = pages.write(table, table.cells(failures), options.into)
        print("\n".join(map(str, files)))
    if failures:
        count = f"{len(failures)} of {len(table.experiments)}"
        raise InputError(f"{count} experiments failed; the same command tries again")


def _flow(name: str, options: argparse.Namespace, **arguments) -> None:
    """Runs a flow. A stage's failure becomes an InputError: one message, no traceback."""
    for setting in ("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_INTERNAL_LEVEL"):
        os.environ.setdefault(setting, "CRITICAL")  # the stages speak for themselves
    import httpx
    from prefect.exceptions import CancelledRun

    from pipeline.orchestration import flows

    _interruptible()
    try:
        getattr(flows, name)(**arguments, retries=options.retries, jobs=options.jobs, pool=options.gpu_pool,
                             timeout=options.timeout)
    except dvc_client.StageFailed as error:
        raise InputError(str(error)) from None
    except (httpx.TransportError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "Failed to reach API" not in str(error):
            raise
        raise InputError(f"Prefect's server at {os.environ.get('PREFECT_API_URL', 'this machine')} does not answer "
                         f"({error}); what was finished stays, and the same command goes on from there") from None
    except CancelledRun:
        raise InputError("cancelled; what was finished stays, and the same command goes on from there") from None


def _interruptible() -> None:
    """Ctrl-C, SIGTERM and a terminal that closes end the stages that run, too."""

    def interrupt(number: int, _) -> None:
        dvc_client.stop()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)


if __name__ == "__main__":
    sys.exit(main())
