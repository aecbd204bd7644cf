"""The command line.

  python -m pipeline run ava --from ben        ava moves like ben; --from ava reconstructs the held-out part
  python -m pipeline run --all --gpu-pool gpu   every transfer, the trainings by the workers of a Prefect work pool
  python -m pipeline stage generator_training@ava
  python -m pipeline inspect generator_training@ava    what it wrote: a table, and a picture
  python -m pipeline verify FILE               whether a video is ours, untouched, and from what
  python -m pipeline variant edn --of demo     adds the preset demo_edn to params.yaml
  python -m pipeline import folder CLIPS       adds the people of a folder of clips to params.yaml; iper: those of iPER
  python -m pipeline table 1 --seeds 3         the paper's Table 1 (or 2): runs its methods, writes artifacts/tables/
  python -m pipeline evaluate --frames FOLDER --as lwgan ava_from_ben    scores another system's frames
  python -m pipeline studio                    a page on this machine: drop two videos, watch, take the result away
  python -m pipeline forget ava                removes a person: artifacts, caches, remote copies
  python -m pipeline weights                   which files of trained weights the presets need; fetch, take
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

if sys.platform == "win32":  # before the imports, of which some fail there
    sys.exit("FakeMotion does not run on Windows itself; run it inside WSL 2 (https://learn.microsoft.com/windows/wsl)")

from pipeline import artifacts, dvc, graph, variants, weights
from stages import InputError, code_digest, events, layout, params


def main() -> int:
    """The exit status: 141, a shell's for SIGPIPE, where whoever read the output has gone, as `| head -1` does."""
    try:
        try:
            return _obey(_arguments())
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
            print(artifacts.inspect(config, options.address))
            print(artifacts.look(options.address))
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
            from pipeline import evaluation

            print(evaluation.evaluate(config, options.frames, options.name, options.key))
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
    from pipeline import imports, iper

    if options.kind == "iper":
        only = [subject for subject in options.only.split(",") if subject]
        found = iper.iper(config, options.folder, options.preset, only)
    else:
        found = imports.folder(config, options.folder, options.preset)
    return imports.write(found, options.folder, options.preset, options.consent)


def _studio(options: argparse.Namespace) -> None:
    from pipeline import studio

    _interruptible()
    studio.serve(options.port)


def _weights(config: params.Params, options: argparse.Namespace) -> str:
    if options.action == "fetch":
        return weights.fetch(config, options.names)
    return weights.listing(config)


def _table(config: params.Params, options: argparse.Namespace) -> None:
    """Runs what is left of a table's experiments; what there is by then is written, however that ends."""
    from pipeline import experiments, pages, tables

    _interruptible()
    code_digest.check()
    if options.into and (options.into.is_dir() or not options.into.parent.is_dir()):  # before hours of work
        raise InputError(f"--into {options.into}: expected a file in a folder that is there, such as docs/results.md")
    weights.fetch_judges(config.varied(options.preset, experiments.BASE))  # as no stage does
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

    from pipeline import flows

    _interruptible()
    try:
        getattr(flows, name)(**arguments, retries=options.retries, jobs=options.jobs, pool=options.gpu_pool,
                             timeout=options.timeout)
    except dvc.StageFailed as error:
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
        dvc.stop()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)


def _minutes(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise ValueError
    return value


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="copy a motion: from two videos to one")
    run.add_argument("target", nargs="?", help="the person who will move, a subject of params.yaml")
    run.add_argument("--from", dest="sources", nargs="+", default=[], metavar="SOURCE", help="whose motion: videos")
    run.add_argument("--as", dest="key", metavar="TRANSFER", help="which transfer, where params.yaml has several")
    run.add_argument("--all", action="store_true", help="every transfer of params.yaml")
    stage = commands.add_parser("stage", help="run one stage and what it needs")
    inspect = commands.add_parser("inspect", help="show what a stage wrote")
    check = commands.add_parser("verify", help="whether a video is ours, untouched, and from what")
    check.add_argument("file", type=Path, metavar="FILE")
    vary = commands.add_parser("variant", help="write a variant of a preset into params.yaml")
    vary.add_argument("variant", help="one of `variants` in params.yaml")
    vary.add_argument("--of", dest="preset", required=True, metavar="PRESET", help="what it is laid over")
    take_in = commands.add_parser("import", help="write the people of a data set into params.yaml")
    kinds = take_in.add_subparsers(dest="kind", required=True)
    for kind, what in (("iper", "iPER, as it is released"), ("folder", "a folder of clips, one a person")):
        one = kinds.add_parser(kind, help=what)
        one.add_argument("folder", type=Path, metavar="DIR")
        one.add_argument("--preset", default="best", help="what they are learned with (best)")
        one.add_argument("--consent", nargs=4, metavar=("WHO", "WHEN", "SCOPE", "RECORD"),
                         help="who agreed, when (2026-11-22), to what, and what they said or signed, or the licence; of all")
    kinds.choices["iper"].add_argument("--only", default="", metavar="001,002", help="some subjects")
    table = commands.add_parser("table", help="a table of the paper, measured here")
    table.add_argument("number", type=int, choices=(1, 2))
    table.add_argument("--preset", default="demo", help="what the methods are laid over (demo)")
    table.add_argument("--subject", default="ava", help="who is learned (ava)")
    table.add_argument("--source", default="ben", help="whose motion is imitated (ben)")
    table.add_argument("--seeds", type=_count, default=1, metavar="N",
                       help="trainings of each method (1); a verdict needs 3")
    table.add_argument("--into", type=Path, metavar="FILE", help="a page of several tables to write it into as well")
    score = commands.add_parser("evaluate", help="score another system's frames of a transfer")
    score.add_argument("key", metavar="TRANSFER", help="of params.yaml, such as ava_from_ben")
    score.add_argument("--frames", type=Path, required=True, metavar="PATH", help="a folder of images or a video")
    score.add_argument("--as", dest="name", required=True, metavar="NAME", help="the system's, such as lwgan")
    gone = commands.add_parser("forget", help="remove a person: artifacts, caches, remote copies")
    gone.add_argument("name", metavar="VIDEO", help="of params.yaml")
    gone.add_argument("--yes", action="store_true", help="without a question")
    files = commands.add_parser("weights", help="list, fetch or take trained weights")
    actions = files.add_subparsers(dest="action")
    fetch = actions.add_parser("fetch", help="the missing ones, from their publishers")
    fetch.add_argument("names", nargs="*", metavar="FILE", help="which; all that the presets need where none is named")
    take = actions.add_parser("take", help="those that packages or a folder of this machine hold")
    take.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="the installed packages where none is given")
    studio = commands.add_parser("studio", help="a page on this machine, for two videos and no terminal")
    studio.add_argument("--port", type=int, default=7860, help="of 127.0.0.1 (7860)")
    for command in (stage, inspect):
        command.add_argument("address", help="STAGE@KEY, such as generator_training@ava")
    for command in (run, stage):
        command.add_argument("--jobs", type=int, default=1, metavar="N", help="stages side by side (1)")
        command.add_argument("--gpu-pool", metavar="POOL", help="the Prefect work pool whose workers train")
        command.add_argument("--retries", type=int, default=0, metavar="N", help="after a failure of a stage (0)")
        command.add_argument("--timeout", type=_minutes, default=dvc.TIMEOUT, metavar="MINUTES",
                             help=f"end a stage that shows no sign of life for so long ({dvc.TIMEOUT:g})")
    options = parser.parse_args()
    if options.command == "run" and options.all == bool(options.target and options.sources):
        run.error("either a target and --from, or --all")
    return options


if __name__ == "__main__":
    sys.exit(main())
