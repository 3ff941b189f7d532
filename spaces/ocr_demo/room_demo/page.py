"""The layout, and which event calls what."""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr

from . import api, page_text
from .cards import NO_FINDINGS, NO_LOCK, no_answers_html
from .handlers import Handlers
from .noise import MAX_OBJECTS, MAX_SEED, MODES, POLICIES
from .problems import guarded
from .question_events import NONE, QuestionEvents
from .views import Demo

ASSETS = Path(__file__).parent / "assets"
CSS = (ASSETS / "style.css").read_text()
THEME = gr.themes.Soft(
    primary_hue="indigo",
    neutral_hue="slate",
    spacing_size="sm",
    font=["system-ui", "sans-serif"],
    font_mono=["monospace"],
)
COPY_LINK = """() => {
  const text = window.location.href;
  const done = () => { const b = document.querySelector('#copy-link'); const was = b.textContent;
    b.textContent = 'Link copied'; setTimeout(() => { b.textContent = was; }, 1600); };
  if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(text).then(done).catch(() => {});
  else { const area = document.createElement('textarea'); area.value = text; document.body.append(area); area.select();
    document.execCommand('copy'); area.remove(); done(); }
}"""
SHOW_ANSWERS = """() => {
  const answers = document.querySelector('#answers');
  if (window.innerWidth < 760) answers.scrollIntoView({ behavior: 'smooth', block: 'center' });
}"""


