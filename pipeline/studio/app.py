"""The studio's page: a form for two videos and the consent, the progress of the stages, and the result to play and
download.

The page runs no stages itself: jobs.py creates jobs, job_queue.py runs them."""

import os
import secrets
import threading
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline import file_lock
from pipeline.studio import jobs, uploads
from pipeline.studio.auth import HOSTS, AuthMiddleware
from pipeline.studio.job_queue import JobQueue
from stages import InputError, params
from stages.media import files, takes

REFRESH_SECONDS = 1.0
HERE = Path(__file__).parent
HINT = "<p class='hint'>{}</p>"
ERROR = "<p class='error' role='alert'>{}</p>"
ENVIRONMENT = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                          lstrip_blocks=True)


def serve(port: int) -> None:
    """Serves the page until the program is interrupted, and then stops its runs. Raises InputError if another studio
    runs in this folder or the port is in use."""
    if not 0 < port < 2**16:
        raise InputError(f"--port {port}: expected one of 1 to 65535")
    served = uploads.SERVED.resolve()
    uploads.FOLDER.mkdir(exist_ok=True)
    with uploads.LOCK.open("a", encoding="utf-8") as lock:
        if not file_lock.try_lock(lock):
            raise InputError(f"{uploads.FOLDER}: another studio, or a run that it started, is using this folder; stop it "
                             "or wait until it ends")
        files.remove(served)
        served.mkdir()
        gradio = _gradio(served)
        queue = JobQueue(served, lock.fileno())
        try:
            page = _build_page(gradio, queue)
            key = secrets.token_urlsafe(16)
            _launch(gradio, page, port, key)
            print(f"studio: http://{HOSTS[0]}:{port}/?key={key}\n  open this address in your browser; Ctrl-C stops the "
                  "studio and its runs", flush=True)
            threading.Event().wait()
        finally:
            queue.close()
            files.remove(served)


