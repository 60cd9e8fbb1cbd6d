"""A terminal without what TensorFlow and Python write to it for their developers."""

import contextlib
import os
import sys
import tempfile
import warnings

from kerasxai.cli.wording import for_the_command_line

VERBOSITY = "TF_CPP_MIN_LOG_LEVEL"  # 0 shows all of it


def load_tensorflow():
    """Imports TensorFlow; the lines of its C++ parts are kept back, and shown if that fails.

    While it is imported they go past every setting, so the file descriptor is turned away.
    """
    if "tensorflow" in sys.modules:
        return
    if os.environ.setdefault(VERBOSITY, "3") == "0":
        import tensorflow

        return
    with tempfile.TemporaryFile("w+b") as lines, _written_to(lines):
        import tensorflow
    tensorflow.get_logger().setLevel("ERROR")


@contextlib.contextmanager
def _written_to(file, descriptor=2):
    """Sends standard error to a file meanwhile; after a failure, which Ctrl-C is not, to where it belongs, too."""
    sys.stderr.flush()
    kept = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        yield
    except Exception:
        file.seek(0)
        os.write(kept, file.read())
        raise
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


@contextlib.contextmanager
def plain_warnings():
    """Warnings as one line each, without the place in the source that gave them."""

    def show(message, *_, **__):
        text = for_the_command_line(" ".join(str(message).split()))
        print(f"kerasxai: warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
