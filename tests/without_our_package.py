"""Running code as somebody runs it who has transformers and not this package."""

PREAMBLE = "import sys; sys.modules['ocr_hf'] = None\n"
"""Goes before the code that a new process runs: from then on `import ocr_hf` fails. Nothing else is arranged."""