def _gradio(folder: Path):
    """Imports Gradio, with settings that prevent it from writing outside `folder` and from connecting to any server."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # the environment must not make the page public
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
            max_file_size=uploads.MAX_BYTES, footer_links=[], run_history=False, enable_monitoring=False, pwa=False,
            theme=theme, css_paths=HERE / "studio.css",
            app_kwargs={"middleware": [Middleware(AuthMiddleware, key=key, cookie=f"studio_{port}")]})
    except OSError:
        raise InputError(f"port {port} is in use; choose another one with --port") from None


def training_length(block: params.GeneratorTraining) -> str:
    return f"{block.steps:,} steps" if block.epochs is None else f"{block.epochs:,} epochs"


def _build_page(gradio, queue: JobQueue):
    """The page: the form, and next to it the jobs."""
    config = params.load()
    presets = [(f"{name}: up to {preset.frames.max_size} x {preset.frames.max_size} pixels, "
                + training_length(preset.generator_training), name) for name, preset in config.presets.items()]
    clip = {"file_types": sorted(takes.VIDEOS), "type": "filepath", "height": 150}
    with gradio.Blocks(title="FakeMotion studio", analytics_enabled=False) as page:
        gradio.HTML("<h1>FakeMotion studio</h1>" + HINT.format(
            "The target will do what the source does. Everything stays on this machine."))
        with gradio.Row():
            with gradio.Column(scale=5, min_width=320):
                target = gradio.File(label="Target: the person in the result", elem_id="target", **clip)
                target_preview = gradio.HTML(visible=False)
                source = gradio.File(label="Source: the motion to copy", elem_id="source", **clip)
                source_preview = gradio.HTML(visible=False)
                preset = gradio.Radio(presets, value=presets[0][1], label="Preset")
                gradio.HTML("<h2>Consent of the target</h2>" + HINT.format(
                    "It is written into params.yaml, and its hash into all results."))
                with gradio.Group():
                    who = gradio.Textbox(label="Who agreed", placeholder="Ana Ruiz")
                    when = gradio.Textbox(label="When", placeholder="2026-11-22")
                    scope = gradio.Textbox(label="To what", placeholder="one dance video for her own site")
                    record = gradio.Textbox(label="Where this is recorded, or what they said",
                                            placeholder="forms/ana.pdf")
                    agreed = gradio.Checkbox(label="This person has agreed that I make this video of them")
                button = gradio.Button("Make the video", variant="primary")
                answer = gradio.HTML(visible=False)
            with gradio.Column(scale=7, min_width=320):
                runs = gradio.Radio([], label="Runs", visible=False)
                stop = gradio.Button("Stop this run", size="sm", visible=False)
                run = gradio.HTML(_render_job(queue, None))
        last_view = gradio.State({})
        private = {"api_visibility": "private", "show_progress": "hidden"}

        def names() -> list[tuple[str, int]]:
            return [(f"{job.title}: {job.state}", i) for i, job in enumerate(queue.jobs)]

        def newest() -> int | None:
            return len(queue.jobs) - 1 if queue.jobs else None

        def last() -> dict:
            return gradio.update(choices=names(), value=newest())

        def refresh(number: int | None, last_view: dict) -> list:
            """Updates of the job list, the shown job and the stop button, where they have changed."""
            chosen = number if number in range(len(queue.jobs)) else newest()
            job = None if chosen is None else queue.jobs[chosen]
            now = {"names": names(), "run": _render_job(queue, job),
                   "can_stop": bool(job and job.is_active and not job.stopping)}
            if now == last_view:
                return [gradio.skip()] * 4
            runs = {"choices": now["names"], "visible": len(now["names"]) > 1}  # no value: the user may just have chosen
            return [gradio.update(**runs, **{"value": chosen} if number != chosen else {}),
                    now["run"] if now["run"] != last_view.get("run") else gradio.skip(),
                    gradio.update(visible=now["can_stop"]), now]

        def submit(target, source, preset, who, when, scope, record, agreed) -> tuple:
            clips = (Path(file) if file else None for file in (target, source))
            consent = {"who": who, "when": when, "scope": scope, "record": record}
            try:
                queue.add(jobs.create_job(*clips, preset, consent, agreed))
            except InputError as error:
                return gradio.update(value=_render_error(error), visible=True), gradio.skip()
            return gradio.update(visible=False), last()

        def stop_job(number: int | None) -> None:
            if number is not None:
                queue.stop(queue.jobs[number])

        for file, preview in ((target, target_preview), (source, source_preview)):
            file.change(lambda path: gradio.update(value=_preview(path), visible=bool(path)), file, preview, **private)
        views = {"fn": refresh, "inputs": [runs, last_view], "outputs": [runs, run, stop, last_view], **private}
        form = [target, source, preset, who, when, scope, record, agreed]
        button.click(submit, form, [answer, runs], **private).then(**views)
        stop.click(stop_job, runs, **private)
        runs.input(**views)
        gradio.Timer(REFRESH_SECONDS).tick(**views)
        page.load(last, None, runs, **private).then(**views)
    return page


def _render_job(queue: JobQueue, job: jobs.Job | None) -> str:
    """The HTML of a job, or a hint if there is none."""
    if not job:
        return HINT.format("The progress and the results of each stage appear here.")
    template = ENVIRONMENT.get_template("studio.html.jinja")
    return template.render(job=job, num_ahead=queue.num_ahead(job), num_devices=len(queue.devices), file_url=_file_url)


def _file_url(path: Path) -> str:
    """The URL of a served file. It changes when the file does."""
    return f"/gradio_api/file={quote(str(path))}?{path.stat().st_mtime_ns}"


def _preview(file: str | None) -> str:
    """The HTML of an uploaded video, or the reason why it cannot be used."""
    if not file:
        return ""
    try:
        uploads.check(Path(file))
    except InputError as error:
        return _render_error(error)
    return f"<div class='clip'><video controls muted preload='metadata' src='{_file_url(Path(file))}'></video></div>"


def _render_error(error: InputError) -> str:
    return ENVIRONMENT.from_string(ERROR.format("{{ error }}")).render(error=error)
