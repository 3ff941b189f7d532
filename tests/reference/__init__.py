"""Tests of ocr_hf.reference."""
