"""The studio: a small page on loopback. Two videos and the consent go in; the stages go by; the result can be played
and taken away. It runs nothing of its own: see orders.py and waiting.py."""

import os
import secrets
import threading
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.dvc_backend import dvc_client
from pipeline.studio import jobs, uploads
from pipeline.studio.auth import HOSTS, Guard
from pipeline.studio.job_queue import JobQueue
from stages import InputError, params
from stages.media import files, takes

EVERY = 1.0   # seconds between two looks at a run
HERE = Path(__file__).parent
HINT = "<p class='hint'>{}</p>"
ERROR = "<p class='refused' role='alert'>{}</p>"
ENVIRONMENT = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                          lstrip_blocks=True)


def serve(port: int) -> None:
    """Until it is interrupted, when the runs end too. InputError where another studio works in this folder."""
    if not 0 < port < 2**16:
        raise InputError(f"--port {port}: expected one of 1 to 65535")
    shown = uploads.SHOWN.resolve()
    uploads.FOLDER.mkdir(exist_ok=True)
    with uploads.LOCK.open("a", encoding="utf-8") as lock:
        if dvc_client.held(lock):
            raise InputError(f"{uploads.FOLDER}: another studio works in this folder, or a run that it left behind; "
                             "end it, or wait for it")
        files.remove(shown)
        shown.mkdir()
        gradio = _gradio(shown)
        line = JobQueue(shown, lock.fileno())
        try:
            page = _page(gradio, line)
            key = secrets.token_urlsafe(16)
            _launch(gradio, page, port, key)
            print(f"studio: http://{HOSTS[0]}:{port}/?key={key}\n  for your own browser alone; Ctrl-C ends it, and "
                  "what it runs", flush=True)
            threading.Event().wait()
        finally:
            line.close()
            files.remove(shown)


