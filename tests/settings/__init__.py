"""Settings as flags, YAML and Python, and the commands that take them."""
