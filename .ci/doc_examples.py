"""Lets the site show the examples of docstrings as code: an extension of griffe, which reads sources for mkdocstrings.

`Example:` stands in ours, as editors know it. For griffe only `Examples:` holds code, and any other heading is prose,
in which brackets would be links.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Reads `Example:` as `Examples:`."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the heading in a docstring that was just read."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.M)
