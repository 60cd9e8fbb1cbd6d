"""Evaluate: metrics of explanations as metrics of training."""

from __future__ import annotations

import numpy as np
from typing_extensions import Unpack

from kerasxai.callbacks.base import ExplanationCallback
from kerasxai.callbacks.moments import CallbackOptions
from kerasxai.evaluators.base import Case
from kerasxai.evaluators.registry import build as build_evaluator
from kerasxai.registry import labelled
from kerasxai.typing import Array, Evaluators, Explainers, Labels, Model, Samples


class Evaluate(ExplanationCallback):
    """Evaluates explainers on fixed samples at the end of every epoch, any evaluators on any explainers.

    The mean of each result over the samples goes into the epoch's `logs` as a float, under the name
    `<prefix><explainer>_<result>`: `val_grad_cam_drop_rate`. Samples whose result is NaN are left out of the mean; it
    is NaN where no sample has one. Callbacks that read the logs, as `keras.callbacks.EarlyStopping`, are listed after
    this one and are told what is better: `mode="min"` or `mode="max"`, see `directions` of the evaluator.

    The maps of an explainer are made once for all evaluators.

    Args:
        x: Probe samples, as arrays or a dataset.
        y: Labels, for `target="true"`.
        explainers: An explainer's name, config dict or class, a function of the model, or an explainer on it; a list,
            or a dict name -> explainer.
        evaluators: An evaluator's name, config dict, class or an instance; a list; or a dict label -> evaluator, whose
            label stands before the names of its results.
        masks: Where the evidence is, `(samples, *spatial)`, for metrics of localization.
        reference_model: Another model, for metrics that compare with one.
        **kwargs: `target`, `max_samples`, `every`, `every_batches`, `prefix`, `name`, `on_error`, `verbose`,
            `log_dir`, `batch_size`: see `ExplanationCallback`.

    Raises:
        ValueError: When training begins: the explainers, evaluators, samples and targets do not go with the model.

    Example:

    ```python
    model.compile("adam", "sparse_categorical_crossentropy")
    quality = kerasxai.callbacks.Evaluate(
        images, explainers=["grad_cam", "gradient"], evaluators=["drop_increase", "deletion"]
    )
    history = model.fit(images, np.array([0, 1, 2, 3]), epochs=2, verbose=0, callbacks=[quality])
    history.history["val_gradient_deletion"]  # one float for each epoch
    ```
    """

    def __init__(
        self,
        x: Samples | None = None,
        y: Labels | None = None,
        explainers: Explainers = "grad_cam",
        evaluators: Evaluators = "drop_increase",
        *,
        masks: Array | None = None,
        reference_model: Model | None = None,
        **kwargs: Unpack[CallbackOptions],
    ) -> None:
        super().__init__(x, y, explainers, **kwargs)
        self.evaluators = [(label, build_evaluator(each)) for label, each in labelled(evaluators, "evaluator")]
        if not self.evaluators:
            raise ValueError("`evaluators` must hold at least one. Received: none.")
        self.masks, self.reference_model = masks, reference_model

    def build(self):
        samples = len(self.samples())
        if self.masks is not None and len(self.masks) < samples:
            raise ValueError(f"`masks` must have one entry per sample. Received: {len(self.masks)} for {samples}.")

    def measure(self, samples, moment):
        masks = None if self.masks is None else self.masks[: len(samples)]
        means = {}
        for name, explainer in self.explainers.items():
            with self.surviving(name, moment):
                case = Case(self.model, samples, None, explainer, masks, self.reference_model)
                for label, evaluator in self.evaluators:
                    self._add(means, name, label, evaluator.evaluate(case))
        return means

    def _add(self, means, explainer, label, results):
        """Puts the means of an evaluator's results under their names."""
        for result in results.per_sample:
            metric = f"{label}_{result}" if label else result
            name = self.metric(explainer, metric)
            if name in means:
                raise ValueError(
                    f"`evaluators` must give results of different names. Received: {name} twice; give a dict label -> "
                    "evaluator."
                )
            means[name] = mean(results[result])


def mean(values):
    """Mean of the values that are not NaN, a Python float; NaN if there is none."""
    values = np.asarray(values, np.float64)
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")
