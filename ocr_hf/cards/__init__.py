"""Model cards rendered from measured files: a number gets into a card with its source, or not at all."""
