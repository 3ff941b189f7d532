"""Edits of scenes: one thing changes, and the scene can be filmed again with the same camera."""
