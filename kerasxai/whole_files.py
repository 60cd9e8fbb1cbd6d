"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile

from kerasxai.interrupts import undisturbed


@contextlib.contextmanager
def whole_file(path, mode="w"):
    """A file to write to, which gets its name only when all is written.

    Args:
        path: Where it shall be.
        mode: `"w"` (text, UTF-8, line ends as written) or `"wb"`.
    """
    folder, name = os.path.split(os.path.abspath(path))
    text = {} if mode == "wb" else {"encoding": "utf-8", "newline": ""}
    partial = None
    try:
        with undisturbed():
            handle, partial = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
        with os.fdopen(handle, mode, **text) as file:
            yield file
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        with undisturbed(), contextlib.suppress(FileNotFoundError):
            if partial is not None:
                os.remove(partial)
        raise
