"""Heatmaps: pictures of how the explanations of fixed samples change while a model trains."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import Unpack

from kerasxai.callbacks.base import ExplanationCallback
from kerasxai.callbacks.files import make_folder
from kerasxai.callbacks.moments import Moment, MomentOptions
from kerasxai.evaluators.base import Case
from kerasxai.heatmap import is_signed
from kerasxai.options import positive_integer
from kerasxai.plots.checks import names_of_classes, sample_batch
from kerasxai.plots.texts import probability_text
from kerasxai.typing import Explainers, Labels, Samples, Texts
from kerasxai.whole_files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_RESOLUTION = 100  # dots per inch


class PictureOptions(MomentOptions, total=False):
    """Options of `ExplanationCallback` where `max_samples` has a default of its own."""

    batch_size: int


class Heatmaps(ExplanationCallback):
    """Draws the maps of fixed samples at the end of every epoch, and all epochs side by side when training ends.

    A picture shows all samples, each with the class that is explained and its probability. It becomes a PNG file,
    `<directory>/<explainer>_epoch_0001.png`, an image in TensorBoard, or both. When training ends `grid()`, a table
    of samples and epochs, is written too: `<directory>/<explainer>_grid.png`. In `model.evaluate` one picture is
    drawn, `<explainer>_evaluate.png`.

    Args:
        x: Probe samples, as arrays or a dataset: images with one or three channels, or signals. Models with several
            inputs are refused.
        y: Labels, for `target="true"`.
        explainer: A name, config dict, class, function of the model, or explainer on the model that is trained.
        directory: Folder for PNG files; None: none.
        class_names: Names of the classes; None: their indices.
        grid_epochs: Most epochs in the grid: the first, the last, and what lies between in even steps.
        max_samples: Most samples taken from `x`.
        **kwargs: `target`, `every`, `every_batches`, `name`, `on_error`, `log_dir`, `batch_size`: see
            `ExplanationCallback`. Nothing is written to the logs.

    Example:

    ```python
    model.compile("adam", "sparse_categorical_crossentropy")
    pictures = kerasxai.callbacks.Heatmaps(images, explainer="grad_cam", directory="maps", log_dir="logs")
    model.fit(images, np.array([0, 1, 2, 3]), epochs=3, verbose=0, callbacks=[pictures])
    figure = pictures.grid()  # a Matplotlib Figure
    ```
    """

    def __init__(
        self,
        x: Samples | None = None,
        y: Labels | None = None,
        explainer: Explainers = "grad_cam",
        *,
        directory: str | os.PathLike[str] | None = None,
        class_names: Texts | None = None,
        grid_epochs: int = 8,
        max_samples: int | None = 8,
        **kwargs: Unpack[PictureOptions],
    ) -> None:
        super().__init__(x, y, explainer, max_samples=max_samples, **kwargs)
        if directory is None and self.log_dir is None:
            raise ValueError("Heatmaps needs a `directory` or `log_dir` to write its pictures to. Received: neither.")
        self.directory, self.class_names = directory, class_names
        self.grid_epochs = positive_integer("grid_epochs", grid_epochs)
        self._drawn: dict[str, _Epochs] = {}

    def build(self):
        sample_batch(self.one_input())
        if self.directory is not None:
            make_folder(self.directory, "directory")

    def begin(self):
        self._drawn = {name: _Epochs(self.grid_epochs) for name in self.explainers}

    def measure(self, samples, moment):
        for name, explainer in self.explainers.items():
            with self.surviving(name, moment):
                maps = Case(self.model, samples, None, explainer).heatmaps.astype(np.float32)
                if moment.kind == "rehearsal":
                    self._picture(samples, maps, explainer)
                    continue
                if moment.kind == "epoch":
                    self._drawn[name].add(moment.index, maps)
                self._write(name, moment, lambda: self._picture(samples, maps, explainer))
        return {}

    def finish(self):
        for name, epochs in self._drawn.items():
            if len(epochs):
                moment = Moment("end of training", epochs.last)
                with self.surviving(name, moment):
                    self._write(name, moment, lambda: self.grid(name))

    def grid(self, explainer: str | None = None) -> Figure:
        """The samples and how their maps changed: a Figure with one row for each sample, one column for each epoch.

        Args:
            explainer: Its name, where there are several.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        from kerasxai import plots

        drawn = self._drawn.get(explainer) if explainer else next(iter(self._drawn.values()), None)
        if not drawn:
            raise ValueError(
                f"The grid shows epochs of a training. Received: explainer={explainer!r}, of which none is drawn yet."
            )
        signed = is_signed(self.explainers[explainer or next(iter(self._drawn))])
        epochs = {f"epoch {epoch + 1}": maps for epoch, maps in drawn.items()}
        return plots.grid(self._probe.x, epochs, signed=signed)

    def _picture(self, samples, maps, explainer):
        """The Figure of one moment."""
        from kerasxai import plots

        draw = plots.overlay if samples.x.ndim == 4 else plots.signal
        return draw(samples.x, maps, titles=self._titles(samples), signed=is_signed(explainer))

    def _titles(self, samples):
        """The explained class of each sample and its probability."""
        if not samples.have_classes:
            return None
        scores = samples.originals
        names = names_of_classes(self.class_names, max(int(samples.classes.max()) + 1, len(self.class_names or ())))
        return [f"{names[index]}, {probability_text(score)}" for index, score in zip(samples.classes, scores)]

    def _write(self, explainer, moment, draw):
        """Writes a picture wherever it is wanted."""
        if self.directory is None and self._summaries is None:
            return
        name, kind = self.name or explainer, moment.kind
        png, size = _png(draw())
        if self.directory is not None:
            file = {
                "epoch": f"{name}_epoch_{moment.index + 1:04d}.png",
                "batch": f"{name}_batch_{moment.index:06d}.png",
                "test": f"{name}_evaluate.png",
            }.get(kind, f"{name}_grid.png")
            path = os.path.join(os.fspath(self.directory), file)
            with self.surviving(f"writing to {self.directory}", moment), whole_file(path, "wb") as picture:
                picture.write(png)
        tag = {"epoch": name, "batch": f"batch_{name}", "test": f"{name}_evaluate"}.get(kind, f"{name}_grid")
        self.write_summaries(lambda to: to.image(tag, png, size, moment.index), moment)


class _Epochs:
    """The maps of a few epochs out of any number, in even steps, and the last: memory does not grow with training.

    Args:
        room: Most epochs handed out.
    """

    def __init__(self, room):
        self._room = room
        self._kept = {}  # epoch -> maps, in the order they came
        self._step, self._seen = 1, 0
        self._last = None

    def __len__(self):
        return self._seen

    @property
    def last(self):
        """The last epoch that came."""
        return self._last[0]

    def add(self, epoch, maps):
        """Takes the maps of the next epoch."""
        if self._seen % self._step == 0:
            self._kept[epoch] = maps
        if len(self._kept) > self._room:
            self._kept = dict(list(self._kept.items())[::2])
            self._step *= 2
        self._seen += 1
        self._last = (epoch, maps)

    def items(self):
        """(epoch, maps) of at most `room` epochs, the last among them."""
        kept = {epoch: maps for epoch, maps in self._kept.items() if epoch != self.last}
        return [*list(kept.items())[: self._room - 1], self._last]


def _png(figure):
    """The bytes of a Figure as PNG, and its size in pixels."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PNG_RESOLUTION)
    data = file.getvalue()
    return data, (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))  # the header's
