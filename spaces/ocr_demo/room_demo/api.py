"""Endpoints for programs: gradio_client, HTTP and MCP. The page's own events are hidden from them.

Videos come as whole addresses, which hold wherever the app stands, behind proxies too.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import gradio as gr

from . import views
from .cards import TASK_NAMES
from .checkpoints import short
from .comparing import answer_sides, questions_of
from .film_set import edits_from_text
from .findings import change_in_words
from .noise import MODES, Noise
from .probing import curve, occlusion
from .problems import Problem, guarded
from .proxy import public_address
from .question_prompt import prompt_of_question, prompt_of_text
from .views import Choice, Demo

Policy = Literal["chosen", "queried", "context", "random"]
Mode = Literal[tuple(MODES)]


def add(demo: Demo, page: gr.Blocks) -> None:
    """Add the endpoints to the page being built."""

    def rooms() -> list[dict[str, str]]:
        """List the rooms that can be perturbed and asked about.

        Returns:
            One entry per room with its `id`, for the other tools, and its `title`.
        """
        return [{"id": clip_id, "title": title} for clip_id, title in demo.rooms.titles.items()]

    def describe_room(room: str) -> dict[str, Any]:
        """Describe one room's video: its objects with 3D boxes in metres, and the questions about it.

        Args:
            room: id of a room, as from `rooms`; its first word will do ("kitchen").

        Returns:
            `frames`, `fps`, `objects` (id, name, center, size, visible_pixels) and `questions` (number, question_type,
            question, options, ground_truth, queried_objects).
        """
        clip = demo.rooms.clip(room)
        return {
            "id": clip.id,
            "title": clip.title,
            "frames": len(clip.frames),
            "fps": clip.fps,
            "objects": [
                {
                    "id": i,
                    "name": clip.name_of(i),
                    "center": clip.boxes[i].center.tolist(),
                    "size": clip.boxes[i].size.tolist(),
                    "visible_pixels": int(clip.footprints.areas(i).sum()),
                }
                for i in clip.footprints.object_ids
            ],
            "questions": [
                {
                    "number": number,
                    "question_type": q.question_type,
                    "question": q.question,
                    "options": list(q.options or ()),
                    "ground_truth": q.ground_truth,
                    "queried_objects": list(q.queried_objects),
                }
                for number, q in enumerate(clip.questions)
            ],
        }

    def perturb(
        room: str,
        object_ids: list[int],
        policy: Policy = "chosen",
        max_objects: int = 2,
        mode: Mode = "gaussian",
        strength: float = 0.5,
        seed: int = 0,
        question: int = -1,
        request: gr.Request = None,
    ) -> dict[str, Any]:
        """Perturb objects of a room in its video (Object-Centric 3D Rollout) and return both videos' addresses.

        Args:
            room: id of a room, as from `rooms`.
            object_ids: ids of the objects to perturb; used by policy "chosen" only, may be empty otherwise.
            policy: "chosen", "queried" (what the question names), "context" (what it doesn't name) or "random".
            max_objects: how many objects the other policies draw, 1 to 12.
            mode: "gaussian" (diffusion noise on their pixels), "geometry" (moved, resized or bent in 3D), one of these
                alone ("rigid", "scale", "warp"), or "jitter" (pieces of their surfaces are displaced).
            strength: 0 to 1 for gaussian, 0 to 0.5 box diagonals for all others.
            seed: of every random choice.
            question: number of the question that "queried" and "context" go by; -1 for none.

        Returns:
            `vanilla` and `noisy` (addresses of MP4 files; `noisy` is null where nothing is perturbed), `object_ids`,
            `objects` (names), `variant` (id of the noisy copy) and `seconds` it took.
        """
        choice = _choice(room, object_ids, policy, max_objects, mode, strength, seed, question)
        _, clip, noisy = views.stage_value(demo, choice)
        media = "/".join(filter(None, (public_address(request, page.root_path), views.MEDIA_URL, clip.id)))
        return {
            "room": clip.id,
            "vanilla": f"{media}/vanilla.mp4",
            "noisy": f"{media}/{noisy.file}" if noisy.file else None,
            "object_ids": list(noisy.object_ids),
            "objects": [clip.name_of(i) for i in noisy.object_ids],
            "variant": noisy.variant,
            "seconds": round(noisy.seconds, 4),
        }

    def compare_answers(
        room: str,
        question: int,
        object_ids: list[int],
        policy: Policy = "chosen",
        max_objects: int = 2,
        mode: Mode = "gaussian",
        strength: float = 0.5,
        seed: int = 0,
        model: str = "",
        own_words: str = "",
    ) -> dict[str, Any]:
        """Ask a video language model one question about the vanilla and the perturbed video of a room.

        Args:
            room: id of a room, as from `rooms`.
            question: number of a question, as from `describe_room`.
            object_ids: ids of the objects to perturb, for policy "chosen".
            policy: "chosen", "queried", "context" or "random".
            max_objects: how many objects the other policies draw, 1 to 12.
            mode: "gaussian", "geometry", "rigid", "scale", "warp" or "jitter".
            strength: 0 to 1 for gaussian, 0 to 0.5 for all others.
            seed: of every random choice.
            model: name of a model of this demo; empty for its first.
            own_words: a question in your own words, asked instead of the numbered one.

        Returns:
            `question`, `prompt`, `ground_truth`, `frames` (how many the model saw), and for `vanilla` and `noisy` the
            model's `text`, the `extracted` answer, whether it is `valid`, its `score` (0 to 1) and the `probabilities`
            of the options; `changed` says whether they differ.
        """
        choice = _choice(room, object_ids, policy, max_objects, mode, strength, seed, question)
        sides = views.sides_of(demo, choice, video=False)
        clip = sides.right
        name = demo.models.check(model or views.models_for(demo, clip)[0])
        picked = None if own_words.strip() else views.question_of(clip, choice.question)
        prompt = prompt_of_question(picked, demo.models.style(name)) if picked else prompt_of_text(own_words)
        object_ids = list(sides.noisy.object_ids)
        answers = answer_sides(demo, name, (prompt, prompt), sides)
        return {
            "room": clip.id,
            "model": short(name),
            "task": TASK_NAMES.get(prompt.question_type or "", "free text"),
            "question": picked.question if picked else own_words.strip(),
            "prompt": prompt.text,
            "ground_truth": prompt.ground_truth,
            "object_ids": object_ids,
            "frames": len(clip.seen(demo.models.frames(name)).frames),
            "vanilla": vars(answers[0]),
            "noisy": vars(answers[1]),
            "changed": change_in_words(prompt, *answers),
        }

    def edit_room(
        room: str, edits: list[dict], question: int = 0, model: str = "", request: gr.Request = None
    ) -> dict[str, Any]:
        """Edit a room's 3D scene, render it again, and ask whether a model notices.

        Args:
            room: id of a room, as from `rooms`, or "shelf-conflict-SEED" for a shelf of the planted lock.
            edits: at most 8, each {"kind", "objects", "parameters"}; kinds: move (offset: metres x, y, z), rotate
                (degrees), scale (factors), remove, swap, recolor (color: 3 numbers, 0 to 1).
            question: number of a question, as from `describe_room`.
            model: name of a model of this demo; empty for the room's first.

        Returns:
            `before` and `edited` (addresses of MP4 files), `ground_truth` (the right answer `before` and `edited`; ""
            where there is none any more), `answers` of the model (as in `compare_answers`), `changed`, and `noticed`:
            whether its answer is as it has to be.
        """
        if not isinstance(edits, list):
            raise Problem("edits must be a list of objects with kind, objects and parameters.")
        choice = Choice(demo.rooms.find(room), Noise(), question, edits_from_text(json.dumps(edits)))
        sides = views.sides_of(demo, choice, video=False)
        name = demo.models.check(model or views.models_for(demo, sides.right)[0])
        style = demo.models.style(name)
        prompts = tuple(prompt_of_question(each, style) for each in questions_of(sides, question))
        answers = answer_sides(demo, name, prompts, sides)
        change = change_in_words(prompts[1], *answers)
        same = prompts[0].ground_truth == prompts[1].ground_truth
        root = [part for part in (public_address(request, page.root_path), views.MEDIA_URL) if part]
        return {
            "room": sides.left.id,
            "model": short(name),
            "before": "/".join([*root, sides.left.id, "vanilla.mp4"]),
            "edited": "/".join([*root, sides.right.id, "vanilla.mp4"]),
            "question": prompts[0].text,
            "ground_truth": {"before": prompts[0].ground_truth, "edited": prompts[1].ground_truth},
            "answers": {"before": vars(answers[0]), "edited": vars(answers[1])},
            "changed": change,
            "noticed": change == "no" if same else change != "no" and answers[1].score == 1.0,
        }

    def probe_answer(room: str, question: int, model: str = "") -> dict[str, Any]:
        """Measure what a model's answer rests on: a curve over noise strengths, and a change for each object.

        Args:
            room: id of a room, as from `rooms`.
            question: number of a question with options, as from `describe_room`.
            model: name of a model of this demo; empty for the room's first.

        Returns:
            `answer` (the model's own letter), `curve` (its probability by `strength`, with noise on what the question
            names, `queried`, and on as many other pixels, `context`) and `objects` (id, name and `change`, the total
            variation of the answer with that object alone noised, 0 to 1, largest first).
        """
        clip = demo.rooms.clip(room)
        name = demo.models.check(model or views.models_for(demo, clip)[0])
        asked = views.question_of(clip, question)
        points = list(curve(demo.models, name, clip, asked, question))
        *_, changes = occlusion(demo.models, demo.videos, name, clip, asked)
        return {
            "room": clip.id,
            "model": short(name),
            "answer": points[0][0],
            "curve": [vars(point) for _, point in points],
            "objects": [
                {"id": i, "name": clip.name_of(i), "change": round(changes[i], 4)}
                for i in sorted(changes, key=lambda i: -changes[i])
            ],
        }

    def _choice(
        room: str,
        object_ids: list[int],
        policy: str,
        max_objects: int,
        mode: str,
        strength: float,
        seed: int,
        question: int,
    ) -> Choice:
        # type() and not isinstance(): true and false are integers to the latter
        if not isinstance(object_ids, list) or not all(type(i) is int for i in object_ids) or len(object_ids) > 1000:
            raise Problem("object_ids must be a list of at most 1000 whole numbers.")
        for name, value in (("max_objects", max_objects), ("seed", seed), ("question", question)):
            if type(value) is not int:
                raise Problem(f"{name} must be a whole number.")
        if not isinstance(room, str):
            raise Problem("room must be the id of a room, as text.")
        noise = Noise(policy, tuple(object_ids), max_objects, mode, strength, seed)
        return Choice(demo.rooms.find(room), noise, question if question >= 0 else None)

    gr.api(guarded(rooms, on_page=False), api_name="rooms")
    gr.api(guarded(describe_room, on_page=False), api_name="describe_room")
    gr.api(guarded(perturb, on_page=False), api_name="perturb")
    asking = {"concurrency_id": "model", "concurrency_limit": 1}
    gr.api(guarded(compare_answers, on_page=False), api_name="compare_answers", **asking)
    gr.api(guarded(edit_room, on_page=False), api_name="edit_room", **asking)
    gr.api(guarded(probe_answer, on_page=False), api_name="probe_answer", **asking)
