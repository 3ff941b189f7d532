"""Model cards rendered from measured files: every number in a card has a source file, or it isn't printed."""
