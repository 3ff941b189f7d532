"""How the Space bears its visitors: time from click to answer and to perturbed video, an edit, then many users at once.

    python benchmarks/space_load.py                 # 20 users, 60 s, 32 frames at 392x280
    python benchmarks/space_load.py --quick         # 4 users, 8 s, small frames
    python benchmarks/space_load.py --rooms DIR     # with rooms that app.py --film made there, as a push brings them

The demo runs in a process of its own, with the Hub unreachable. How long it takes to listen, and until a visitor who
opens the page then has both models' answers to the first story, is measured from the start of its process, as the page
is shipped: a browser's requests are made, without its own work on what comes back.

A second start is worked with. Whatever it films in the background is waited for. First one user perturbs object after
object, new ones and some seen before: from the click's request to the whole noisy video on the client, and to both
answers. Then all users act at once and without pause, each with its own seed. An answer is mixed up if it says another
choice than was asked for, or if its video's bytes are not the ones of that choice. At last one user edits a shelf and
the kitchen: what memory the demo then holds is that of a page which has had both.

A shelf is also edited in this process: from the edit to a still, and to the clip, once the room is lit and filmed.
Prints what it measured; the last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ocr_hf.data.atomic import write_json
from tests.spaces.ocr_demo_server import APP, AS_SHIPPED, running_demo


@dataclass
class Tally:
    """What the users saw: seconds per call and kind, errors, mixed-up answers."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    mixed_up: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, seconds: float) -> None:
        with self.lock:
            self.seconds.setdefault(kind, []).append(seconds)


class User:
    """One visitor with a client of their own."""

    def __init__(self, address: str) -> None:
        from gradio_client import Client

        # The client's own limit is 5 s, which a demo that is just starting may need on a busy machine
        self.address, self.client = address, Client(address, verbose=False, httpx_kwargs={"timeout": 120.0})

    def perturb(self, ids: list[int], strength: float, seed: int) -> tuple[dict, bytes, float]:
        """Return (what the endpoint says, the noisy video, seconds until the video was here)."""
        start = time.perf_counter()
        told = self.client.predict("kitchen", ids, "chosen", 2, "gaussian", strength, seed, api_name="/perturb")
        with urllib.request.urlopen(told["noisy"]) as answer:
            video = answer.read()
        return told, video, time.perf_counter() - start

    def ask(self, ids: list[int], question: int, seed: int) -> tuple[dict, float]:
        """Return (what the endpoint says, seconds)."""
        start = time.perf_counter()
        told = self.client.predict(
            "kitchen", question, ids, "chosen", 2, "gaussian", 0.5, seed, api_name="/compare_answers"
        )
        return told, time.perf_counter() - start


def first_story(address: str) -> dict[str, Any]:
    """Open the page as a browser does, and return the value of the bars once both models have answered its story."""
    with urllib.request.urlopen(f"{address}/config", timeout=120) as answer:
        config = json.load(answer)
    events = config["dependencies"]
    opening = next(event for event in events if any(kind == "load" for _, kind in event["targets"]))
    asking = next(event for event in events if event["trigger_after"] == opening["id"])
    shown, session = {each["id"]: each["props"].get("value") for each in config["components"]}, uuid.uuid4().hex
    # Updates of a component's other properties leave its value as it is
    for number, value in zip(opening["outputs"], answer_of(address, session, opening, []), strict=True):
        if not (isinstance(value, dict) and "__type__" in value):
            shown[number] = value
        elif "value" in value:
            shown[number] = value["value"]
    return json.loads(answer_of(address, session, asking, [shown[number] for number in asking["inputs"]])[0])


def answer_of(address: str, session: str, event: dict, values: list) -> list:
    """Return what one of the page's events gives to its outputs at last, for its inputs' values."""
    body = json.dumps({"data": values, "fn_index": event["id"], "session_hash": session}).encode()
    request = urllib.request.Request(f"{address}/gradio_api/queue/join", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=120).close()
    with urllib.request.urlopen(f"{address}/gradio_api/queue/data?session_hash={session}", timeout=120) as stream:
        for line in stream:
            told = json.loads(line[5:]) if line.startswith(b"data:") else {}
            if told.get("msg") == "process_completed":
                if not told["success"]:
                    raise RuntimeError(f"the page's event failed: {told['output']}")
                return told["output"]["data"]
    raise RuntimeError("the page's event ended without an answer")


def cold_start(rooms: Path | None) -> dict[str, Any]:
    """Return the seconds from the start of the demo, as it is shipped, to its port and to the first story's answer.

    rooms : films that are brought along; None = everything is filmed
    """
    with tempfile.TemporaryDirectory(prefix="space_load_") as folder:
        if rooms:
            shutil.copytree(rooms, folder, dirs_exist_ok=True)
        begun = time.monotonic()
        with running_demo(Path(folder), options=(), source=AS_SHIPPED) as address:
            listening, cpu = time.monotonic() - begun, server_cpu()
            told = first_story(address)
            if len(told["models"]) != 2:
                raise RuntimeError(f"the page opens on no story with two models' answers: {str(told)[:200]}")
            return {
                "listening_s": round(listening, 1),
                "listening_cpu_s": round(cpu, 1),
                "first_story_s": round(time.monotonic() - begun, 1),
                "first_story_cpu_s": round(server_cpu(), 1),
                "rooms_brought": bool(rooms),
            }


