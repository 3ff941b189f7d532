"""The search for twins: edits are chosen by guesses of what they show, then filmed, then judged by the films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice, permutations

import numpy as np

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.options import LetterDealer
from ocr_hf.questions.question import Question, QuestionConfig
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.scenes.edits.changed_objects import changed_objects
from ocr_hf.scenes.edits.edited_scene import edited_scene
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Scene
from ocr_hf.twins.proposals import CONTROL, Proposal, Proposer
from ocr_hf.twins.shot import CHANGES, KEEPS, Asked, Shot, relation
from ocr_hf.twins.word_pair import word_pair
from ocr_hf.vsi_bench.tasks import TASKS

TASK_LEVELS = {task.name: task.levels for task in TASKS}
ROOM_SIZE = "room_size_estimation"
OWN_EDITS = ("object_counting", "object_size_estimation", ROOM_SIZE)
"""Tasks with edits of their own; those of the others change places."""
MOST_FILMS = 4
"""Edited scenes that are filmed for one clip at most."""
MOST_PROPOSALS = 24
"""Edits that are tried for one task in one round."""
ROUTE_ROUNDS = 3
MOST_CANDIDATES = 300
"""Candidate questions of a type that are looked at."""


@dataclass(frozen=True, eq=False)
class Draft:
    """A copy that is being put together.

    shot : a guess until `filmed`; touched : labels of what is not as in the vanilla scene
    """

    edits: tuple[SceneEdit, ...]
    shot: Shot
    touched: frozenset[str] = frozenset()
    filmed: bool = False


@dataclass(frozen=True)
class Plan:
    """A question with the places of the copies that change its answer and keep it."""

    asked: Asked
    changed: int
    kept: int


Idea = tuple[Proposal, Shot, frozenset[str]]
"""Edits, the guess of what they show, and the labels of what they touch."""


class TwinSearch:
    """Plans edits by guesses, films them, and finds what the films bear out.

    filmed : every edited scene that was filmed; skipped : why tasks have no twin, counted
    """

    def __init__(
        self,
        vanilla: Shot,
        poses: np.ndarray,
        film: Callable[[Scene], Footprints],
        seed: int,
        tasks: tuple[str, ...],
        questions: int,
    ) -> None:
        self.vanilla, self.poses, self.film, self.seed = vanilla, poses, film, seed
        self.tasks, self.questions = tasks, questions
        self.proposer = Proposer(vanilla, poses)
        self.skipped: Counter[str] = Counter()
        self.films = 0
        self.filmed: list[Draft] = []
        self._asked: dict[str, list[Asked]] = {}
        self._ideas: dict[str, tuple[list[Idea], Iterator[Proposal]]] = {}

    def run(self) -> None:
        """Plan, film, and where the film shows otherwise plan what is missing once more."""
        drafts = [Draft((), self.vanilla, filmed=True)] * self.copies
        failed: set[tuple[Asked, tuple[SceneEdit, ...]]] = set()
        while self.films < MOST_FILMS:
            done = self._served(drafts)
            achieved = [self._task(plan.asked) for plan in done]
            missing = [task for task in self.tasks if task not in achieved]
            if len(achieved) >= self.questions or not missing:
                break
            drafts, planned = self._plan(drafts, done, missing, failed)
            drafts = self._with_control(drafts, planned)
            fresh = sum(not draft.filmed for draft in drafts)
            if not fresh or self.films + fresh > MOST_FILMS:
                break
            drafts = [draft if draft.filmed else self._film(draft) for draft in drafts]
            for plan in planned:
                if not self._holds(plan, drafts):
                    failed.add((plan.asked, drafts[plan.changed].edits))
                    self.skipped[f"{self._task(plan.asked)}: the film of an edit shows otherwise"] += 1

    @property
    def copies(self) -> int:
        """How many edited videos the clip may have: one more where another size of the room is aimed at."""
        return 3 if ROOM_SIZE in self.tasks[: self.questions] else 2

    def _film(self, draft: Draft) -> Draft:
        self.films += 1
        shot = Shot(draft.shot.scene, self.film(draft.shot.scene), self.vanilla.inventory.fps, self.config)
        done = replace(draft, shot=shot, filmed=True)
        self.filmed.append(done)
        return done

    @property
    def config(self) -> QuestionConfig:
        return self.vanilla.inventory.config

    def _task(self, asked: Asked) -> str:
        return next(task for task, levels in TASK_LEVELS.items() if asked[0] in levels)

    def _questions(self, task: str) -> list[Asked]:
        """Return what can be asked of the vanilla clip in a task, in random order."""
        if task not in self._asked:
            found: list[Asked] = []
            for level in TASK_LEVELS[task]:
                if level not in self.config.question_types:
                    continue
                rng = generator(self.seed, "twin questions", self.vanilla.scene.name, level)
                # Routes are sampled, the others listed: of routes each round finds some more.
                for _ in range(ROUTE_ROUNDS if level == "route_planning" else 1):
                    candidates = QUESTION_TYPES[level].candidates(self.vanilla.inventory, rng)
                    new = dict.fromkeys((level, arguments) for arguments in islice(candidates, MOST_CANDIDATES))
                    found += [asked for asked in new if asked not in found and self.vanilla.answer(asked) is not None]
            rng = generator(self.seed, "twin questions", self.vanilla.scene.name, task)
            self._asked[task] = [found[i] for i in rng.permutation(len(found))]
        return self._asked[task]

    def _holds(self, plan: Plan, drafts: Sequence[Draft]) -> bool:
        changed, kept = drafts[plan.changed], drafts[plan.kept]
        return relation(plan.asked, self.vanilla, changed.shot) == CHANGES and self._keeps(plan.asked, kept)

    def _keeps(self, asked: Asked, draft: Draft) -> bool:
        return relation(asked, self.vanilla, draft.shot) == KEEPS and not draft.touched.intersection(asked[1])

    def _proposals(self, task: str) -> Iterator[Idea]:
        """Yield edits for a task with guesses of what they show and the labels that they touch."""
        if task in ("object_abs_distance", "object_rel_distance"):
            yield from self._of_kind("places")
            yield from self._of_kind("object_size_estimation")
        else:
            yield from self._of_kind(task if task in OWN_EDITS else "places")

    def _of_kind(self, kind: str) -> Iterator[Idea]:
        """Yield what was proposed before, then more: proposals are dear, and several tasks try the same ones."""
        if kind not in self._ideas:
            rng = generator(self.seed, "twin edits", self.vanilla.scene.name, kind)
            self._ideas[kind] = ([], islice(self.proposer.for_task(kind, rng), MOST_PROPOSALS))
        known, more = self._ideas[kind]
        for number in range(MOST_PROPOSALS):
            if number == len(known):
                found = next(more, None)
                if found is None:
                    return
                known.append((found, self.vanilla.with_edits(found.scene), self._touched(found.scene)))
            yield known[number]

    def _touched(self, scene: Scene) -> frozenset[str]:
        before, after = self.vanilla.scene, scene
        changed = set(changed_objects(before, after))
        return frozenset(item.label for each in (before, after) for item in each.objects if item.id in changed)

    def _plan(
        self, drafts: list[Draft], kept: list[Plan], tasks: list[str], failed: set
    ) -> tuple[list[Draft], list[Plan]]:
        """Plan questions of tasks: for each an edit that changes its answer in one copy, while the other keeps it.

        Returns the copies with these edits, and the plans for `tasks` alone.
        """
        plans = list(kept)
        new: list[Plan] = []
        for task in tasks:
            if len(plans) == self.questions:
                break
            # First the copy that has to change fewer answers
            order = sorted(range(len(drafts)), key=lambda i: sum(plan.changed == i for plan in plans))
            found = self._by_present_edits(task, drafts, order, failed) or self._by_new_edits(
                task, drafts, order, plans, failed
            )
            if found is None:
                self.skipped[f"{task}: no plausible edit changes an answer"] += 1
                continue
            drafts, plan = found
            plans.append(plan)
            new.append(plan)
        return drafts, new

    def _by_present_edits(
        self, task: str, drafts: list[Draft], order: list[int], failed: set
    ) -> tuple[list[Draft], Plan] | None:
        for i in order:
            if drafts[i].edits:
                for asked in self._questions(task):
                    plan = self._kept_plan(asked, i, drafts, failed)
                    if plan is not None:
                        return drafts, plan
        return None

    def _kept_plan(self, asked: Asked, changed: int, drafts: list[Draft], failed: set) -> Plan | None:
        """Return the plan of a question whose answer this copy changes, with a copy that keeps it, if there is one."""
        if (asked, drafts[changed].edits) in failed:
            return None
        # First a copy that is another for some reason already
        others = sorted((k for k in range(len(drafts)) if k != changed), key=lambda k: not drafts[k].edits)
        plans = (Plan(asked, changed, k) for k in others)
        return next((plan for plan in plans if self._holds(plan, drafts)), None)

    def _by_new_edits(
        self, task: str, drafts: list[Draft], order: list[int], plans: list[Plan], failed: set
    ) -> tuple[list[Draft], Plan] | None:
        for proposal, shot, touched in self._proposals(task):
            # Cheap first: does it change an answer at all?
            changed = [
                asked
                for asked in self._questions(task)
                if (task == ROOM_SIZE or touched.intersection(asked[1]))
                and relation(asked, self.vanilla, shot) == CHANGES
            ]
            for i in order if changed else ():
                merged = self._merged(drafts[i], proposal, shot, touched)
                if merged is None:
                    continue
                tried = [merged if k == i else draft for k, draft in enumerate(drafts)]
                if not all(self._holds(plan, tried) for plan in plans):
                    continue
                for asked in changed:
                    plan = self._kept_plan(asked, i, tried, failed)
                    if plan is not None:
                        return tried, plan
        return None

    def _merged(self, draft: Draft, proposal: Proposal, shot: Shot, touched: frozenset[str]) -> Draft | None:
        """Return a copy with further edits, None where they don't go together."""
        if not draft.edits:
            return Draft(proposal.edits, shot, touched)
        if draft.touched & touched:
            return None
        scene = edited_scene(draft.shot.scene)
        try:
            for edit in proposal.edits:
                scene = edited_scene(edit.apply(scene, camera_path=self.poses))
        except ValueError:
            return None
        return Draft((*draft.edits, *proposal.edits), draft.shot.with_edits(scene), self._touched(scene))

    def _with_control(self, drafts: list[Draft], plans: list[Plan]) -> list[Draft]:
        """Give each copy that is to keep an answer, and changes none, an edit of the same kind elsewhere."""
        for keeper in sorted({plan.kept for plan in plans if not drafts[plan.kept].edits}):
            task = next(self._task(plan.asked) for plan in plans if plan.kept == keeper)
            # Only an extension is like an extension, and it would keep no room's size.
            own = () if task == ROOM_SIZE else self._proposals(task)
            for proposal, shot, touched in chain(own, self._of_kind("places"), self._of_kind(CONTROL)):
                tried = list(drafts)
                tried[keeper] = Draft(proposal.edits, shot, touched)
                if all(self._holds(plan, tried) for plan in plans):
                    drafts = tried
                    break
        return drafts

    def _served(self, drafts: Sequence[Draft]) -> list[Plan]:
        """Return for these copies as many questions as are wanted, of different tasks, the most wanted first."""
        found: list[Plan] = []
        for task in self.tasks:
            plan = self._find(task, drafts, found) if len(found) < self.questions else None
            if plan is not None:
                found.append(plan)
        return found

    def _find(self, task: str, drafts: Sequence[Draft], before: list[Plan]) -> Plan | None:
        load = Counter(plan.changed for plan in before)
        order = sorted((i for i in range(len(drafts)) if drafts[i].edits), key=lambda i: (load[i], i))
        for i, k in permutations(order, 2):
            for asked in self._questions(task):
                if self._holds(Plan(asked, i, k), drafts) and self._worded(asked, drafts[i], drafts[k]):
                    return Plan(asked, i, k)
        return None

    def _worded(self, asked: Asked, changed: Draft, kept: Draft) -> list[Question]:
        dealer = LetterDealer(self.seed, self.vanilla.scene.name)
        return word_pair(asked, self.vanilla, changed.shot, kept.shot, dealer, self.seed)

    def best(self) -> tuple[list[Plan], list[Draft]]:
        """Return the questions and the copies that serve the most of them; of equally many the fewest copies."""
        best: tuple[list[Plan], list[Draft]] = ([], [])
        for count in range(2, self.copies + 1):
            for some in combinations(self.filmed, count):
                plans = self._served(some)
                if len(plans) > len(best[0]):
                    best = (plans, list(some))
        return best
