"""The cells of the planted lock: locked models, gates and prediction, then reinforcement learning by every arm."""

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
from ocr_hf.experiment.contrasts import poisoning_ratio
from ocr_hf.experiment.planted_data import PARTS, load_part
from ocr_hf.experiment.planted_lock import (
    ARMS,
    BOTH,
    MATCHED,
    RL,
    SFT,
    SIZES,
    TIMESTEPS,
    VIEWS,
    Examiner,
    both_videos,
    fine_tune,
    learn,
    right,
)
from ocr_hf.experiment.planted_rooms import LETTERS
from ocr_hf.experiment.shards import is_made, load_first
from ocr_hf.experiment.trainings import logged_columns
from ocr_hf.models.answer import AnsweringModel
from ocr_hf.models.load_model import load_model

NAME = "planted-lock"
MANY = ("grpo", "ocr", "ocr_positive", "ocr_split", "noisy_rollout", "same_area")
"""Arms of the fixed rules: trained from every locked model, the others from the first `FEW`."""
FEW = 3


@dataclass(frozen=True)
class Scale:
    """How much is run: the experiment itself, or a rehearsal that shows the way and decides nothing.

    seeds : locked models; sft, rl : of the trainings; rooms : at most so many of each part, None = all
    """

    seeds: int = 8
    sft: SFT = SFT()
    rl: RL = RL()
    rooms: int | None = None
    rehearsal: bool = False


FULL = Scale()
QUICK = Scale(2, SFT(10, 10, 10, batch=16, warmup=2), RL(steps=4, prompts=8), rooms=64, rehearsal=True)


@dataclass(frozen=True)
class Design:
    """One dose: the model's size, how often the teacher follows the colour, how often that is right in RL."""

    size: str = "0.4M"
    follow: float = 0.95
    agreement: float = 0.9

    @property
    def model(self) -> str:
        return f"{self.size}-teacher{round(100 * self.follow)}"

    @property
    def name(self) -> str:
        return f"{self.model}-rho{round(100 * self.agreement)}"


MAIN = Design()
DOSES = (
    *(Design(follow=follow) for follow in (0.85, 0.99)),
    *(Design(agreement=rho) for rho in (0.7, 0.8, 0.95, 1.0)),
)
"""Of these only grpo, ocr and the repaired credits are trained, from the first `FEW` models."""
DOSE_ARMS = ("grpo", "ocr", "ocr_positive")
LARGE = Design(size="10M")
GATES = {"locked_by": 20.0, "conflict": (5.0, 35.0), "noised": 90.0}
"""Gate A, points: aligned minus conflicting at least, conflicting between, with the named thing noised at least."""


def cells(scale: Scale) -> list[Cell]:
    """Return all cells, in an order in which each comes after what it needs."""
    found: list[Cell] = []
    designs = (MAIN,) if scale.rehearsal else (MAIN, *DOSES, LARGE)
    models = dict.fromkeys((design.size, design.follow) for design in designs)
    for size, follow in models:
        settings = asdict(replace(scale.sft, follow=follow)) | {"size": size, "rooms": scale.rooms}
        found += [
            Cell(f"sft/{Design(size, follow).model}/{seed}", settings | {"seed": seed})
            for seed in range(_seeds(scale, size, follow))
        ]
    for design in designs:
        seeds = range(_seeds(scale, design.size, design.follow))
        needs = tuple(f"sft/{design.model}/{seed}" for seed in seeds)
        settings = {"agreement": design.agreement, "gates": {name: _plain(value) for name, value in GATES.items()}}
        found.append(Cell(f"gate/{design.name}", settings | {"rehearsal": scale.rehearsal}, needs))
    for design in designs:
        arms = ARMS if design == MAIN else {arm: ARMS[arm] for arm in DOSE_ARMS if arm in ARMS}
        counts = {arm: scale.seeds if design == MAIN and arm in MANY else min(FEW, scale.seeds) for arm in arms}
        # Arms of the rules first, all of them from one model before the next: what is done at any time can be compared
        found += [
            Cell(
                f"rl/{design.name}/{arm}/{seed}",
                {
                    **{"arm": dict(settings), "agreement": design.agreement, "seed": seed, "rooms": scale.rooms},
                    **{"steps": scale.rl.steps, "prompts": scale.rl.prompts, "group": scale.rl.group},
                    **{"learning_rate": scale.rl.learning_rate, "both_videos": arm == BOTH},
                },
                (f"sft/{design.model}/{seed}", f"gate/{design.name}"),
            )
            for of_rules in (True, False)
            for seed in range(max(counts.values()))
            for arm, settings in arms.items()
            if seed < counts[arm] and (arm in MANY) == of_rules
        ]
    return found


