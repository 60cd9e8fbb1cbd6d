"""ExplanationCallback: when explanations are made during training, of what, and what becomes of failures.

What is done with them is in the callbacks' own files.
"""

from __future__ import annotations

import abc
import contextlib
import inspect
import os
import random
import warnings
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
from typing_extensions import Self

from kerasxai.callbacks.files import Summaries
from kerasxai.callbacks.moments import Moment
from kerasxai.callbacks.probe import Probe
from kerasxai.evaluators.scoring import ScoredModel
from kerasxai.explainers.base import Explainer
from kerasxai.explainers.registry import build as build_explainer
from kerasxai.options import check_one_of, positive_integer, shown
from kerasxai.registry import labelled, refuse_unknown_options
from kerasxai.typing import Explainers, Labels, Samples, TargetLike, Verbose

if TYPE_CHECKING:
    from kerasxai.evaluators import scoring

REHEARSAL_SAMPLES = 2  # of the probe, run through everything before the first batch
BATCH_KEY = "batch"  # of `history`: how many batches the model was trained on


class ExplanationCallback(keras.callbacks.Callback, abc.ABC):
    """Base of the callbacks that explain fixed probe samples while a model trains.

    A subclass gives `measure(samples, moment)`. The base class takes the probe data once, builds the explainers, runs
    all of it on two samples before the first batch, so that what cannot work is refused there, and calls `measure`
    at the end of epochs. Training is the same, bit for bit, as without the callback. Nothing is traced again after the
    rehearsal.

    In `model.fit` the floats that `measure` returns go into the epoch's `logs`, where `History`, and the callbacks
    listed after this one, find them. In `model.evaluate` they are printed. Both keep the last ones in `results`.

    Args:
        x: Probe samples: an array `(samples, *input_shape)`, a list or dict of several inputs, a `tf.data.Dataset`
            or `keras.utils.PyDataset`. A dataset is read once; one that shuffles moves on by being read, so give
            another object than the one the model is trained on.
        y: Labels, for `target="true"`; a dataset brings its own.
        explainers: An explainer's name, config dict or class, a function of the model, or an explainer bound to the
            model that is trained; or a list of these; or a dict of them, whose keys become the names in metrics.
        target: What is explained: `"predicted"`, `"true"`, an int, one int per sample, a callable: see
            `Explainer.__call__`. A predicted class is taken anew each time, from the model as it is then.
        max_samples: Most samples taken from `x`; None: all.
        every: Number of epochs from one measurement to the next. The first epoch of a `fit` is always measured.
        every_batches: Number of batches from one measurement to the next, besides those of epochs; they go to
            `history`, and to TensorBoard where there is a `log_dir`.
        prefix: What the names of metrics start with.
        name: Stands for the explainer's name in the names of metrics and pictures.
        on_error: What becomes of a failure during training: `"warn"` (once; training goes on without that value) or
            `"raise"`.
        verbose: `"auto"` prints what `model.evaluate` measures, 1 that of every epoch too, 0 nothing.
        log_dir: TensorBoard's folder; written to is the run `explanations` in it.
        batch_size: Most samples, or perturbed copies of them, the model runs on at once; explainers that are given as
            objects keep their own.

    Attributes:
        results: Dict name -> float, as last measured.
        history: What `every_batches` measured: dict name -> list; under `"batch"` how many batches were trained.
        explainers: Dict name -> explainer, once there is a model.
        trace_count: How many times anything was traced.
    """

    def __new__(cls, *_: Any, **options: Any) -> Self:
        """Refuses options that the class has not; Python would name the ancestor whose signature it is."""
        known = cls.option_names()
        refuse_unknown_options(cls, {name: value for name, value in options.items() if name not in known})
        return super().__new__(cls)

    def __init__(
        self,
        x: Samples | None = None,
        y: Labels | None = None,
        explainers: Explainers = "grad_cam",
        *,
        target: TargetLike = "predicted",
        max_samples: int | None = None,
        every: int = 1,
        every_batches: int | None = None,
        prefix: str = "val_",
        name: str | None = None,
        on_error: Literal["warn", "raise"] = "warn",
        verbose: Verbose = "auto",
        log_dir: str | os.PathLike[str] | None = None,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        if x is None:
            raise TypeError(f"{type(self).__name__} needs `x`, the samples to explain. Received: none.")
        _check_type("prefix", prefix, str, "a string")
        _check_type("name", name, (str, type(None)), "a string or None")
        _check_type("log_dir", log_dir, (str, os.PathLike, type(None)), "a folder or None")
        check_one_of("on_error", on_error, ("warn", "raise"))
        check_one_of("verbose", verbose, ("auto", 0, 1))
        self.every = positive_integer("every", every)
        self.every_batches = None if every_batches is None else positive_integer("every_batches", every_batches)
        self.batch_size = positive_integer("batch_size", batch_size)
        self.prefix, self.name, self.on_error, self.verbose, self.log_dir = prefix, name, on_error, verbose, log_dir
        self.results: dict[str, float] = {}
        self.history: dict[str, list[float]] = {}
        self.explainers: dict[str, Explainer] = {}
        self._given_explainers = explainers
        self._probe = Probe(x, y, target, max_samples)
        self._scored = self._prepared_for = self._summaries = None
        self._in_fit = self._is_first_epoch = self._is_rehearsing = False
        self._batches_before = self._batches = 0
        self._warned: set[tuple[str, type]] = set()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = cls._signature()

    @classmethod
    def option_names(cls) -> list[str]:
        """Names of all options of the constructor."""
        return list(inspect.signature(cls).parameters)

    @classmethod
    def _signature(cls):
        """The constructor's signature with the options that it hands on: those that ancestors take by name only."""
        own, *inherited = [vars(ancestor)["__init__"] for ancestor in cls.__mro__ if "__init__" in vars(ancestor)]
        _, *parameters = inspect.signature(own).parameters.values()
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        options = {option.name: option for option in parameters if option.kind in named}
        for constructor in inherited:
            for option in inspect.signature(constructor).parameters.values():
                if option.kind is option.KEYWORD_ONLY:
                    options.setdefault(option.name, option)
        return inspect.Signature(list(options.values()))

    @abc.abstractmethod
    def measure(self, samples: scoring.Samples, moment: Moment) -> dict[str, float]:
        """Explains the probe samples and does something with the maps.

        Args:
            samples: `kerasxai.evaluators.scoring.Samples`, with the targets fixed for the model as it is now.
            moment: A `Moment`. A rehearsal must leave nothing behind.

        Returns:
            Dict name -> float.
        """

    def build(self) -> None:
        """Called once `self.model` and `self.explainers` are there, for checks of a subclass that need them."""

    def begin(self) -> None:
        """Called when a training begins, after the rehearsal; for a model built only by then, after its first batch."""

    def finish(self) -> None:
        """Called when a training ends."""

    @property
    def trace_count(self) -> int:
        """How many times anything was traced."""
        scored = 0 if self._scored is None else self._scored.trace_count
        return scored + sum(explainer.trace_count for explainer in self.explainers.values())

    def samples(self):
        """The probe samples, their targets fixed for the model as it is now."""
        return self._scored.samples(self._probe.x, self._probe.y, self._probe.target, self.batch_size)

    def one_input(self):
        """The array of the model's one input, for callbacks that draw or compare maps of its positions."""
        inputs = self.samples().inputs
        if len(inputs) != 1:
            raise ValueError(
                f"{type(self).__name__} needs a model with one input. Received: a model with {len(inputs)} inputs. "
                "Leave the callback out; an explainer called by itself takes several inputs."
            )
        return inputs[0]

    def metric(self, explainer: str, metric: str) -> str:
        """The name of a metric in the logs."""
        return f"{self.prefix}{self.name or explainer}_{metric}"

    @contextlib.contextmanager
    def surviving(self, task, moment):
        """Turns a failure inside into one warning, unless the user wants it raised."""
        try:
            yield
        except Exception as error:
            if self._is_rehearsing or self.on_error == "raise":
                raise
            if (task, type(error)) not in self._warned:
                self._warned.add((task, type(error)))
                warnings.warn(
                    f"{type(self).__name__}: {task} failed at {moment} and is left out there: "
                    f"{type(error).__name__}: {error} The model is not affected. "
                    "The same failure is not reported again.",
                    stacklevel=3,
                )

    def write_summaries(self, write, moment):
        """Calls `write(Summaries)`, if there is a `log_dir`, and outlives its failure."""
        if self._summaries is not None:
            with self.surviving(f"writing to {self.log_dir}", moment):
                write(self._summaries)

    # What Keras calls

    def set_model(self, model):
        super().set_model(model)
        self._in_fit = False  # a training that was interrupted did not say that it ended

    def on_train_begin(self, logs=None):
        self._in_fit = self._is_first_epoch = True
        self._has_begun = False
        self._batches_before = self._batches = 0
        self.history = {}
        self._open_summaries()
        if self.model.built:
            self._begin()

    def on_train_batch_end(self, batch, logs=None):
        if not self._has_begun:
            self._begin()
        # The last of several steps per execution is reported in full even if the data ended before.
        trained = min(batch + 1, self.params.get("steps") or batch + 1)
        before, self._batches = self._batches, self._batches_before + trained
        if self.every_batches and self._batches // self.every_batches > before // self.every_batches:
            self._keep(self._measured(Moment("batch", self._batches)))

    def on_epoch_end(self, epoch, logs=None):
        self._batches_before = self._batches
        if not self._is_first_epoch and epoch % self.every:
            return  # nothing is written: a NaN would use up the patience of EarlyStopping
        self._is_first_epoch = False
        moment = Moment("epoch", epoch)
        self.results = self._measured(moment)
        if logs is not None:
            with self.surviving("writing the logs", moment):
                self._write_logs(logs)
        if self.verbose == 1:
            self._print(moment)

    def on_train_end(self, logs=None):
        self._in_fit = False
        self.finish()
        self._close_summaries()

    def on_test_begin(self, logs=None):
        if not self._in_fit:
            self._open_summaries()
            if self.model.built:
                self._prepare()

    def on_test_end(self, logs=None):
        if self._in_fit:
            return  # this is the validation of an epoch, whose end is to come
        self._prepare()
        moment = Moment("test")
        self.results = self._measured(moment)
        self._close_summaries()
        if self.verbose:
            self._print(moment)

    def _begin(self):
        self._prepare()
        with _random_state_kept():
            self.begin()
        self._has_begun = True

    def _prepare(self):
        """Reads the probe data, builds everything for the model and tries it out."""
        if self._prepared_for is self.model:
            return
        with _random_state_kept():
            self._scored = ScoredModel(self.model)
            self._probe.read(self._scored.graph, self.batch_size)
            self.explainers = self._build_explainers()
            self.build()
            samples = self.samples().first(REHEARSAL_SAMPLES)
            self._is_rehearsing = True
            try:
                self.measure(samples, Moment("rehearsal"))
            finally:
                self._is_rehearsing = False
        self._prepared_for = self.model

    def _build_explainers(self):
        built = {}
        for label, described in labelled(self._given_explainers, config_key="method"):
            explainer = build_explainer(described, self.model, batch_size=self.batch_size)
            if explainer is not described:
                explainer.verbose = 0  # its progress bar would break the one of `fit`
            label = label or explainer.name
            if label in built:
                raise ValueError(
                    f"`explainers` must have names of their own. Received: {label!r} twice; give a dict name -> "
                    "explainer."
                )
            built[label] = explainer
        if not built or (self.name and len(built) > 1):
            expected = "one explainer where `name` stands for it; a dict names several" if built else "an explainer"
            raise ValueError(f"`explainers` must hold {expected}. Received: {len(built)}, name={self.name!r}.")
        return built

    def _measured(self, moment):
        with _random_state_kept(), self.surviving("explaining the probe samples", moment):
            return self.measure(self.samples(), moment)
        return {}

    def _write_logs(self, logs):
        taken = sorted(set(self.results) & set(logs))
        logs.update({name: value for name, value in self.results.items() if name not in taken})
        if taken:
            raise ValueError(
                f"Another callback or metric has written {', '.join(taken)} already. Tell them apart with `name=`."
            )

    def _keep(self, values):
        """Puts what was measured between epochs into `history`, and into TensorBoard's files."""
        if not values:
            return
        missing = [None] * len(self.history.get(BATCH_KEY, ()))
        for name, value in {BATCH_KEY: self._batches, **values}.items():
            self.history.setdefault(name, list(missing)).append(value)
        for name in set(self.history) - set(values) - {BATCH_KEY}:
            self.history[name].append(None)
        scalars = {f"batch_{name}": value for name, value in values.items()}
        self.write_summaries(lambda to: to.scalars(scalars, self._batches), Moment("batch", self._batches))

    def _open_summaries(self):
        self._close_summaries()
        if self.log_dir is not None:
            self._summaries = Summaries(self.log_dir)

    def _close_summaries(self):
        if self._summaries is not None:
            with self.surviving(f"writing to {self.log_dir}", "the end"):
                self._summaries.close()
        self._summaries = None

    def _print(self, moment):
        if self.results:
            values = " - ".join(f"{name}: {value:.4g}" for name, value in self.results.items())
            if moment.kind == "epoch":
                values = f"{moment}: {values}"
            print(values)


ExplanationCallback.__signature__ = ExplanationCallback._signature()  # no subclass of itself


@contextlib.contextmanager
def _random_state_kept():
    """Leaves the global random numbers, which the training may draw from, where they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _check_type(option, value, types, expected):
    if not isinstance(value, types):
        raise TypeError(f"`{option}` must be {expected}. Received: {option}={shown(value)}.")
