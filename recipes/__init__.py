"""Recipes, run from the root of a checkout: they import `ocr_hf`, which never imports them."""
