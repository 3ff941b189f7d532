"""Recorded scenes: folders of real frames with cameras and boxes, read into our conventions."""
