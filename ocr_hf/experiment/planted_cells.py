"""The cells of the planted lock: locked models, gates and prediction, then reinforcement learning by every arm."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.experiment.cells import Cell, CellError, Results
from ocr_hf.experiment.contrasts import poisoning_ratio
from ocr_hf.experiment.planted_data import PARTS, load_part
from ocr_hf.experiment.planted_lock import ARMS, RL, SFT, SIZES, VIEWS, Examiner, fine_tune, learn, right
from ocr_hf.experiment.planted_rooms import LETTERS
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
QUICK = Scale(2, SFT(steps=20, batch=16, warmup=2), RL(steps=4, prompts=8), rooms=64, rehearsal=True)


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
        for arm, settings in arms.items():
            count = scale.seeds if design == MAIN and arm in MANY else min(FEW, scale.seeds)
            found += [
                Cell(
                    f"rl/{design.name}/{arm}/{seed}",
                    {
                        **{"arm": dict(settings), "agreement": design.agreement, "seed": seed, "rooms": scale.rooms},
                        **{"steps": scale.rl.steps, "prompts": scale.rl.prompts, "group": scale.rl.group},
                        "learning_rate": scale.rl.learning_rate,
                    },
                    (f"sft/{design.model}/{seed}", f"gate/{design.name}"),
                )
                for seed in range(count)
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
    """

    def __init__(self, results: Results, work: Path, processes: int = 1) -> None:
        self.results, self.work, self.processes = results, work, processes
        self._part = cache(self._load)

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Do a cell's work and return its result."""
        started = time.monotonic()
        work = {"sft": self._fine_tune, "gate": self._gate, "rl": self._learn}[cell.name.split("/")[0]]
        return work(cell) | {"seconds": round(time.monotonic() - started, 1)}

    def _load(self, name: str, count: int | None, agreement: float | None = None) -> Any:
        part = PARTS[name]
        part = replace(part, count=min(part.count, count or part.count))
        if agreement not in (None, part.agreement):
            part = replace(part, name=f"rl-rho{round(100 * agreement)}", agreement=agreement)
        # A shorter part has other shards
        folder = self.work / "rooms" if count is None else self.work / f"rooms-{count}"
        return load_part(part, folder, self.processes)

    def _model(self, name: str) -> Path:
        folder = self.work / "models" / name
        if not (folder / "config.json").is_file():
            raise CellError(
                f"the model of cell {name} is not in {folder}: its result was made elsewhere; copy the model there, or "
                f"remove the result and run the cell here (--cells {name})"
            )
        return folder

    def _fine_tune(self, cell: Cell) -> dict[str, Any]:
        given = cell.settings
        out = self.work / "models" / cell.name
        settings = SFT(**{name: given[name] for name in SFT.__dataclass_fields__})
        fine_tune(self._part("sft", given["rooms"]), SIZES[given["size"]], settings, given["seed"], out)
        views = [(part, view) for part in ("conflict", "aligned") for view in VIEWS]
        return self._examined(out, [*views, ("unanswerable", "clean")], given["rooms"])

    def _examined(self, model: Path, views: list[tuple[str, str]], rooms: int | None) -> dict[str, Any]:
        """Return, for each part of the test and each view of it, the letters and how likely the right one was."""
        asked = AnsweringModel.of(load_model(str(model), dtype="float32", device="cpu"))
        found: dict[str, Any] = {}
        right_letters: dict[str, str] = {}
        for part, view in views:
            rows = self._part(part, rooms)
            right_letters[part] = "".join(rows["ground_truth"])
            probabilities = Examiner(rows, VIEWS[view]).answers(asked)
            truth = [LETTERS.index(letter) for letter in rows["ground_truth"]]
            found[f"{part}/{view}"] = {
                "accuracy": round(100.0 * float(right(probabilities, rows["ground_truth"]).mean()), 2),
                "mean_probability": round(float(probabilities[np.arange(len(truth)), truth].mean()), 4),
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
            "ratio": round(ratio, 4),
            "predicted_sign_of_ocr_minus_grpo": 1 if ratio > 1.0 else -1,
        }

    def _learn(self, cell: Cell) -> dict[str, Any]:
        given, (start, gate) = cell.settings, cell.needs
        met = self.results.read(gate)["met"]
        if not all(met.values()) and not self.results.cells[gate].settings["rehearsal"]:
            missed = ", ".join(name for name, fine in met.items() if not fine)
            raise CellError(f"gate {gate} isn't met ({missed}), so no reinforcement learning starts; see its result")
        out = self.work / "models" / cell.name
        settings = RL(given["steps"], given["prompts"], given["group"], given["learning_rate"])
        rows = self._part("rl", given["rooms"], given["agreement"])
        log = learn(rows, self._model(start), settings, given["arm"], given["seed"], out)
        views = [("conflict", "clean"), ("aligned", "clean"), ("unanswerable", "clean"), ("conflict", "queried_noised")]
        return self._examined(out, views, given["rooms"]) | {"log": _columns(log)}


LOGGED = ("reward", "vanilla/reward", "noisy/reward", "frac_reward_zero_std", "noise/area", "grad_norm")


def _columns(log: list[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the trainer's log as columns, an entry a step, of what is worth keeping."""
    kept = [name for name in LOGGED if any(name in entry for entry in log)]
    return {name: [round(float(entry.get(name, float("nan"))), 5) for entry in log] for name in kept}
