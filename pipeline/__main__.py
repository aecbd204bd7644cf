"""Runs the command line, `python -m pipeline COMMAND ...`. cli.py defines the commands and their options."""

import argparse
import os
import signal
import sys
from collections.abc import Iterable

from pipeline import cli, graph, inspect, weights
from pipeline.datasets import variants
from pipeline.dvc_backend import dvc_client
from stages import InputError, code_digest, events, layout, params

CONTINUE = "finished stages are kept, and the same command continues from there"


def main() -> int:
    """Runs a command and returns the exit code. It is 141 (a shell's code for SIGPIPE) if the output is a pipe that the
    other program has closed, as with `| head -1`."""
    try:
        try:
            return _run_command(cli.arguments())
        finally:
            sys.stdout.flush()  # here and not at exit, where the error could not be caught
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):  # Python flushes them again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 141


def _run_command(options: argparse.Namespace) -> int:
    """Runs a command. Turns errors of the user's input and interruptions into a message and an exit code."""
    _bypass_proxy()
    try:
        return COMMANDS[options.command](options) or 0
    except InputError as error:
        events.emit("failed", message=str(error))
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; {CONTINUE}", file=sys.stderr)
        return 130
    except SystemExit as error:
        print(f"terminated; {CONTINUE}", file=sys.stderr)
        return error.code


def _bypass_proxy() -> None:
    """Excludes requests to this machine (Prefect's server, the studio) from a proxy that the environment sets."""
    others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = ",".join([*([others] if others else []), "127.0.0.1", "localhost"])


def _run(options: argparse.Namespace) -> None:
    config = params.load()
    if options.all:
        _check(config, graph.goals(config.transfers))
        _flow("copy_all", options)
    else:
        keys = [graph.transfer(config, options.target, source, options.key) for source in options.sources]
        _check(config, graph.goals(keys))
        _flow("copy_motion", options, target=options.target, source=options.sources, key=options.key)


def _stage(options: argparse.Namespace) -> None:
    _check(params.load(), [options.address])
    _flow("stage", options, address=options.address)


def _inspect(options: argparse.Namespace) -> None:
    print(inspect.describe(params.load(), options.address))
    print(inspect.show_sheet(options.address))


def _verify(options: argparse.Namespace) -> int:
    from stages.provenance import verification

    ours, report = verification.verify(options.file, layout.results())
    print(report)
    return 0 if ours else 1


def _variant(options: argparse.Namespace) -> None:
    print(variants.write(params.load(), options.variant, options.preset))


def _import(options: argparse.Namespace) -> None:
    from pipeline.datasets import folder, iper

    config = params.load()
    if options.kind == "iper":
        only = [subject for subject in options.only.split(",") if subject]
        found = iper.find_people(config, options.folder, options.preset, only)
    else:
        found = folder.find_people(config, options.folder, options.preset)
    print(folder.import_people(found, options.folder, options.preset, options.consent))


def _table(options: argparse.Namespace) -> None:
    """Runs the missing experiments of a table. The table is written with the results so far, also after an error."""
    from pipeline.paper_tables import experiments, pages, tables

    config = params.load()
    _stop_stages_on_signals()
    code_digest.check()
    if options.into and (options.into.is_dir() or not options.into.parent.is_dir()):  # before hours of computation
        raise InputError(f"--into {options.into}: expected a file in an existing folder, such as docs/results.md")
    weights.fetch_metric_weights(config.with_variants(options.preset, experiments.BASE_VARIANT))  # no stage downloads them
    table = tables.Table(options.number, config, options.preset, options.subject, options.source, options.seeds)
    failures = {}
    try:
        experiments.run(config, table.experiments, failures)
    finally:
        files = pages.write(table, table.cells(failures), options.into)
        print("\n".join(map(str, files)))
    if failures:
        count = f"{len(failures)} of {len(table.experiments)}"
        raise InputError(f"{count} experiments failed; the same command tries them again")


def _evaluate(options: argparse.Namespace) -> None:
    from pipeline.paper_tables import other_systems

    print(other_systems.evaluate(params.load(), options.frames, options.name, options.key))


def _studio(options: argparse.Namespace) -> None:
    params.load()  # reports errors in params.yaml before the page starts
    from pipeline.studio import app

    _stop_stages_on_signals()
    app.serve(options.port)


def _forget(options: argparse.Namespace) -> None:
    from pipeline import forget

    print(forget.forget(params.load(), options.name, options.yes))


def _weights(options: argparse.Namespace) -> None:
    if options.action == "take":  # works without a valid params.yaml: make runs it
        print(weights.take(options.folder))
    elif options.action == "fetch":
        print(weights.fetch(params.load(), options.names))
    else:
        print(weights.listing(params.load()))


COMMANDS = {"run": _run, "stage": _stage, "inspect": _inspect, "verify": _verify, "variant": _variant, "import": _import,
            "table": _table, "evaluate": _evaluate, "studio": _studio, "forget": _forget, "weights": _weights}


def _check(config: params.Params, goals: Iterable[str]) -> None:
    """Raises InputError before Prefect starts if an input is missing or the code digests are out of date."""
    graph.plan(config, goals)
    code_digest.check()


def _flow(name: str, options: argparse.Namespace, **arguments) -> None:
    """Runs a flow. A failed stage becomes an InputError: one message, no traceback."""
    for setting in ("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_INTERNAL_LEVEL"):
        os.environ.setdefault(setting, "CRITICAL")  # our own messages are enough
    import httpx
    from prefect.exceptions import CancelledRun

    from pipeline.orchestration import flows

    _stop_stages_on_signals()
    try:
        getattr(flows, name)(**arguments, retries=options.retries, jobs=options.jobs, pool=options.gpu_pool,
                             timeout=options.timeout)
    except dvc_client.StageFailed as error:
        raise InputError(str(error)) from None
    except (httpx.TransportError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "Failed to reach API" not in str(error):
            raise
        raise InputError(f"Prefect's server at {os.environ.get('PREFECT_API_URL', 'this machine')} does not respond "
                         f"({error}); {CONTINUE}") from None
    except CancelledRun:
        raise InputError(f"cancelled; {CONTINUE}") from None


def _stop_stages_on_signals() -> None:
    """Makes Ctrl-C, SIGTERM and a closed terminal (SIGHUP, unless under nohup) terminate the running stages too."""

    def interrupt(number: int, _) -> None:
        dvc_client.stop_all()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


if __name__ == "__main__":
    sys.exit(main())