def build(demo: Demo) -> gr.Blocks:
    """Return the page."""
    handlers, events = Handlers(demo), QuestionEvents(demo)
    labels = demo.models.labels()
    with gr.Blocks(
        title="OCR-HF: perturb objects, compare answers", fill_width=True, delete_cache=(1800, 7200)
    ) as page:
        room, own = gr.State(""), gr.State([])
        findings, locks, in_3d = gr.State([]), gr.State([]), gr.State(False)
        gr.HTML(page_text.HEADER, apply_default_css=False)
        strip = gr.HTML(
            None, html_template='<div class="rooms" role="group" aria-label="Rooms"></div>',
            js_on_load=(ASSETS / "rooms.js").read_text(), apply_default_css=False, elem_id="rooms",
        )  # fmt: skip
        with gr.Row():
            with gr.Column(scale=7, min_width=340):
                with gr.Tabs():
                    with gr.Tab("Videos") as videos_tab:
                        # Not gr.AnnotatedImage: it tells of clicks on its legend, not on the picture, and stands still
                        stage = gr.HTML(
                            None, html_template='<div class="stage"></div>', elem_id="stage",
                            js_on_load=(ASSETS / "stage.js").read_text(), apply_default_css=False,
                        )  # fmt: skip
                    with gr.Tab("3D room") as model_tab:
                        model_3d = gr.Model3D(
                            label="Orange: perturbed objects and their boxes. Blue: the camera's walk. Drag to turn.",
                            height=330, clear_color=(0.0, 0.0, 0.0, 0.0), camera_position=(60, 42, None),
                            interactive=False, elem_id="model",
                        )  # fmt: skip
                answers = gr.HTML(no_answers_html(demo.models.names), apply_default_css=False, elem_id="answers")
            with gr.Column(scale=4, min_width=320):
                with gr.Group():
                    policy = gr.Radio(
                        [(name.capitalize(), name) for name in POLICIES], value="chosen", label="1 · Perturb",
                        info="Click in a video, tick below, or let the question decide.", elem_id="policy",
                    )  # fmt: skip
                    chosen = gr.CheckboxGroup(
                        [], label="Objects in view, with size", elem_classes="objects", elem_id="objects"
                    )
                    count = gr.Slider(
                        1, MAX_OBJECTS, 2, step=1, label="How many objects", visible=False, elem_id="count",
                        info="Drawn anew with every seed.",
                    )  # fmt: skip
                    with gr.Row():
                        mode = gr.Radio(
                            [(name.capitalize(), name) for name in MODES], value="gaussian", label="Noise",
                            info="Hides pixels, or moves 3D points.", elem_id="mode", min_width=200,
                        )  # fmt: skip
                        strength = gr.Slider(
                            0, 1, 0.5, step=0.05, label="Strength", info="0: unchanged", elem_id="strength",
                            min_width=130,
                        )  # fmt: skip
                with gr.Group():
                    with gr.Row():
                        task = gr.Dropdown([], label="2 · Ask: task", elem_id="task", min_width=150)
                        model = gr.Dropdown(labels, value=labels[0][1], label="Model", elem_id="model-a", min_width=150)
                    question = gr.Dropdown([], label="Question", type="value", elem_id="question")
                    options = gr.Markdown("", elem_classes="quiet", elem_id="options-text")
                with gr.Row(elem_classes="tools"):
                    ask = gr.Button("Ask on both videos", variant="primary", elem_id="ask", min_width=150, scale=4)
                    stop = gr.Button("Stop", elem_id="stop", min_width=60, scale=1)
                    copy = gr.Button("Copy link", elem_id="copy-link", min_width=110, scale=2)
                with gr.Accordion("More: own words, second model, thinking, seed", open=False):
                    own_words = gr.Textbox(
                        label="In your own words", placeholder="Used instead of the question when filled",
                        max_length=600, lines=1, elem_id="own-words",
                    )  # fmt: skip
                    with gr.Row():
                        second = gr.Dropdown(
                            [("none", NONE), *labels], value=NONE, label="Compare with", info="Asked the same",
                            elem_id="model-b", min_width=150,
                        )  # fmt: skip
                        seed = gr.Number(
                            0, label="Seed of the noise", info="Same seed, same noise", precision=0, minimum=0,
                            maximum=MAX_SEED, elem_id="seed", min_width=110,
                        )  # fmt: skip
                    thinking = gr.Checkbox(
                        False, label="Let it think first", info="Longer; no option bars then", elem_id="thinking"
                    )
                note = gr.Markdown("", elem_classes="quiet")
        with gr.Tabs():
            with gr.Tab("Findings"):
                lock_card = gr.HTML(NO_LOCK, apply_default_css=False, elem_id="lock")
                with gr.Row(elem_classes="tools"):
                    number = gr.Slider(
                        2, 24, 6, step=1, label="Questions of this room to test", scale=2, min_width=200,
                        info="Of every task in turn; each is asked three times.",
                    )  # fmt: skip
                    test = gr.Button("Test the query lock", elem_id="test-lock", min_width=150)
                    stop_test = gr.Button("Stop", min_width=70)
                    download = gr.DownloadButton("Download CSV", interactive=False, elem_id="csv", min_width=130)
                    clear = gr.Button("Clear", min_width=70)
                table = gr.HTML(NO_FINDINGS, apply_default_css=False, elem_id="findings")
            with gr.Tab("Your own scene"):
                with gr.Row():
                    with gr.Column():
                        mesh_file = gr.File(label="GLB scene", file_types=[".glb"], elem_id="glb")
                        use_mesh = gr.Button("Film this scene")
                    with gr.Column():
                        with gr.Row():
                            clip_file = gr.File(label="Clip (MP4)", file_types=[".mp4"], elem_id="clip")
                            json_file = gr.File(label="Cameras, boxes (JSON)", file_types=[".json"], elem_id="cameras")
                        use_clip = gr.Button("Use this clip")
                gr.Markdown(page_text.UPLOAD)
            with gr.Tab("About"):
                gr.Markdown(page_text.ABOUT)

        controls = [room, policy, chosen, count, mode, strength, seed, question]
        opened = [
            room, own, strip, stage, chosen, policy, count, mode, strength, seed, task, question, options, answers,
            note,
        ]  # fmt: skip
        found = [table, lock_card, download]
        quiet = {"api_visibility": "private", "show_progress": "hidden"}
        shown = {"api_visibility": "private", "show_progress": "minimal"}

        def redraw_3d(active: bool, *values):
            return handlers.model_3d(*values) if active else gr.skip()

        draw_3d = (guarded(redraw_3d), [in_3d, *controls], model_3d)
        view = [stage, chosen, count]
        page.load(
            guarded(handlers.start), None, opened, api_visibility="private", show_progress="full",
            show_progress_on=answers,
        ).then(*draw_3d, **quiet)  # fmt: skip
        strip.select(
            guarded(handlers.pick_room), [mode, strength, seed, own], opened, api_visibility="private",
            show_progress="full", show_progress_on=answers,
        ).then(*draw_3d, **quiet)  # fmt: skip
        stage.select(guarded(handlers.click_frame), controls, [chosen, policy, count, stage], **quiet).then(
            *draw_3d, **quiet
        )
        for listen in (policy.input, chosen.input, count.release, strength.release, seed.submit, seed.blur):
            listen(guarded(handlers.refresh), controls, view, trigger_mode="always_last", **quiet).then(
                *draw_3d, **quiet
            )
        mode.input(guarded(handlers.change_mode), mode, strength, **quiet).then(
            guarded(handlers.refresh), controls, view, **quiet
        ).then(*draw_3d, **quiet)
        task.input(guarded(handlers.pick_task), [room, task], [question, options, answers], **quiet).then(
            guarded(handlers.refresh), controls, view, **quiet
        )
        question.input(guarded(handlers.pick_question), [room, question], [options, answers], **quiet).then(
            guarded(handlers.refresh), controls, view, **quiet
        )
        model_tab.select(lambda: True, None, in_3d, **quiet).then(*draw_3d, **quiet)
        videos_tab.select(lambda: False, None, in_3d, **quiet)
        # Everything that asks a model shares the queue "model", the API's events too: one generation at a time
        answering = gr.on(
            [ask.click, own_words.submit], guarded(events.answer),
            [*controls, own_words, model, second, thinking, findings, locks], [answers, findings, *found],
            concurrency_id="model", concurrency_limit=1, show_progress_on=answers, trigger_mode="once",
            api_visibility="private", show_progress="full",
        )  # fmt: skip
        testing = test.click(
            guarded(events.test_lock), [room, model, number, findings, locks], [locks, *found],
            concurrency_id="model", concurrency_limit=1, show_progress_on=lock_card, trigger_mode="once", **shown,
        )  # fmt: skip
        answering.then(None, None, None, js=SHOW_ANSWERS, **quiet)
        # cancels takes what waits out of the queue; the functions end what already runs
        stop.click(events.stop_answering, None, None, cancels=[answering], **quiet)
        stop_test.click(events.stop_testing, None, None, cancels=[testing], **quiet)
        page.unload(events.leave)
        copy.click(None, None, None, js=COPY_LINK, **quiet)
        clear.click(events.clear, None, [findings, locks, *found], **quiet)
        use_mesh.click(
            guarded(handlers.upload_mesh), [mesh_file, own], opened, concurrency_id="upload", concurrency_limit=1,
            show_progress_on=answers, api_visibility="private",
        ).then(*draw_3d, **quiet)  # fmt: skip
        use_clip.click(
            guarded(handlers.upload_clip), [clip_file, json_file, own], opened, concurrency_id="upload",
            concurrency_limit=1, show_progress_on=answers, api_visibility="private",
        ).then(*draw_3d, **quiet)  # fmt: skip
        api.add(demo)
    page.queue(max_size=64, default_concurrency_limit=int(os.environ.get("OCR_DEMO_CONCURRENCY", "4")))
    return page
