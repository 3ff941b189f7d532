"""The YAML block at the top of a README, from which the Hub lists and filters a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CARD = "README.md"

REQUIRED: dict[str, tuple[str, ...]] = {
    "dataset": ("license", "configs", "task_categories", "size_categories", "pretty_name", "tags"),
    "model": ("license", "library_name", "pipeline_tag", "tags"),
    "metric": ("title", "sdk", "sdk_version", "app_file", "tags"),
    "space": ("title", "sdk", "sdk_version", "python_version", "app_file", "license", "short_description"),
}
"""Kind -> metadata without which the Hub lists a repository wrongly or not at all."""


def read_metadata(folder: Path, kind: str) -> tuple[dict[str, Any], list[str]]:
    """Return (metadata of the folder's card, findings). Parsed as the Hub does."""
    import yaml
    from huggingface_hub import DatasetCard, ModelCard, SpaceCard

    path = Path(folder) / CARD
    if not path.is_file():
        return {}, [f"{CARD} is missing; write a card, without one a repository is neither found nor understood"]
    card_class = {"dataset": DatasetCard, "model": ModelCard}.get(kind, SpaceCard)
    try:
        metadata = card_class(path.read_text(encoding="utf-8")).data.to_dict()
    except UnicodeDecodeError as error:
        return {}, [f"{CARD} is not UTF-8 (byte {error.start}); save it as UTF-8"]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # YAML counts from 0, and its block begins below the line of dashes
        where = f", line {mark.line + 2}" if mark else ""
        problem = getattr(error, "problem", error)
        return {}, [f"{CARD}{where}: the metadata is not valid YAML ({problem}); correct the block at its top"]
    except (ValueError, KeyError, TypeError) as error:
        return {}, [f"{CARD}: the metadata can't be read ({error}); correct the block at its top"]
    missing = [key for key in REQUIRED[kind] if not metadata.get(key)]
    lack = f"{CARD}: the metadata lacks {', '.join(missing)}; add them to the block at its top"
    return metadata, [lack] if missing else []
