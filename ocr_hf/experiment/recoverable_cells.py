"""The cells of the recoverable questions: models, gates, learning rates, then reinforcement learning by every arm."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ocr_hf.experiment.cells import Cell, Results
from ocr_hf.experiment.recoverable_data import PARTS, blind_scores, load_part
from ocr_hf.experiment.recoverable_training import AFTER, ARMS, SFT, VIEWS, Examiner, fine_tune, learn, pairs_right
from ocr_hf.experiment.shards import is_made, load_first
from ocr_hf.experiment.trainings import RL
from ocr_hf.models.answer import AnsweringModel
from ocr_hf.models.load_model import load_model

NAME = "recoverable"
BASELINE = "grpo"
"""Trained at every learning rate; the one that is best for it is taken for all arms."""
RATES = (1e-4, 3e-4)
GATES = {"pairs_above_blind": 15.0, "lock_gap": 15.0, "mixed_groups": (10.0, 90.0), "reward_rise": 3.0}
"""Points, and percent of groups. The last one is looked at after the baseline has been trained, the others before."""


@dataclass(frozen=True)
class Scale:
    """How much is run: the experiment itself, or a rehearsal that shows the way and decides nothing.

    seeds : models; sft, rl : of the trainings; rooms : at most so many of each part, None = all
    """

    seeds: int = 5
    sft: SFT = SFT()
    rl: RL = RL(steps=60, prompts=32)
    rooms: int | None = None
    rehearsal: bool = False


FULL = Scale()
QUICK = Scale(2, SFT(steps=8, batch=24, warmup=2), RL(steps=2, prompts=4), rooms=16, rehearsal=True)


def cells(scale: Scale) -> list[Cell]:
    """Return all cells, in an order in which each comes after what it needs."""
    seeds, rooms = range(scale.seeds), {"rooms": scale.rooms}
    rl = {"steps": scale.rl.steps, "prompts": scale.rl.prompts, "group": scale.rl.group}
    gates = {name: list(value) if isinstance(value, tuple) else value for name, value in GATES.items()}
    judged = {"gates": gates, "rehearsal": scale.rehearsal}
    taught = {"sft": asdict(scale.sft)}
    found = [Cell(f"sft/{seed}", taught | rl | rooms | {"seed": seed}) for seed in seeds]
    found.append(Cell("gate", judged | rooms, tuple(f"sft/{seed}" for seed in seeds)))
    tuned = [
        Cell(
            f"tune/{rate:g}/{seed}",
            {"arm": ARMS[BASELINE], "learning_rate": rate, "seed": seed} | rl | rooms,
            (f"sft/{seed}", "gate"),
        )
        for seed in seeds
        for rate in RATES
    ]
    found += [*tuned, Cell("choice", judged, (*(cell.name for cell in found[:-1]), *(cell.name for cell in tuned)))]
    found += [
        Cell(f"rl/{arm}/{seed}", {"arm": dict(settings), "seed": seed} | rl | rooms, (f"sft/{seed}", "choice"))
        for seed in seeds
        for arm, settings in ARMS.items()
    ]
    return found


class Recoverable:
    """Runs cells of the recoverable questions.

    Args:
        results: where results are.
        work: folder of data and models; what is there already is used.
        processes: that film rooms.
        tests: to repeat a cell: ask only so many rooms of the test, film for a training no copies that it doesn't show,
            and leave the models of other cells as they are; None = all rooms.
    """

    def __init__(self, results: Results, work: Path, processes: int = 1, tests: int | None = None) -> None:
        self.results, self.work, self.processes, self.tests = results, work, processes, tests
        self.models = work / ("models" if tests is None else "repeated")
        self._part = cache(self._load)
        self._examiner = cache(lambda view, rooms: Examiner(self._part("test", rooms), VIEWS[view]))

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Do a cell's work and return its result."""
        started = time.monotonic()
        kind = cell.name.split("/")[0]
        work = {
            "sft": self._fine_tune,
            "gate": self._gate,
            "tune": self._tune,
            "choice": self._choose,
            "rl": self._learn,
        }[kind]
        return work(cell) | {"seconds": round(time.monotonic() - started, 1)}

    def prepare(self, wanted: Sequence[Cell]) -> None:
        """Film the rooms that cells need, by all processes, before each of these goes its own way."""
        for cell in wanted:
            kind = cell.name.split("/")[0]
            parts = {"sft": tuple(PARTS), "gate": ("rl", "test"), "choice": ()}.get(kind, ("rl", "held", "test"))
            for name in parts:
                if name == "rl" and "arm" in cell.settings:
                    self._rooms_of(cell.settings)
                else:
                    self._part(name, cell.settings["rooms"])

    def _rooms_of(self, given: Mapping[str, Any]) -> datasets.Dataset:
        """Return the rooms that an RL cell trains on."""
        return self._part("rl", given["rooms"], given["arm"].get("mode") == "geometry")

    def _load(self, name: str, count: int | None, altered: bool = True) -> datasets.Dataset:
        part = PARTS[name]
        part = replace(part, count=min(part.count, count or part.count))
        folder = self.work / "rooms" if count is None else self.work / f"rooms-{count}"
        if part.altered and not altered and self.tests is not None and not is_made(folder / part.name, part.count):
            # One cell alone needn't wait for altered copies that it doesn't show
            part = replace(part, name=f"{part.name}-recorded", altered=False)
        return load_first(load_part, part, folder, self.processes, self.tests if part.tested else None)

    def _asked(self, model: Path, views: Sequence[str], rooms: int | None) -> dict[str, Any]:
        asked = AnsweringModel.of(load_model(str(model), dtype="float32", device="cpu"))
        return {view: self._examiner(view, rooms).ask(asked) for view in views}

    def _measured(self, model: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a step that changes nothing measures of a model: its groups, its reward."""
        rows, held = (self._part(name, given["rooms"]) for name in ("rl", "held"))
        settings = RL(1, given["prompts"], given["group"], learning_rate=0.0)
        found = learn(rows, held, model, settings, ARMS[BASELINE], given["seed"], None)
        return {"mixed_groups": 100.0 * found["log"]["all/frac_mixed"][0], "held_reward": found["held_reward"]}

    def _trained(self, cell: Cell, rate: float) -> dict[str, Any]:
        """Train the arm of a cell from the model of the first cell that it needs, and ask it the test's questions."""
        given, start = cell.settings, self.results.model(cell.needs[0], self.work)
        settings = RL(given["steps"], given["prompts"], given["group"], rate)
        rows, held = self._rooms_of(given), self._part("held", given["rooms"])
        out = self.models / cell.name
        found = learn(rows, held, start, settings, given["arm"], given["seed"], out)
        return found | {"asked": self._asked(out, AFTER, given["rooms"])}

    def _fine_tune(self, cell: Cell) -> dict[str, Any]:
        given = cell.settings
        out = self.models / cell.name
        fine_tune(self._part("sft", given["rooms"]), SFT(**given["sft"]), given["seed"], out)
        return self._measured(out, given) | {"asked": self._asked(out, tuple(VIEWS), given["rooms"])}

    def _gate(self, cell: Cell) -> dict[str, Any]:
        """Say whether the models are such that the test can show anything."""
        models = [self.results.read(name) for name in cell.needs]
        blind = blind_scores(self._part("rl", cell.settings["rooms"]), self._part("test", cell.settings["rooms"]))

        def mean(view: str) -> float:
            return float(np.mean([one["asked"][view]["accuracy"] for one in models]))

        def pairs(view: str, twin: str) -> float:
            return 100.0 * float(
                np.mean([np.mean(pairs_right(one["asked"][view], one["asked"][twin])) for one in models])
            )

        mixed = float(np.mean([one["mixed_groups"] for one in models]))
        blind_pairs = max(pairs("black", "black_twin"), blind["pairs"])
        figures = {
            "pairs": pairs("clean", "twin"),
            "blind_pairs": blind_pairs,
            "blind": {**blind, "black": mean("black")},
            "ceiling": mean("context"),
            "degraded": mean("degraded"),
            "mixed_groups": mixed,
            "held_reward": float(np.mean([one["held_reward"] for one in models])),
        }
        low, high = GATES["mixed_groups"]
        met = {
            "pairs_above_blind": figures["pairs"] - blind_pairs >= GATES["pairs_above_blind"],
            "lock_gap": figures["ceiling"] - figures["degraded"] >= GATES["lock_gap"],
            "mixed_groups": low <= mixed <= high,
        }
        return _rounded(figures) | {"met": met}

    def _tune(self, cell: Cell) -> dict[str, Any]:
        self.results.check_gate(cell.needs[1])
        return self._trained(cell, cell.settings["learning_rate"])

    def _choose(self, cell: Cell) -> dict[str, Any]:
        """Take the learning rate at which the baseline earns most in held-out rooms; say whether it learns there."""
        before = [self.results.read(name)["held_reward"] for name in cell.needs if name.startswith("sft/")]
        after: dict[float, list[float]] = {}
        for name in cell.needs:
            if name.startswith("tune/"):
                rate = self.results.cells[name].settings["learning_rate"]
                after.setdefault(rate, []).append(self.results.read(name)["held_reward"])
        chosen = max(after, key=lambda rate: np.mean(after[rate]))
        rise = float(np.mean(after[chosen]) - np.mean(before))
        return {
            "learning_rate": chosen,
            "held_reward": {f"{rate:g}": [round(value, 2) for value in values] for rate, values in after.items()},
            "held_reward_before": before,
            "rise": round(rise, 2),
            "sd_over_seeds": round(float(np.std(after[chosen], ddof=1)), 2) if len(before) > 1 else None,
            "met": {"reward_rise": rise >= GATES["reward_rise"]},
        }

    def _learn(self, cell: Cell) -> dict[str, Any]:
        choice = cell.needs[1]
        self.results.check_gate(choice)
        rate = self.results.read(choice)["learning_rate"]
        if cell.settings["arm"] == ARMS[BASELINE] and self.tests is None:
            # The same training from the same model: it has been run to choose the learning rate
            return self.results.read(f"tune/{rate:g}/{cell.settings['seed']}")
        return self._trained(cell, rate)


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _rounded(value) if isinstance(value, Mapping) else round(float(value), 2)
        for name, value in values.items()
    }
