"""Cameras, oriented boxes and footprints: arrays in, arrays out, numpy only."""
