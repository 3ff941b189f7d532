"""Families that are evaluated but not trained, each with the reason.

What training needs of a family is a video whose pixels lie on a grid of patches (`video_grid_thw`) behind a placeholder
of its own: noise is put into these patches, features are kept by the video, and positions are made from the grid. What
the processors of transformers 5.23 give instead is checked by tests/models/test_asked_only.py.
"""

from __future__ import annotations

from ocr_hf.models.families import MODEL_FAMILIES, ModelFamily

MODEL_FAMILIES.register(
    "llava_onevision",
    ModelFamily(
        "LLaVA-OneVision",
        why_not_trained=(
            "its processor gives whole frames of one square size instead of patches on a grid, which is where training "
            "puts the noise, and tells the model no times"
        ),
    ),
)
MODEL_FAMILIES.register(
    "internvl",
    ModelFamily(
        "InternVL",
        why_not_trained=(
            "its processor turns a video into pictures, so that the model sees no video to which noise, shared "
            "features and positions could be bound, and no times"
        ),
    ),
)
MODEL_FAMILIES.register(
    "smolvlm",
    ModelFamily(
        "SmolVLM2",
        why_not_trained=(
            "its processor turns a video into pictures with whole seconds written before them, so that the model sees "
            "no video to which noise, shared features and positions could be bound"
        ),
    ),
)
