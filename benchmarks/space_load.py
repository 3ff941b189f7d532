"""How the Space bears its visitors: time from click to perturbed video, then many users at once.

    python benchmarks/space_load.py                 # 20 users, 60 s, 32 frames at 392x280
    python benchmarks/space_load.py --quick         # 4 users, 8 s, small frames

The demo runs in a process of its own, with the Hub unreachable. First one user perturbs object after object, new ones
and some seen before: from the click's request to the whole noisy video on the client. Then all users act at once and
without pause, each with its own seed. An answer is mixed up if it says another choice than was asked for, or if its
video's bytes are not the ones of that choice. Prints what it measured; the last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ocr_hf.data.atomic import write_json
from tests.spaces.ocr_demo_server import running_demo


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

        self.address, self.client = address, Client(address, verbose=False)

    def perturb(self, ids: list[int], strength: float, seed: int) -> tuple[dict, bytes, float]:
        """Return (what the endpoint says, the noisy video, seconds until the video was here)."""
        start = time.perf_counter()
        told = self.client.predict("kitchen", ids, "chosen", 2, "gaussian", strength, seed, api_name="/perturb")
        with urllib.request.urlopen(f"{self.address}/{told['noisy']}") as answer:
            video = answer.read()
        return told, video, time.perf_counter() - start

    def ask(self, ids: list[int], question: int, seed: int) -> tuple[dict, float]:
        """Return (what the endpoint says, seconds)."""
        start = time.perf_counter()
        told = self.client.predict(
            "kitchen", question, ids, "chosen", 2, "gaussian", 0.5, seed, api_name="/compare_answers"
        )
        return told, time.perf_counter() - start


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


def server_memory() -> float:
    """Return the resident MiB of this benchmark's server, with its children."""
    servers = [child for child in psutil.Process().children() if "python" in child.name()]
    family = [process for server in servers for process in (server, *server.children(recursive=True))]
    return sum(process.memory_info().rss for process in family) / 2**20


def percentile(values: list[float], share: float) -> float | None:
    return round(float(np.percentile(values, share)), 3) if values else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short form that only shows that it works")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    users, seconds = (4, 8.0) if options.quick else (options.users, options.seconds)
    frames, width, height = (8, 196, 140) if options.quick else (32, 392, 280)
    with (
        tempfile.TemporaryDirectory(prefix="space_load_") as folder,
        running_demo(Path(folder), frames, width, height, options=()) as address,
    ):
        first = User(address)
        room = first.client.predict("kitchen", api_name="/describe_room")
        ids = [item["id"] for item in sorted(room["objects"], key=lambda item: -item["visible_pixels"])][:12]
        model = first.ask(ids[:1], 0, 0)[0]["model"]  # loads it
        single = click_to_video(first, ids, 3 if options.quick else 10)
        print(f"{frames} frames at {width}x{height}, one user: " + json.dumps(single))
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
    result = {
        "benchmark": "space_load",
        "frames": frames,
        "width": width,
        "height": height,
        "model": model,
        "click_to_video": {name: round(value, 3) for name, value in single.items()},
        "users": users,
        "seconds": seconds,
        "calls": {kind: len(values) for kind, values in tally.seconds.items()},
        "p50_s": {kind: percentile(values, 50) for kind, values in tally.seconds.items()},
        "p95_s": {kind: percentile(values, 95) for kind, values in tally.seconds.items()},
        "errors": len(tally.errors),
        "mixed_up": tally.mixed_up,
        "memory_mib": {"before": round(before), "peak": round(peak), "after": round(after)},
    }
    for error in tally.errors[:5]:
        print("error:", error)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.output, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
