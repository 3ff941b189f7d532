"""Exact frames out of video files, with PyAV alone: the one reader for perturbation, data, training and evaluation."""
