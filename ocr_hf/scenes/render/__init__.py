"""Colour, depth and instance maps of a scene, by ray casting on the CPU."""
