"""Where callbacks write: folders, and TensorBoard's event files."""

import os
import tempfile

import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import DataClass, SummaryMetadata

RUN = "explanations"  # beside Keras' own runs "train" and "validation"
# TensorBoard's plugins and kinds of data; its own package, which has functions for both, need not be installed.
_SCALARS = SummaryMetadata(
    plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"), data_class=DataClass.DATA_CLASS_SCALAR
)
_IMAGES = SummaryMetadata(
    plugin_data=SummaryMetadata.PluginData(plugin_name="images"), data_class=DataClass.DATA_CLASS_BLOB_SEQUENCE
)


def make_folder(path, option):
    """Makes a folder that can be written to; an error that names the option otherwise."""
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(
            f"`{option}` must be a folder that can be written to. Received: {option}={str(path)!r}: {error.strerror}."
        ) from error


class Summaries:
    """An event file under TensorBoard's folder.

    Args:
        log_dir: The folder.
    """

    def __init__(self, log_dir):
        folder = os.path.join(os.fspath(log_dir), RUN)
        make_folder(folder, "log_dir")
        self._writer = tf.summary.create_file_writer(folder)

    def scalars(self, values, step):
        """Writes numbers.

        Args:
            values: Dict tag -> number.
            step: Number of the epoch or batch.
        """
        self._write({tag: tf.constant(value, tf.float32) for tag, value in values.items()}, step, _SCALARS)

    def image(self, tag, png, size, step):
        """Writes a picture.

        Args:
            tag: Its name.
            png: Its bytes.
            size: `(width, height)` in pixels.
            step: Number of the epoch or batch.
        """
        width, height = (str(length).encode() for length in size)
        self._write({tag: tf.constant([width, height, png])}, step, _IMAGES)

    def close(self):
        """Closes the file."""
        self._writer.close()

    def _write(self, tensors, step, metadata):
        with self._writer.as_default(step):
            for tag, tensor in tensors.items():
                tf.summary.write(tag, tensor, metadata=metadata)
        self._writer.flush()
