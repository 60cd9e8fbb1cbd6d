"""Errors and warnings that speak of Python's arguments, in the words of the command line."""

import re

IN_PYTHON = "Load it in Python, by kerasxai.load_model(path, {}), and explain it there"
WORDINGS = {
    r"pass `safe_mode=False`": "add --unsafe",
    r"Pass `(custom_objects=\{.*?\})`": IN_PYTHON.format(r"\1"),
    r"Pass `endpoint`, (one of \[.*?\])": IN_PYTHON.format("endpoint=...") + r"; endpoint is \1",
    r"See kerasxai\.layer_table\(model\)": "See `kerasxai layers MODEL`",
    r"Then scale `x` likewise; kerasxai\.load_images\(.*?\) does": "Then try --preprocess 0-1 or -1-1",
    r"upsample=True": "--option upsample=true",
}


def for_the_command_line(message):
    """The message with what its reader can do written as arguments of the command."""
    for pattern, words in WORDINGS.items():
        message = re.sub(pattern, words, message)
    return message
