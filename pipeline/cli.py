"""The command line.

  python -m pipeline run ava --from ben        copies ben's motion to ava; --from ava reconstructs ava's held-out part
  python -m pipeline run --all --gpu-pool gpu  runs all transfers; workers of a Prefect work pool run the trainings
  python -m pipeline stage generator_training@ava      runs one stage and what it depends on
  python -m pipeline inspect generator_training@ava    shows its outputs as a table and a picture
  python -m pipeline verify FILE               checks who made a video, and whether it was changed
  python -m pipeline variant edn --of demo     adds the preset demo_edn to params.yaml
  python -m pipeline import folder CLIPS       adds the people of a folder of clips to params.yaml; iper: those of iPER
  python -m pipeline table 1 --seeds 3         computes the paper's Table 1 (or 2) into artifacts/tables/
  python -m pipeline evaluate --frames FOLDER --as lwgan ava_from_ben    scores the frames of another system
  python -m pipeline studio                    starts a web page on this machine: upload two videos, download the result
  python -m pipeline forget ava                deletes a person: artifacts, caches, remote copies
  python -m pipeline weights                   lists the pretrained weights that the presets need; also: fetch, take
"""

import argparse
from pathlib import Path

from pipeline.dvc_backend.dvc_client import TIMEOUT_MINUTES


def arguments() -> argparse.Namespace:
    """Parses the command line. Ends the program with exit code 2 if it is invalid."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="copy the motion in one video to the person in another")
    run.add_argument("target", nargs="?", help="the target: a subject in params.yaml")
    run.add_argument("--from", dest="sources", nargs="+", default=[], metavar="SOURCE",
                     help="the videos whose motion is copied")
    run.add_argument("--as", dest="key", metavar="TRANSFER", help="the transfer to run, if params.yaml has several")
    run.add_argument("--all", action="store_true", help="run all transfers in params.yaml")
    stage = commands.add_parser("stage", help="run one stage and what it depends on")
    inspect = commands.add_parser("inspect", help="show the outputs of a stage")
    verify = commands.add_parser("verify", help="check who made a video, and whether it was changed")
    verify.add_argument("file", type=Path, metavar="FILE")
    variant = commands.add_parser("variant", help="add a variant of a preset to params.yaml")
    variant.add_argument("variant", help="one of `variants` in params.yaml")
    variant.add_argument("--of", dest="preset", required=True, metavar="PRESET", help="the preset to vary")
    import_ = commands.add_parser("import", help="add the people of a data set to params.yaml")
    kinds = import_.add_subparsers(dest="kind", required=True)
    for kind, what in (("iper", "the iPER data set, in the layout of its release"),
                       ("folder", "a folder with one clip per person")):
        one = kinds.add_parser(kind, help=what)
        one.add_argument("folder", type=Path, metavar="DIR")
        one.add_argument("--preset", default="best", help="the preset of the new people (default: best)")
        one.add_argument("--consent", nargs=4, metavar=("WHO", "WHEN", "SCOPE", "RECORD"),
                         help="consent of all new people: who agreed, when (2026-11-22), to what, and the signed form, "
                              "statement or licence")
    kinds.choices["iper"].add_argument("--only", default="", metavar="001,002", help="only these subjects")
    table = commands.add_parser("table", help="compute a table of the paper")
    table.add_argument("number", type=int, choices=(1, 2))
    table.add_argument("--preset", default="demo", help="the preset that the methods vary (default: demo)")
    table.add_argument("--subject", default="ava", help="the person to train on (default: ava)")
    table.add_argument("--source", default="ben", help="the video to imitate (default: ben)")
    table.add_argument("--seeds", type=_count, default=1, metavar="N",
                       help="trainings of each method (default: 1); a verdict needs 3")
    table.add_argument("--into", type=Path, metavar="FILE",
                       help="also write the table into this Markdown page, in place of its previous version")
    evaluate = commands.add_parser("evaluate", help="score the frames of another system")
    evaluate.add_argument("key", metavar="TRANSFER", help="a transfer in params.yaml, such as ava_from_ben")
    evaluate.add_argument("--frames", type=Path, required=True, metavar="PATH", help="a folder of images or a video")
    evaluate.add_argument("--as", dest="name", required=True, metavar="NAME", help="name of the system, such as lwgan")
    forget = commands.add_parser("forget", help="delete a person: artifacts, caches, remote copies")
    forget.add_argument("name", metavar="VIDEO", help="a video in params.yaml")
    forget.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    weights = commands.add_parser("weights", help="list, download or copy pretrained weights")
    actions = weights.add_subparsers(dest="action")
    fetch = actions.add_parser("fetch", help="download missing files from their publishers")
    fetch.add_argument("names", nargs="*", metavar="FILE", help="which files; default: all that the presets need")
    take = actions.add_parser("take", help="copy files from installed packages or from a folder")
    take.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: the installed packages")
    studio = commands.add_parser("studio", help="start a web page on this machine that runs a transfer")
    studio.add_argument("--port", type=int, default=7860, help="port on 127.0.0.1 (default: 7860)")
    for command in (stage, inspect):
        command.add_argument("address", help="STAGE@KEY, such as generator_training@ava")
    for command in (run, stage):
        command.add_argument("--jobs", type=int, default=1, metavar="N", help="stages that run in parallel (default: 1)")
        command.add_argument("--gpu-pool", metavar="POOL", help="the Prefect work pool whose workers run the trainings")
        command.add_argument("--retries", type=int, default=0, metavar="N", help="retries of a failed stage (default: 0)")
        command.add_argument("--timeout", type=_minutes, default=TIMEOUT_MINUTES, metavar="MINUTES",
                             help=f"terminate a stage without output for MINUTES (default: {TIMEOUT_MINUTES:g})")
    options = parser.parse_args()
    if options.command == "run" and options.all == bool(options.target and options.sources):
        run.error("either a target and --from, or --all")
    return options


def _minutes(text: str) -> float:
    """A positive number. Raises ValueError otherwise."""
    if not 0 < (value := float(text)) < float("inf"):
        raise ValueError
    return value


def _count(text: str) -> int:
    """An integer of at least 1. Raises ValueError otherwise."""
    if (value := int(text)) < 1:
        raise ValueError
    return value
