"""The metrics used most, each as a callback of its own: `Evaluate` with its evaluators chosen."""

from __future__ import annotations

import inspect
from typing import Any

from typing_extensions import Unpack

from kerasxai import evaluators
from kerasxai.callbacks.evaluate import Evaluate
from kerasxai.callbacks.moments import ProbeOptions
from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.curves import CurveOptions, OrderOptions, Replacement
from kerasxai.evaluators.drop_increase import Ties
from kerasxai.typing import Explainers, Labels, Numbers, Samples


class _EachItsOwn:
    """Stands in a signature for a default that is not the same for all evaluators."""

    def __repr__(self):
        return "<each evaluator's own>"


EACH_ITS_OWN = _EachItsOwn()


class _Chosen(Evaluate):
    """Base of the callbacks whose evaluators are chosen; options of these are options of the callback."""

    chosen: tuple[type[Evaluator], ...] = ()

    def __init__(
        self, x: Samples | None = None, y: Labels | None = None, explainer: Explainers = "grad_cam", **kwargs: Any
    ) -> None:
        known = set(self._options_of_evaluators())
        options = {name: value for name, value in kwargs.items() if name in known}
        # `batch_size` is an option of both.
        others = {name: value for name, value in kwargs.items() if name not in known or name == "batch_size"}
        super().__init__(x, y, explainer, [evaluator(**options) for evaluator in self.chosen], **others)

    @classmethod
    def _signature(cls):
        options = dict(super()._signature().parameters)
        for name in ("masks", "reference_model"):  # options of `Evaluate` that none of the evaluators needs
            del options[name]
        for name, option in cls._options_of_evaluators().items():
            options.setdefault(name, option.replace(kind=option.KEYWORD_ONLY))
        return inspect.Signature(list(options.values()))

    @classmethod
    def _options_of_evaluators(cls):
        options = {}
        for evaluator in cls.chosen:
            for name, option in inspect.signature(evaluator).parameters.items():
                if options.setdefault(name, option).default != option.default:
                    options[name] = option.replace(default=EACH_ITS_OWN)
        return options


class DropIncreaseOptions(ProbeOptions, EvaluatorOptions, total=False):
    """Options of `ExplanationCallback` and of `kerasxai.evaluators.DropIncrease`."""

    fraction: float
    ties: Ties
    replace: Numbers


class DropIncrease(_Chosen):
    """Drop and increase of the score when only the most relevant positions are shown, as metrics of training.

    Writes `val_<explainer>_drop_rate` (lower is better) and `val_<explainer>_increase_rate` (higher is better).

    To watch, not to stop by: a net that is sure of nothing has a low drop rate, so that a training stopped at the
    lowest ends near its beginning.

    Args:
        x: Probe samples, as arrays or a dataset.
        y: Labels, for `target="true"`.
        explainer: A name, config dict, class, function of the model, or explainer on the model that is trained.
        **kwargs: `fraction`, `ties`, `replace`, `seed`: see `kerasxai.evaluators.DropIncrease`. `target`,
            `max_samples`, `every`, `every_batches`, `prefix`, `name`, `on_error`, `verbose`, `log_dir`,
            `batch_size`: see `ExplanationCallback`.

    Example:

    ```python
    labels = np.array([0, 1, 2, 3])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, validation_data=(images, labels), epochs=3, callbacks=[
        kerasxai.callbacks.DropIncrease(images, explainer="grad_cam"),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True),
    ])
    ```
    """

    chosen = (evaluators.DropIncrease,)

    def __init__(
        self,
        x: Samples | None = None,
        y: Labels | None = None,
        explainer: Explainers = "grad_cam",
        **kwargs: Unpack[DropIncreaseOptions],
    ) -> None:
        super().__init__(x, y, explainer, **kwargs)


class AOPCOptions(ProbeOptions, OrderOptions, total=False):
    """Options of `ExplanationCallback` and of `kerasxai.evaluators.AOPC`."""

    window: int | None
    steps: int | None
    replace: Replacement


class AOPC(_Chosen):
    """Area over the perturbation curve as a metric of training.

    Writes `val_<explainer>_aopc`, `val_<explainer>_abpc` and `val_<explainer>_aopc_above_random` (higher is better).

    Args:
        x: Probe samples, as arrays or a dataset.
        y: Labels, for `target="true"`.
        explainer: A name, config dict, class, function of the model, or explainer on the model that is trained.
        **kwargs: `window`, `steps`, `order`, `replace`, `n_samples`, `seed`: see `kerasxai.evaluators.AOPC`.
            `target`, `max_samples`, `every`, `every_batches`, `prefix`, `name`, `on_error`, `verbose`, `log_dir`,
            `batch_size`: see `ExplanationCallback`.

    Example:

    ```python
    model.compile("adam", "sparse_categorical_crossentropy")
    quality = kerasxai.callbacks.AOPC(images, explainer="lrp", window=8)
    history = model.fit(images, np.array([0, 1, 2, 3]), verbose=0, callbacks=[quality])
    history.history["val_lrp_aopc"]
    ```
    """

    chosen = (evaluators.AOPC,)

    def __init__(
        self,
        x: Samples | None = None,
        y: Labels | None = None,
        explainer: Explainers = "grad_cam",
        **kwargs: Unpack[AOPCOptions],
    ) -> None:
        super().__init__(x, y, explainer, **kwargs)


class DeletionInsertionOptions(ProbeOptions, CurveOptions, total=False):
    """Options of `ExplanationCallback`, `kerasxai.evaluators.Deletion` and `Insertion`."""

    steps: int


class DeletionInsertion(_Chosen):
    """Deletion and insertion as metrics of training.

    Writes `val_<explainer>_deletion` (lower is better) and `val_<explainer>_insertion` (higher is better).

    Args:
        x: Probe samples, as arrays or a dataset.
        y: Labels, for `target="true"`.
        explainer: A name, config dict, class, function of the model, or explainer on the model that is trained.
        **kwargs: `steps`, `order`, `replace`, `n_samples`, `seed`, for both: see `kerasxai.evaluators.Deletion` and
            `Insertion`. `target`, `max_samples`, `every`, `every_batches`, `prefix`, `name`, `on_error`,
            `verbose`, `log_dir`, `batch_size`: see `ExplanationCallback`.

    Example:

    ```python
    model.compile("adam", "sparse_categorical_crossentropy")
    quality = kerasxai.callbacks.DeletionInsertion(images, explainer="integrated_gradients", steps=10)
    history = model.fit(images, np.array([0, 1, 2, 3]), verbose=0, callbacks=[quality])
    history.history["val_integrated_gradients_deletion"]
    ```
    """

    chosen = (evaluators.Deletion, evaluators.Insertion)

    def __init__(
        self,
        x: Samples | None = None,
        y: Labels | None = None,
        explainer: Explainers = "grad_cam",
        **kwargs: Unpack[DeletionInsertionOptions],
    ) -> None:
        super().__init__(x, y, explainer, **kwargs)
