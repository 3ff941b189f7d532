"""Twins: two videos of one home that differ by an edit, and a question whose answer the edit changes, or keeps."""
