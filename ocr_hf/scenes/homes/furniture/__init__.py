"""Parametric furniture: one function per category, each `make(rng, style) -> Model`."""
