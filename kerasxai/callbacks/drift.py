"""ExplanationDrift: how much explanations change while a model trains."""

from __future__ import annotations

import numpy as np
from typing_extensions import Unpack

from kerasxai.callbacks.base import ExplanationCallback
from kerasxai.callbacks.evaluate import mean
from kerasxai.callbacks.moments import CallbackOptions
from kerasxai.evaluators.base import Case
from kerasxai.evaluators.similarity import spearman
from kerasxai.typing import Explainers, Labels, Samples


class ExplanationDrift(ExplanationCallback):
    """Similarity of the maps to those of the previous measured epoch and to those of the first one.

    Writes `val_<explainer>_spearman_to_previous`, `..._cosine_to_previous`, `..._spearman_to_first` and
    `..._cosine_to_first`: means over the samples, 1 for maps that are the same, lower where they moved. Spearman's is
    the rank correlation over positions, NaN for a constant map; the cosine is that of the raw values, NaN for an
    all-zero map; such samples are left out.

    The first epoch is compared with the maps before training (for a model built only by its first batch, after that),
    so that there is a value for every epoch. With `target="predicted"` a change of the predicted class is a change of
    what is explained; `target="true"` or an int stays.

    Args:
        x: Probe samples, as arrays or a dataset. Models with several inputs are refused.
        y: Labels, for `target="true"`.
        explainer: A name, config dict, class, function of the model, or explainer on the model that is trained.
        **kwargs: `target`, `max_samples`, `every`, `every_batches` (compared with epochs too), `prefix`, `name`,
            `on_error`, `verbose`, `log_dir`, `batch_size`: see `ExplanationCallback`.

    Example:

    ```python
    model.compile("adam", "sparse_categorical_crossentropy")
    labels = np.array([0, 1, 2, 3])
    drift = kerasxai.callbacks.ExplanationDrift(images, labels, explainer="layer_cam", target="true")
    history = model.fit(images, labels, epochs=2, verbose=0, callbacks=[drift])
    history.history["val_layer_cam_spearman_to_previous"]
    ```
    """

    def __init__(
        self,
        x: Samples | None = None,
        y: Labels | None = None,
        explainer: Explainers = "grad_cam",
        **kwargs: Unpack[CallbackOptions],
    ) -> None:
        super().__init__(x, y, explainer, **kwargs)
        self._previous: dict[str, np.ndarray] = {}
        self._first: dict[str, np.ndarray] = {}

    def build(self):
        self.one_input()

    def begin(self):
        samples = self.samples()
        self._previous = {name: self._rows(samples, explainer) for name, explainer in self.explainers.items()}
        self._first = {}

    def measure(self, samples, moment):
        if moment.kind == "test" and not self._first:
            raise ValueError(
                "ExplanationDrift compares with the epochs of a training. Received: evaluate() without a fit() before."
            )
        means, maps = {}, {}
        for name, explainer in self.explainers.items():
            with self.surviving(name, moment):
                maps[name] = self._rows(samples, explainer)
                previous = maps[name] if moment.kind == "rehearsal" else self._previous[name]
                first = self._first.get(name, maps[name])
                for reference, others in (("previous", previous), ("first", first)):
                    means[self.metric(name, f"spearman_to_{reference}")] = mean(spearman(maps[name], others))
                    means[self.metric(name, f"cosine_to_{reference}")] = mean(cosine(maps[name], others))
        if moment.kind == "epoch":
            self._previous = {**self._previous, **maps}
            self._first = {**maps, **self._first}
        return means

    def _rows(self, samples, explainer):
        heatmaps = Case(self.model, samples, None, explainer).heatmaps
        return heatmaps.reshape(len(heatmaps), -1)


def cosine(rows, others):
    """Cosine of each row with that of the others; NaN for a row of zeros."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (rows * others).sum(axis=1) / np.sqrt((rows**2).sum(axis=1) * (others**2).sum(axis=1))