def _seeds(scale: Scale, size: str, follow: float) -> int:
    return scale.seeds if (size, follow) == (MAIN.size, MAIN.follow) else min(FEW, scale.seeds)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class PlantedLock:
    """Runs cells of the planted lock.

    Args:
        results: where results are.
        work: folder of data and models; what is there already is used.
        processes: that film rooms.
        tests: to repeat a cell: ask only so many rooms of each part of the test, film for a training no videos that it
            doesn't show, and leave the models of other cells as they are; None = all rooms.
    """

    def __init__(self, results: Results, work: Path, processes: int = 1, tests: int | None = None) -> None:
        self.results, self.work, self.processes, self.tests = results, work, processes, tests
        self.models = work / ("models" if tests is None else "repeated")
        self._part = cache(self._load)
        self._examiner = cache(self._examiner_of)

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Do a cell's work and return its result."""
        started = time.monotonic()
        work = {"sft": self._fine_tune, "gate": self._gate, "rl": self._learn}[cell.name.split("/")[0]]
        return work(cell) | {"seconds": round(time.monotonic() - started, 1)}

    def prepare(self, wanted: Sequence[Cell]) -> None:
        """Film the rooms that cells need, by all processes, before each of these goes its own way."""
        for cell in wanted:
            kind, given = cell.name.split("/")[0], cell.settings
            if kind == "gate":
                continue
            if kind == "sft":
                self._part("sft", given["rooms"])
            else:
                self._rooms_of(given)
            for name in TEST_PARTS:
                self._part(name, given["rooms"])

    def _rooms_of(self, given: Mapping[str, Any]) -> datasets.Dataset:
        """Return the rooms that an RL cell trains on."""
        shows_edited = given["both_videos"] or given["arm"]["strategy"] == "counterfactual"
        return self._part("rl", given["rooms"], given["agreement"], shows_edited)

    def _load(
        self, name: str, count: int | None, agreement: float | None = None, edited: bool = True
    ) -> datasets.Dataset:
        part = PARTS[name]
        part = replace(part, count=min(part.count, count or part.count))
        if agreement not in (None, part.agreement):
            part = replace(part, name=f"rl-rho{round(100 * agreement)}", agreement=agreement, like="rl")
        # A shorter part has other shards
        folder = self.work / "rooms" if count is None else self.work / f"rooms-{count}"
        if part.edited and not edited and self.tests is not None and not is_made(folder / part.name, part.count):
            # One cell alone needn't wait for edited videos that it doesn't show
            part = replace(part, name=f"{part.name}-recorded", edited=False)
        return load_first(load_part, part, folder, self.processes, self.tests if name in TEST_PARTS else None)

    def _examiner_of(self, part: str, view: str, rooms: int | None) -> Examiner:
        """Return who asks about a part of the test; his frames serve all cells of this process."""
        return Examiner(self._part(part, rooms), VIEWS[view])

    def _fine_tune(self, cell: Cell) -> dict[str, Any]:
        given = cell.settings
        out = self.models / cell.name
        settings = SFT(**{name: given[name] for name in SFT.__dataclass_fields__})
        fine_tune(self._part("sft", given["rooms"]), SIZES[given["size"]], settings, given["seed"], out)
        views = [(part, view) for part in ("conflict", "aligned") for view in SHOWN_BEFORE]
        frames = [("aligned", f"frames_{t}") for t in TIMESTEPS]
        return self._examined(out, [*views, *frames, ("unanswerable", "clean")], given["rooms"])

    def _examined(self, model: Path, views: list[tuple[str, str]], rooms: int | None) -> dict[str, Any]:
        """Return, for each part of the test and each view of it, the letters and how likely the right one was.

        A part's clean view comes before its others.
        """
        asked = AnsweringModel.of(load_model(str(model), dtype="float32", device="cpu"))
        found: dict[str, Any] = {}
        right_letters: dict[str, str] = {}
        clean: dict[str, np.ndarray] = {}
        for part, view in views:
            answers = self._part(part, rooms)["ground_truth"]
            right_letters[part] = "".join(answers)
            probabilities = self._examiner(part, view, rooms).answers(asked)
            if view == "clean":
                clean[part] = probabilities
            truth = [LETTERS.index(letter) for letter in answers]
            found[f"{part}/{view}"] = {
                "accuracy": round(100.0 * float(right(probabilities, answers).mean()), 2),
                "mean_probability": round(float(probabilities[np.arange(len(truth)), truth].mean()), 4),
                # Total variation between the answers to this view and to the clean one
                "variation": round(0.5 * float(np.abs(probabilities - clean[part]).sum(axis=1).mean()), 4),
                "letters": "".join(LETTERS[i] for i in probabilities.argmax(axis=1)),
            }
        return {"asked": found, "truth": right_letters}

    def _gate(self, cell: Cell) -> dict[str, Any]:
        """Say whether the models are locked as planned, and predict the sign of OCR minus GRPO."""
        asked = [self.results.read(name)["asked"] for name in cell.needs]

        def mean(key: str, what: str = "accuracy") -> float:
            return float(np.mean([one[key][what] for one in asked]))

        aligned, conflict = mean("aligned/clean"), mean("conflict/clean")
        noised = mean("conflict/queried_noised")
        low, high = GATES["conflict"]
        met = {
            "locked_by": aligned - conflict >= GATES["locked_by"],
            "conflict": low <= conflict <= high,
            "noised": noised >= GATES["noised"],
        }
        ratio = poisoning_ratio(
            cell.settings["agreement"],
            mean("conflict/queried_noised", "mean_probability"),
            1.0 - mean("aligned/queried_noised", "mean_probability"),
        )
        return {
            "aligned": round(aligned, 2),
            "conflict": round(conflict, 2),
            "conflict_queried_noised": round(noised, 2),
            "met": met,
            "matched_timestep": matched_timestep(
                mean("aligned/queried_noised", "variation"),
                [mean(f"aligned/frames_{t}", "variation") for t in TIMESTEPS],
            ),
            "ratio": round(ratio, 4),
            "predicted_sign_of_ocr_minus_grpo": 1 if ratio > 1.0 else -1,
        }

    def _learn(self, cell: Cell) -> dict[str, Any]:
        given, (start, gate) = cell.settings, cell.needs
        self.results.check_gate(gate)
        out = self.models / cell.name
        settings = RL(given["steps"], given["prompts"], given["group"], given["learning_rate"])
        rows = self._rooms_of(given)
        if given["both_videos"]:
            rows = both_videos(rows)
        arm = dict(given["arm"])
        if arm.get("timestep") == MATCHED:
            arm["timestep"] = self.results.read(gate)["matched_timestep"]
        on_the_way, truth = self._examiner("conflict", "clean", given["rooms"]), self._part("conflict", given["rooms"])

        def ask(model: AnsweringModel) -> float:
            probabilities = on_the_way.answers(model, ON_THE_WAY)
            return round(100.0 * float(right(probabilities, truth["ground_truth"][:ON_THE_WAY]).mean()), 2)

        log, curve = learn(rows, self.results.model(start, self.work), settings, arm, given["seed"], out, ask)
        found = self._examined(out, list(SHOWN_AFTER), given["rooms"])
        return found | {"log": logged_columns(log), "conflict_by_step": curve}


TEST_PARTS = ("conflict", "aligned", "unanswerable")
SHOWN_BEFORE = ("clean", "queried_noised", "context_noised", "black")
SHOWN_AFTER = (
    *(("conflict", view) for view in ("clean", "queried_noised")),
    *(("aligned", view) for view in ("clean", "queried_noised", "black")),
    ("unanswerable", "clean"),
)
ON_THE_WAY = 250
"""Conflicting rooms that are asked while a model trains, for its learning curve."""


def matched_timestep(wanted: float, found: Sequence[float]) -> int:
    """Return the timestep of noise on whole frames that changes answers by `wanted`, between the `TIMESTEPS`.

    Args:
        wanted: total variation.
        found: of each of the timesteps.
    """
    # As a growing curve, for noise in the figures may turn its end round; none below the first timestep is 0
    return round(float(np.interp(wanted, [0.0, *np.maximum.accumulate(found)], [0, *TIMESTEPS])))