def wait_until_filmed(folder: Path, patience_s: float = 900.0) -> float:
    """Wait until the demo has filmed every story's room, which would slow down all that is measured; return seconds."""
    sys.path.insert(0, str(APP.parent))
    from room_demo.stories import read_stories

    wanted, start = {story.room for story in read_stories()}, time.monotonic()
    while left := [room for room in wanted if not list(folder.glob(f"media/{room}*/outlines.json"))]:
        if time.monotonic() - start > patience_s:
            raise RuntimeError(
                f"after {patience_s:.0f} s {len(left)} rooms are not filmed; give --rooms, or a free CPU"
            )
        time.sleep(0.5)
    return time.monotonic() - start


def click_to_video(user: User, ids: list[int], repeats: int) -> dict[str, float]:
    """Return the median and worst seconds of new and of seen choices."""
    new, seen = [], []
    for number in range(repeats):
        choice = ([ids[number % len(ids)]], 0.5, 1000 + number)
        new.append(user.perturb(*choice)[2])
        seen.append(user.perturb(*choice)[2])
    return {
        "new_median_s": float(np.median(new)),
        "new_worst_s": max(new),
        "seen_median_s": float(np.median(seen)),
        "seen_worst_s": max(seen),
    }


def click_to_answer(user: User, ids: list[int], repeats: int) -> dict[str, float]:
    """Return the median and worst seconds of answers to choices that nobody has made before, and the processor's."""
    before = server_cpu()
    found = [user.ask([ids[number % len(ids)]], 0, 5000 + number)[1] for number in range(repeats)]
    cpu = (server_cpu() - before) / repeats
    return {"median_s": float(np.median(found)), "worst_s": max(found), "mean_cpu_s": cpu}


