"""Settings: one vocabulary, read from flags and YAML files alike into the dataclasses that Python uses.

names.py: the words, and the names they replace · read_value.py: text and YAML values as a field's type ·
config_file.py: YAML files · command_options.py: dataclasses and functions as commands · run_command.py: one command
from start to exit status · completion.py: what a shell completes · extras.py: optional dependencies
"""
