"""Scenes out of files: meshes with their instances, and VSI-Bench's own metadata."""
