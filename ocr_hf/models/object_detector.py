"""A detector of the Hub that finds what words name: OWLv2, Grounding DINO and the like."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ocr_hf.scenes.filmed.boxes_from_views import Detection
from ocr_hf.settings.extras import need


def load_detector(model: str, labels: Sequence[str], least: float = 0.3) -> Callable[[np.ndarray], list[Detection]]:
    """Return what finds objects in a picture (H, W, 3) uint8.

    Args:
        model: Hub id or folder of a model for transformers' pipeline `zero-shot-object-detection`.
        labels: what to look for.
        least: score below which a detection is dropped, 0 to 1.

    Returns:
        A function from a picture to its detections.

    Raises:
        ImportError: transformers isn't installed.
        OSError: there is no such model.
        ValueError: the model is of another kind, or there are no labels.
    """
    need("train", "finding objects with a detector", ["torch", "transformers"])
    from PIL import Image
    from transformers import pipeline

    if not labels:
        raise ValueError("a detector finds what labels name, and there are none; give some with --classes chair,table")
    finder = pipeline("zero-shot-object-detection", model=model)

    def find(picture: np.ndarray) -> list[Detection]:
        found = finder(Image.fromarray(picture), candidate_labels=list(labels), threshold=least)
        return [
            Detection(
                # Grounding DINO's labels may come back with a full stop
                str(each["label"]).strip(" ."),
                float(each["score"]),
                tuple(float(each["box"][side]) for side in ("xmin", "ymin", "xmax", "ymax")),
            )
            for each in found
        ]

    return find
