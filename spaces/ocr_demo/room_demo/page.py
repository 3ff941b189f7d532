"""The layout, and which event calls what."""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr

from . import api, page_text
from .cards import NO_CURVE, NO_FINDINGS, NO_LOCK, NO_TEST, lock_text, tally_text
from .edit_events import ACTIONS, EditEvents
from .handlers import LOOK_EVERY_S, Handlers
from .noise import MAX_OBJECTS, MAX_SEED, MODES, POLICIES
from .problems import guarded
from .question_events import QuestionEvents
from .shelf_probe import lock_scores, stored_rows
from .views import Demo

ASSETS = Path(__file__).parent / "assets"
CSS = (ASSETS / "style.css").read_text()
THEME = gr.themes.Soft(
    primary_hue="indigo",
    neutral_hue="slate",
    spacing_size="sm",
    font=["system-ui", "sans-serif"],
    font_mono=["monospace"],
).set(
    # Gradio's own greys and its indigo on indigo are below 4.5:1
    block_title_background_fill="transparent",
    block_title_padding="0",
    block_title_text_color="*neutral_800",
    block_title_text_color_dark="*neutral_200",
    block_label_text_color="*neutral_800",
    block_label_text_color_dark="*neutral_200",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    input_placeholder_color="*neutral_600",
    input_placeholder_color_dark="*neutral_300",
    # An empty box is white on white, too
    checkbox_border_color="*neutral_500",
    checkbox_border_color_dark="*neutral_400",
)
COPY_LINK = """async () => {
  const text = window.location.href, button = document.querySelector('#copy-link'), was = button.textContent;
  const byHand = () => { const area = document.createElement('textarea'); area.value = text; document.body.append(area);
    area.select(); const done = document.execCommand('copy'); area.remove(); return done; };
  // A frame on another site may have no permission: then the link is shown, to be copied by hand
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false) || byHand();
  if (done) { button.textContent = 'Link copied'; setTimeout(() => { button.textContent = was; }, 1600); return; }
  const field = document.querySelector('#link-field') || document.createElement('input');
  Object.assign(field, { id: 'link-field', readOnly: true, value: text, ariaLabel: 'Link to this view' });
  button.after(field);
  field.select();
}"""
SAVE_CARD = """(file) => {
  if (!file) return;
  const link = Object.assign(document.createElement('a'), { href: file.url, download: 'ocr-hf-answer.png' });
  document.body.append(link);
  link.click();
  link.remove();
}"""


