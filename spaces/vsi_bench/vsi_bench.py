"""VSI-Bench as an `evaluate` metric, around the scorer of ocr_hf.

`evaluate.load` copies this file and the neighbours that it imports relatively, and only those: so all are imported
here, one statement a line at column 0, without comments on the lines. In a checkout the neighbours stand for modules of
ocr_hf/vsi_bench; `ocr-hf push metric` sends the modules themselves, so that the pushed metric needs no ocr_hf.
"""

from __future__ import annotations

import datasets
import evaluate

from .bootstrap import CONFIDENCE, DRAWS
from .extract import parse_number
from .harness_rules import strip_reasoning
from .rules import OWN_RULES
from .scoring import score_answers
from .summary import AVERAGES, summarize
from .tasks import QUESTION_TYPES

_CARRIED = (parse_number, strip_reasoning)
"""Of neighbours that only the others use, and that are copied for being imported here."""

_DESCRIPTION = """\
Scores of VSI-Bench (Thinking in Space, arXiv 2412.14171) exactly as its authors compute them: accuracy of option
letters, mean relative accuracy of numbers, eight tasks and their unweighted mean, with bootstrap intervals over scenes.
Part of ocr-hf, the toolkit for Object-Centric 3D Rollout (OCR; nothing to do with text recognition).
"""

_INPUTS = f"""\
Args:
    predictions (list of str): what the model wrote; None and "" score 0 and count as unparsed.
    references (list of str): the column `ground_truth`.
    question_types (list of str): the column `question_type`: {", ".join(QUESTION_TYPES)}.
    ids (list, optional): the column `id`; must be unique, and names the row in error messages.
    pruned (list of bool, optional): the column `pruned`; adds the debiased split's results.
    scenes (list of str, optional): the scene of each question ("dataset/scene_name"); the bootstrap draws scenes.
    extraction (str): one of {", ".join(OWN_RULES)}; the first is the benchmark's own rule and the default.
    average (str): {" or ".join(AVERAGES)}: which of the two is repeated as `overall`.
    draws (int), confidence (float), seed (int): bootstrap draws ({DRAWS}; 0 = no intervals), level
        ({CONFIDENCE}) and seed (0).
Returns (averages in per cent):
    overall, macro, micro, interval, tasks, levels, missing, n, n_unparsed, n_scenes, clustered_by, average, extraction,
    debiased: the same for the questions that are not pruned, or None
    scores: one per question, 0 to 1, in the order given
Examples:
    >>> metric = evaluate.load("spaces/vsi_bench")
    >>> results = metric.compute(predictions=["3", "A."], references=["4", "A"],
    ...                          question_types=["object_counting", "route_planning"], draws=0)
    >>> results["overall"], results["scores"]
    (80.0, [0.6, 1.0])
"""

_CITATION = """\
@inproceedings{yang2025thinking,
  title={{Thinking in Space: How Multimodal Large Language Models See, Remember and Recall Spaces}},
  author={Yang, Jihan and Yang, Shusheng and Gupta, Anjali and Han, Rilyn and Fei-Fei, Li and Xie, Saining},
  booktitle={CVPR}, year={2025}, eprint={2412.14171}, archivePrefix={arXiv}
}
"""


class VSIBench(evaluate.Metric):
    """VSI-Bench; see `inputs_description`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text, "question_types": text}),
            homepage="https://huggingface.co/datasets/nyu-visionx/VSI-Bench",
            reference_urls=["https://arxiv.org/abs/2412.14171", "https://github.com/vision-x-nyu/thinking-in-space"],
        )

    def add_batch(self, *, predictions=None, references=None, **kwargs) -> None:
        """Add rows; a prediction may be None."""
        # evaluate refuses None where a text is expected, and compute comes here as well. Docstrings it appends to
        texts = None if predictions is None else ["" if text is None else text for text in predictions]
        super().add_batch(predictions=texts, references=references, **kwargs)

    def add(self, *, prediction=None, reference=None, **kwargs) -> None:
        """Add one row; the prediction may be None."""
        super().add(prediction="" if prediction is None else prediction, reference=reference, **kwargs)

    def _compute(
        self,
        predictions: list[str | None],
        references: list[str],
        question_types: list[str],
        ids: list | None = None,
        pruned: list[bool] | None = None,
        scenes: list[str] | None = None,
        extraction: str = "official",
        average: str = "macro",
        draws: int = DRAWS,
        confidence: float = CONFIDENCE,
        seed: int = 0,
    ) -> dict:
        scored = score_answers(list(predictions), list(references), list(question_types), extraction, ids)
        return summarize(scored, pruned, scenes, average, draws, confidence, seed)
