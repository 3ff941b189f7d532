"""Running code as somebody runs it who has transformers and not this package."""

from __future__ import annotations

from pathlib import Path

_SHIM = Path(__file__).resolve().parents[1] / "ocr_hf" / "_torchvision_cpu.py"
PREAMBLE = f"""
import runpy, sys
runpy.run_path({str(_SHIM)!r})["install"]()  # torchvision's CUDA build beside CPU torch; nothing of ours
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "ocr_hf":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
"""
"""Goes before the code that a new process runs: from then on `import ocr_hf` fails."""