def build(demo: Demo) -> gr.Blocks:
    """Return the page."""
    handlers = Handlers(demo)
    events, edit_events = QuestionEvents(demo), EditEvents(handlers)
    labels = demo.models.labels()
    with gr.Blocks(
        title="OCR-HF: see the answer follow the object", fill_width=True, delete_cache=(1800, 7200)
    ) as page:
        room, edits, own = gr.State(""), gr.State(""), gr.State([])
        findings, locks, tries = gr.State([]), gr.State([]), gr.State([])
        guesses, guessing, taken, done = gr.State({}), gr.State(""), gr.State(0), gr.State(0)
        room_wish, object_wish, thing_wish, edit_wish = (
            _drawn(f"wish-{kind}", f'<i data-kind="{kind}"></i>', "wishes.js", "wishes")
            for kind in ("room", "object", "thing", "edit")
        )
        gr.HTML(page_text.HEADER, apply_default_css=False)
        strip = _drawn("rooms", '<div class="rooms" role="group" aria-label="Stories and rooms"></div>', "rooms.js")
        timer = gr.Timer(LOOK_EVERY_S)
        note = gr.Markdown("", elem_classes="story", elem_id="story")
        with gr.Row(elem_id="main"):
            with gr.Column(scale=8, min_width=340):
                # Not gr.AnnotatedImage: it tells of clicks on its legend, not on the picture, and stands still
                stage = _drawn("stage", '<div class="stage"></div>', "stage.js")
                with gr.Row(elem_classes="tools"):
                    strength = gr.Slider(
                        0, 1, 0.5, step=0.05, label="Strength of the noise", elem_id="strength", scale=5, min_width=180,
                    )  # fmt: skip
                    copy = gr.Button("Copy link", elem_id="copy-link", min_width=100, scale=1, size="sm")
                    share = gr.Button("Share card", elem_id="share-card", min_width=100, scale=1, size="sm")
                    # style.css shows it while there is something to stop
                    stop = gr.Button("Stop", elem_id="stop", min_width=60, scale=1, size="sm")
                    card = gr.File(visible="hidden", elem_id="card-file")
            with gr.Column(scale=5, min_width=320):
                with gr.Row(elem_classes="asking"):
                    question = gr.Dropdown(
                        [], label="Question", type="value", elem_id="question", show_label=False, container=False,
                        scale=5, min_width=180,
                    )  # fmt: skip
                    guess_first = gr.Checkbox(
                        False, label="Guess first", elem_id="guess-first", container=False, scale=1, min_width=110,
                        visible=bool(demo.stories),
                    )  # fmt: skip
                # While it is on the page, style.css hides what would give the answer away
                guess = gr.Radio([], label="Your answer, before the models'", visible=False, elem_id="guess")
                answers = _drawn("answers", '<div class="answers" aria-live="polite"></div>', "bars.js")
                score = gr.Markdown("", elem_id="score")
        with gr.Tabs():
            with gr.Tab("Settings"), gr.Row():
                with gr.Column(scale=4, min_width=300):
                    policy = gr.Radio(
                        [(name.capitalize(), name) for name in POLICIES], value="chosen", label="Noise on",
                        info=page_text.POLICIES, elem_id="policy",
                    )  # fmt: skip
                    count = gr.Slider(
                        1, MAX_OBJECTS, 2, step=1, label="How many objects", visible=False, elem_id="count",
                        info="Drawn anew with every seed.",
                    )  # fmt: skip
                    mode = gr.Radio(
                        [(name.capitalize(), name) for name in MODES], value="gaussian", label="Kind of noise",
                        info=page_text.MODES, elem_id="mode",
                    )  # fmt: skip
                with gr.Column(scale=3, min_width=260):
                    chosen = gr.CheckboxGroup(
                        [], label="Objects in view, with size", elem_classes="objects", elem_id="objects"
                    )
                with gr.Column(scale=4, min_width=300):
                    with gr.Row():
                        model = gr.Dropdown(labels, value=labels[0][1], label="Model", elem_id="model-a", min_width=120)
                        second = gr.Dropdown(
                            labels,
                            value=labels[-1][1],
                            label="Beside it (the same: none)",
                            elem_id="model-b",
                            min_width=120,
                        )
                    task = gr.Dropdown([], label="Task of the questions", elem_id="task")
                    own_words = gr.Textbox(
                        label="In your own words", placeholder="Asked instead of the question; Enter asks",
                        max_length=600, lines=1, elem_id="own-words", visible=False,
                    )  # fmt: skip
                    with gr.Row():
                        seed = gr.Number(
                            0, label="Seed of the noise", precision=0, minimum=0, maximum=MAX_SEED, elem_id="seed",
                            min_width=100,
                        )  # fmt: skip
                        thinking = gr.Checkbox(False, label="Let it think first", elem_id="thinking", min_width=120)
            with gr.Tab("What it looks at"):
                with gr.Row(elem_classes="tools"):
                    measure = gr.Button("Measure", variant="primary", elem_id="measure", min_width=130, scale=0)
                    stop_measure = gr.Button("Stop", min_width=70, scale=0, elem_id="stop-measure")
                    gr.Markdown(page_text.LOOK, elem_classes="quiet")
                with gr.Row():
                    curves = gr.HTML(NO_CURVE, apply_default_css=False, elem_id="curves")
                    maps = gr.Gallery(
                        None, label="The frames that the models saw", show_label=False, columns=1,
                        height="auto", object_fit="contain", elem_id="maps", interactive=False,
                    )  # fmt: skip
            with gr.Tab("Edit in 3D") as edit_tab, gr.Row():
                with gr.Column(scale=5, min_width=320):
                    room_3d = _drawn("room3d", '<div class="room3d"></div>', "room3d.js")
                with gr.Column(scale=4, min_width=300):
                    edit_object = gr.Dropdown([], label="Object", elem_id="edit-object")
                    with gr.Row(elem_classes="acts"):
                        acts = {
                            action: gr.Button(action.capitalize(), size="sm", min_width=70, elem_id=f"edit-{action}")
                            for action in ACTIONS
                        }
                    with gr.Row(elem_classes="acts"):
                        for action, text in (("undo", "Undo"), ("reset", "As it was")):
                            acts[action] = gr.Button(text, size="sm", min_width=80, elem_id=f"edit-{action}")
                    line = gr.Markdown("", elem_id="edit-line")
                    tally = gr.Markdown(tally_text([]), elem_id="tally")
            with gr.Tab("Findings"):
                pair_rows = stored_rows(demo.models.pair_hashes()) if demo.models.pair else []
                with gr.Row(elem_classes="tools", visible=bool(demo.models.pair)):
                    test_pair = gr.Button("Test the lock", variant="primary", elem_id="test-pair", scale=0)
                    pair_text = gr.Markdown(
                        lock_text(lock_scores(pair_rows), 1, 1) if pair_rows else NO_TEST, elem_id="pair-test"
                    )
                with gr.Row(elem_classes="tools"):
                    everywhere = gr.Checkbox(True, label="Of all rooms", elem_id="everywhere", min_width=110, scale=1)
                    number = gr.Slider(
                        2, 24, 6, step=1, label="Questions of a room to test", scale=2, min_width=200,
                        info="Of every task in turn; each is asked three times.",
                    )  # fmt: skip
                    test = gr.Button("Former index", elem_id="test-lock", min_width=120)
                    stop_test = gr.Button("Stop", min_width=70)
                    download = gr.DownloadButton("Download CSV", interactive=False, elem_id="csv", min_width=130)
                    clear = gr.Button("Clear", min_width=70)
                lock_card = gr.HTML(NO_LOCK, apply_default_css=False, elem_id="lock")
                table = gr.HTML(NO_FINDINGS, apply_default_css=False, elem_id="findings")
            with gr.Tab("Your scene"):
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

        controls = [room, edits, policy, chosen, count, mode, strength, seed, question]
        looked = [curves, maps]
        opened = [
            room, edits, own, strip, stage, chosen, policy, count, mode, strength, seed, task, question, answers,
            note, model, second, *looked, room_3d, edit_object, line, own_words, guess, guessing,
        ]  # fmt: skip
        found = [table, lock_card, download]
        quiet = {"api_visibility": "private", "show_progress": "hidden"}
        # What a visitor chooses while the same event still runs comes after it. By default Gradio drops it without a
        # word, also what follows on another event: the newest choice would stay unanswered.
        newest = {"trigger_mode": "always_last", **quiet}
        shown = {"api_visibility": "private", "show_progress": "full", "show_progress_on": stage}

        def then_all(event, video: bool = True) -> None:
            """Answer at once, and beside it bring the video up to date."""
            # Everything that answers shares the queue "model", the API's events too: one generation at a time
            event.then(
                guarded(events.answer), [own_words, model, second, thinking, findings, locks, *controls],
                [answers, findings, *found], concurrency_id="model", concurrency_limit=1, **newest,
            )  # fmt: skip
            if video:
                event.then(guarded(handlers.refresh), controls, [stage, chosen, count], **newest)

        then_all(page.load(guarded(handlers.start), None, opened, **shown), video=False)
        picked = [mode, strength, seed, own, guess_first, guesses]
        opening = room_wish.select(
            guarded(handlers.pick_room), [room_wish, *picked], opened, trigger_mode="always_last", **shown
        )
        then_all(opening, video=False)
        opening.failure(None, None, None, js="() => document.querySelector('.rooms').classList.remove('busy')", **quiet)
        timer.tick(guarded(handlers.look_again), [strip, own], [strip, timer], **quiet)
        guess_first.input(guarded(handlers.want_guess), [guess_first, guesses], [guess, guessing, score], **newest)
        guess.input(
            guarded(events.guess), [guess, guessing, guesses, model, second, *controls],
            [guess, guessing, guesses, score], concurrency_id="model", concurrency_limit=1, **newest,
        )  # fmt: skip
        clicked = [chosen, policy, count, taken]
        then_all(object_wish.select(guarded(handlers.click_frame), [object_wish, taken, *controls], clicked, **newest))
        then_all(
            chosen.input(guarded(handlers.tick), controls, [policy, count, stage], **newest),
            video=False,
        )
        for listen in (policy.input, count.input, strength.input, seed.input):
            then_all(
                listen(guarded(handlers.change), controls, [stage, chosen, count], **newest),
                video=False,
            )
        then_all(mode.input(guarded(handlers.change_mode), mode, strength, **newest))
        then_all(task.input(guarded(handlers.pick_task), [room, edits, task], [question, *looked], **newest))
        then_all(question.input(guarded(handlers.pick_question), None, looked, **newest))
        for listen in (model.input, second.input):
            then_all(
                listen(guarded(handlers.pick_models), [model, second], [own_words, *looked], **newest), video=False
            )
        then_all(
            gr.on([own_words.submit, thinking.input], guarded(handlers.supersede), None, None, **newest), video=False
        )
        measuring = measure.click(
            guarded(events.measure), [model, second, *controls], looked, concurrency_id="measure",
            concurrency_limit=2, trigger_mode="once", api_visibility="private", show_progress="minimal",
        )  # fmt: skip
        editing = [edits, stage, answers, room_3d, edit_object, line, tally, tries, chosen, policy, done]
        edit_tab.select(guarded(edit_events.prepare), controls, None, **quiet)
        # What is clicked in the view is chosen in the list, and what is chosen there is marked in the view
        thing_wish.select(None, thing_wish, edit_object, js="(wishes) => JSON.parse(wishes).at(-1)[1]", **quiet)
        edit_object.change(None, edit_object, None, js=_told("thing-shown", "id"), **quiet)
        for action, button in acts.items():
            button.click(None, edit_object, None, js=_told("act", f"{{ action: '{action}', object: id }}"), **quiet)
        editing_now = edit_wish.select(
            guarded(edit_events.edit), [edit_wish, done, model, second, thinking, tries, *controls], editing,
            concurrency_id="edit", concurrency_limit=1, **newest,
        )  # fmt: skip
        editing_now.failure(None, None, None, js="() => document.dispatchEvent(new CustomEvent('act-failed'))", **quiet)
        testing = test.click(
            guarded(events.test_lock), [everywhere, room, model, number, findings, locks], [locks, *found],
            concurrency_id="model", concurrency_limit=1, show_progress_on=lock_card, trigger_mode="once",
            api_visibility="private", show_progress="minimal",
        )  # fmt: skip
        testing_pair = test_pair.click(
            guarded(events.test_pair), None, pair_text, concurrency_id="model", concurrency_limit=1,
            trigger_mode="once", api_visibility="private", show_progress="minimal",
        )  # fmt: skip
        # cancels takes what waits out of the queue; the functions end what already runs
        stop.click(events.stop_answering, None, None, **quiet)
        stop_measure.click(events.stop_measuring, None, None, cancels=[measuring], **quiet)
        stop_test.click(events.stop_testing, None, None, cancels=[testing, testing_pair], **quiet)
        page.unload(events.leave)
        copy.click(None, None, None, js=COPY_LINK, **quiet)
        share.click(
            guarded(events.share), [own_words, model, second, thinking, *controls], card, concurrency_id="share",
            concurrency_limit=1, trigger_mode="once", api_visibility="private", show_progress_on=share,
        ).success(None, card, None, js=SAVE_CARD, **quiet)  # fmt: skip
        clear.click(events.clear, None, [findings, locks, *found], **quiet)
        for button, take, files in (
            (use_mesh, handlers.upload_mesh, [mesh_file]), (use_clip, handlers.upload_clip, [clip_file, json_file]),
        ):  # fmt: skip
            then_all(
                button.click(
                    guarded(take), [*files, own], opened, concurrency_id="upload", concurrency_limit=1, **shown
                ),
                video=False,
            )
        api.add(demo, page)
    page.queue(max_size=64, default_concurrency_limit=int(os.environ.get("OCR_DEMO_CONCURRENCY", "4")))
    return page


def _told(event: str, detail: str) -> str:
    """Return a script that tells our own scripts of a component's value, `id`."""
    return f"(id) => document.dispatchEvent(new CustomEvent('{event}', {{ detail: {detail} }}))"


def _drawn(elem_id: str, template: str, script: str, classes: str = "") -> gr.HTML:
    """Return a component that a script of ours draws from its value, which is JSON."""
    return gr.HTML(
        None,
        html_template=template,
        js_on_load=(ASSETS / script).read_text(),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=classes,
    )