def edit_times(folder: Path, edits: int) -> dict[str, float]:
    """Return the median seconds from an edit of a shelf to its still and to its clip, in this process.

    What the page does, without the page: the scene is edited, lit where the edit reaches and filmed.
    """
    sys.path.insert(0, str(APP.parent))
    from room_demo import shelf
    from room_demo.clip import ClipStore
    from room_demo.rooms import ClipSize, Rooms

    from ocr_hf.experiment.planted_rooms import LAMP_ID, cell_place
    from ocr_hf.scenes.edits.scene_edit import SceneEdit

    rooms = Rooms(ClipStore(folder), ClipSize(), bundled=())
    clip = rooms.clip(rooms.add_shelf(3_000_000, "conflict"))
    known = rooms.film_set(clip.id)
    known.recording()
    here = shelf.cell_of(known.scene, LAMP_ID)
    stills, films, worked = [], [], time.process_time()
    for cell in shelf.free_cells(known.scene)[:edits]:
        offset = (cell_place(cell) - cell_place(here)).round(4).tolist()
        start = time.perf_counter()
        change = (SceneEdit("move", (LAMP_ID,), {"offset": tuple(offset)}),)
        known.still(known.renderer.edited(known.edited(change)), len(clip.frames) // 2)
        stills.append(time.perf_counter() - start)
        start = time.perf_counter()
        rooms.edited(clip.id, change)
        films.append(time.perf_counter() - start)
    return {
        "still_median_s": float(np.median(stills)),
        "clip_median_s": float(np.median(films)),
        "mean_cpu_s": (time.process_time() - worked) / len(stills),
        "edits": len(stills),
    }


def edit_rooms(user: User, edits: int) -> None:
    """Edit a shelf and the kitchen through the page's API, half of `edits` each, no two edits alike."""
    for room in ("shelf-conflict-3000035", "kitchen"):
        ids = [item["id"] for item in user.client.predict(room, api_name="/describe_room")["objects"]]
        done = 0
        for number in range(20 * edits):
            change = {"kind": "rotate", "objects": [ids[number % len(ids)]], "parameters": {"degrees": number + 5.0}}
            with contextlib.suppress(ValueError):  # the client's AppError: what is built in stays where it is
                user.client.predict(room, [change], api_name="/edit_room")
                done += 1
            if done == edits // 2:
                break
        else:
            raise RuntimeError(f"of {20 * edits} edits of '{room}' only {done} were taken")


def visit(
    user: User, number: int, ids: list[int], questions: list[dict], until: float, tally: Tally, known: dict
) -> None:
    """Act without pause until the time is over: mostly perturb, now and then ask.

    known : what each choice gave when it was first made, shared by all users
    """
    random = np.random.default_rng(number)
    turn = 0
    while time.monotonic() < until:
        turn += 1
        chosen = sorted(random.choice(ids, size=int(random.integers(1, 4)), replace=False).tolist())
        seed, strength = int(random.integers(0, 4)), float(random.choice([0.25, 0.5, 0.75]))
        try:
            if turn % 4 == 3:
                question = int(random.integers(len(questions)))
                told, seconds = user.ask(chosen, question, seed)
                tally.add("ask", seconds)
                choice = ("ask", tuple(chosen), question, seed)
                wrong = told["question"] != questions[question]["question"]
                given = json.dumps([told["vanilla"], told["noisy"]])
            else:
                told, video, seconds = user.perturb(chosen, strength, seed)
                tally.add("perturb", seconds)
                choice = ("perturb", tuple(chosen), strength, seed)
                given = hashlib.blake2b(video).hexdigest()
                with tally.lock:
                    wrong = any(before == given for other, before in known.items() if other != choice)
            with tally.lock:
                wrong = wrong or told["object_ids"] != chosen or known.setdefault(choice, given) != given
            if wrong:
                with tally.lock:
                    tally.mixed_up += 1
        except Exception as error:  # whatever goes wrong for a user is what is measured here
            with tally.lock:
                tally.errors.append(f"{type(error).__name__}: {error}"[:200])


def server() -> list[psutil.Process]:
    """Return this benchmark's server and its children."""
    servers = [child for child in psutil.Process().children() if "python" in child.name()]
    return [process for one in servers for process in (one, *one.children(recursive=True))]


def server_memory() -> float:
    """Return the resident MiB of the server."""
    return sum(process.memory_info().rss for process in server()) / 2**20


def server_cpu() -> float:
    """Return the processor's seconds that the server has used: on a busy machine these stay what they are."""
    return sum(process.cpu_times().user + process.cpu_times().system for process in server())


def percentile(values: list[float], share: float) -> float | None:
    return round(float(np.percentile(values, share)), 3) if values else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short form that only shows that it works")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rooms", type=Path, help="a folder with films of the rooms; left out: they are filmed first")
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    users, seconds = (4, 8.0) if options.quick else (options.users, options.seconds)
    frames, width, height = (8, 196, 140) if options.quick else (32, 392, 280)
    # What else the machine is doing when this begins: figures of a busy one say little about the demo
    busy = os.getloadavg()[0]
    cold = cold_start(options.rooms)
    print("cold start: " + json.dumps(cold), flush=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="space_load_")))
        if options.rooms:
            shutil.copytree(options.rooms, folder, dirs_exist_ok=True)
        address = stack.enter_context(running_demo(folder, frames, width, height, options=()))
        first = User(address)
        room = first.client.predict("kitchen", api_name="/describe_room")
        ids = [item["id"] for item in sorted(room["objects"], key=lambda item: -item["visible_pixels"])][:12]
        model = first.ask(ids[:1], 0, 0)[0]["model"]  # loads it
        print(f"rooms were filmed for {wait_until_filmed(folder):.0f} s more", flush=True)
        answers = click_to_answer(first, ids, 3 if options.quick else 20)
        single = click_to_video(first, ids, 3 if options.quick else 10)
        print(f"{frames} frames at {width}x{height}, one user: " + json.dumps(single | answers), flush=True)
        tally, known, before = Tally(), {}, server_memory()
        crowd = [User(address) for _ in range(users)]
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=visit, args=(user, i, ids, room["questions"], until, tally, known))
            for i, user in enumerate(crowd)
        ]
        for thread in threads:
            thread.start()
        peak = before
        while any(thread.is_alive() for thread in threads):
            peak = max(peak, server_memory())
            time.sleep(0.5)
        after = server_memory()
        print(f"{users} users: {len(tally.errors)} errors; now edits", flush=True)
        edits = 2 if options.quick else 50
        edit_rooms(first, edits)
        edited_too = server_memory()
    print("now edits without the demo", flush=True)
    with tempfile.TemporaryDirectory(prefix="space_load_") as folder:
        edited = edit_times(Path(folder), 2 if options.quick else 8)
    result = {
        "benchmark": "space_load",
        "frames": frames,
        "width": width,
        "height": height,
        "model": model,
        "cores": os.cpu_count(),
        "load_before": round(busy, 1),
        "click_to_video": {name: round(value, 3) for name, value in single.items()},
        "cold_start": cold,
        "click_to_answer": {name: round(value, 3) for name, value in answers.items()},
        "edit": {name: round(value, 3) for name, value in edited.items()},
        "users": users,
        "seconds": seconds,
        "calls": {kind: len(values) for kind, values in tally.seconds.items()},
        "p50_s": {kind: percentile(values, 50) for kind, values in tally.seconds.items()},
        "p95_s": {kind: percentile(values, 95) for kind, values in tally.seconds.items()},
        "errors": len(tally.errors),
        "mixed_up": tally.mixed_up,
        "memory_mib": {
            "before": round(before),
            "peak": round(peak),
            "after": round(after),
            "after_edits": round(edited_too),
        },
        "edits_in_page": edits,
    }
    for error in tally.errors[:5]:
        print("error:", error)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.output, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