def _gradio(folder: Path):
    """The library, which is to write into `folder` alone and to ask nobody."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # nothing outside of this file makes the page more open
    os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1",
                   "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        import gradio
    except ImportError:
        raise InputError("the studio's page needs Gradio: `make studio`, or pip install -r requirements-studio.txt"
                         ) from None
    return gradio


def _launch(gradio, page, port: int, key: str) -> None:
    from starlette.middleware import Middleware

    theme = gradio.themes.Base(primary_hue="orange", font=["system-ui", "sans-serif"], font_mono=["monospace"]).set(
        body_background_fill="#f6f5f2", body_text_color_subdued="#5c6068", input_placeholder_color="#767a82",
        button_primary_background_fill="#9c4421", button_primary_background_fill_hover="#7f3618",
        button_primary_background_fill_dark="#9c4421", input_placeholder_color_dark="#9aa0aa",
        button_primary_text_color="white", checkbox_background_color_selected="#9c4421", slider_color="#9c4421")
    try:
        page.launch(
            server_name=HOSTS[0], server_port=port, share=False, prevent_thread_lock=True, quiet=True, ssr_mode=False,
            max_file_size=uploads.LARGEST, footer_links=[], run_history=False, enable_monitoring=False, pwa=False,
            theme=theme, css_paths=HERE / "studio.css",
            app_kwargs={"middleware": [Middleware(Guard, key=key, cookie=f"studio_{port}")]})
    except OSError:
        raise InputError(f"port {port} is taken; choose another one with --port") from None


def _page(gradio, line: JobQueue):
    """The form, and beside it the runs."""
    config = params.load()
    presets = [(f"{name}: {preset.frames.size} x {preset.frames.size} pixels, "
                f"{preset.generator_training.steps:,} steps", name) for name, preset in config.presets.items()]
    clip = {"file_types": sorted(takes.VIDEOS), "type": "filepath", "height": 150}
    with gradio.Blocks(title="FakeMotion studio", analytics_enabled=False) as page:
        gradio.HTML("<h1>FakeMotion studio</h1>" + HINT.format(
            "A person learned from one video does what another video shows. All of it stays on this machine."))
        with gradio.Row():
            with gradio.Column(scale=5, min_width=320):
                target = gradio.File(label="Target: who will move", elem_id="target", **clip)
                target_seen = gradio.HTML(visible=False)
                source = gradio.File(label="Source: whose motion it is", elem_id="source", **clip)
                source_seen = gradio.HTML(visible=False)
                preset = gradio.Radio(presets, value=presets[0][1], label="Preset")
                gradio.HTML("<h2>Consent of the target</h2>" + HINT.format(
                    "It is written into params.yaml, and its hash into all that is made."))
                with gradio.Group():
                    who = gradio.Textbox(label="Who agreed", placeholder="Ana Ruiz")
                    when = gradio.Textbox(label="When", placeholder="2026-11-22")
                    scope = gradio.Textbox(label="To what", placeholder="one dance video for her own site")
                    record = gradio.Textbox(label="Where that is written down, or what they said",
                                            placeholder="forms/ana.pdf")
                    agreed = gradio.Checkbox(label="This person has agreed that I make this video of them")
                button = gradio.Button("Make the video", variant="primary")
                answer = gradio.HTML(visible=False)
            with gradio.Column(scale=7, min_width=320):
                runs = gradio.Radio([], label="Runs", visible=False)
                stop = gradio.Button("Stop this run", size="sm", visible=False)
                run = gradio.HTML(_shown(line, None))
        seen = gradio.State({})
        private = {"api_visibility": "private", "show_progress": "hidden"}

        def names() -> list[tuple[str, int]]:
            return [(f"{order.title}: {order.state}", i) for i, order in enumerate(line.orders)]

        def newest() -> int | None:
            return len(line.orders) - 1 if line.orders else None

        def last() -> dict:
            return gradio.update(choices=names(), value=newest())

        def look(number: int | None, seen: dict) -> list:
            """What has changed since the last look: the list, the run that is shown, the button."""
            chosen = number if number in range(len(line.orders)) else newest()
            order = None if chosen is None else line.orders[chosen]
            now = {"names": names(), "run": _shown(line, order),
                   "alive": bool(order and order.alive and not order.stopping)}
            if now == seen:
                return [gradio.skip()] * 4
            runs = {"choices": now["names"], "visible": len(now["names"]) > 1}  # their value is what was chosen meanwhile
            return [gradio.update(**runs, **{"value": chosen} if number != chosen else {}),
                    now["run"] if now["run"] != seen.get("run") else gradio.skip(),
                    gradio.update(visible=now["alive"]), now]

        def take(target, source, preset, who, when, scope, record, agreed) -> tuple:
            clips = (Path(file) if file else None for file in (target, source))
            told = {"who": who, "when": when, "scope": scope, "record": record}
            try:
                line.add(jobs.order(*clips, preset, told, agreed))
            except InputError as error:
                return gradio.update(value=_error(error), visible=True), gradio.skip()
            return gradio.update(visible=False), last()

        def halt(number: int | None) -> None:
            if number is not None:
                line.stop(line.orders[number])

        for file, about in ((target, target_seen), (source, source_seen)):
            file.change(lambda path: gradio.update(value=_looked_at(path), visible=bool(path)), file, about, **private)
        views = {"fn": look, "inputs": [runs, seen], "outputs": [runs, run, stop, seen], **private}
        form = [target, source, preset, who, when, scope, record, agreed]
        button.click(take, form, [answer, runs], **private).then(**views)
        stop.click(halt, runs, **private)
        runs.input(**views)
        gradio.Timer(EVERY).tick(**views)
        page.load(last, None, runs, **private).then(**views)
    return page


def _shown(line: JobQueue, order: jobs.Job | None) -> str:
    if not order:
        return HINT.format("What is made appears here, stage by stage.")
    template = ENVIRONMENT.get_template("studio.html.jinja")
    return template.render(order=order, before=line.before(order), lanes=len(line.devices), address=_address)


def _address(path: Path) -> str:
    """Where the page finds a file of the folder that it may read; another one where the file has changed."""
    return f"/gradio_api/file={quote(str(path))}?{path.stat().st_mtime_ns}"


def _looked_at(file: str | None) -> str:
    """An upload as it came, or why it cannot be used."""
    if not file:
        return ""
    try:
        uploads.check(Path(file))
    except InputError as error:
        return _error(error)
    return f"<div class='clip'><video controls muted preload='metadata' src='{_address(Path(file))}'></video></div>"


def _error(error: InputError) -> str:
    return ENVIRONMENT.from_string(ERROR.format("{{ error }}")).render(error=error)
