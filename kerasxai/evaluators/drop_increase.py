"""Drop and increase of the score when only what a map marks is shown."""

from __future__ import annotations

import abc
from typing import Literal, TypeAlias

import numpy as np
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.registry import register
from kerasxai.evaluators.scoring import OF_CLASSES
from kerasxai.options import check_finite, check_one_of, number, shown
from kerasxai.typing import Numbers

Ties: TypeAlias = Literal["strict", "first", "random"]


class ShownPart(Evaluator):
    """Base of the metrics of how the probability changes when only what a map marks is shown.

    A subclass gives `masks`, `show` and `rates`. A map that is not finite gives NaN.
    """

    def measure(self, case):
        samples = case.samples
        if samples.are_values:
            raise ValueError(
                "Drop and increase are shares of a probability. Received: a model whose scores are values of linear "
                f"units; use deletion or insertion. {OF_CLASSES} One unit that is the logit of a probability: "
                "target=lambda outputs: tf.sigmoid(outputs[:, 0])."
            )
        rows = np.where(case.is_finite[:, np.newaxis], case.heatmaps.reshape(len(samples), -1), 0)
        masks = self.masks(rows).reshape(case.heatmaps.shape)[..., np.newaxis]
        original = samples.originals.astype(np.float64)
        after = samples.scores([lambda piece: self.show(samples.x[piece], masks[piece])]).astype(np.float64)
        rates = self.rates(original, after)
        return {name: np.where(case.is_finite, values, np.nan) for name, values in rates.items()}

    @abc.abstractmethod
    def masks(self, rows):
        """What is shown of each sample: `(samples, positions)`, bool, or shares from 0 to 1.

        Args:
            rows: Maps, float64 `(samples, positions)`, 0 where one is not finite.
        """

    @abc.abstractmethod
    def show(self, x, masks):
        """Samples `(batch, *spatial, channels)` of which only what the masks `(batch, *spatial, 1)` show is left."""

    @abc.abstractmethod
    def rates(self, original, after):
        """Dict result -> values in percent, of the probabilities `(samples,)` of the original and of what is shown."""


@register("drop_increase")
class DropIncrease(ShownPart):
    """Drop and increase rate: how the probability changes when only the most relevant positions are shown.

    Positions above the k-th value of the map are kept, `k = int(n * fraction)`, the others are filled. `drop_rate` is
    the mean of `100 max(0, Y - O) / Y` and `increase_rate` the share of samples, in percent, with `O > Y`, where Y is
    the probability of the original and O that of what is shown.

    A constant map keeps nothing, but for `ties="first"`, which keeps the first k. A map that is not finite gives NaN.

    Args:
        fraction: Share of positions kept.
        ties: `"strict"`: what equals the k-th value is dropped; `"first"`: exactly k are kept, ties row-major;
            `"random"`: exactly k, ties drawn.
        replace: What the dropped positions become: a number or one per channel, in the model's input space.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Chattopadhay et al., 2018, https://arxiv.org/abs/1710.11063
    """

    directions = {"drop_rate": "lower", "increase_rate": "higher"}

    def __init__(
        self,
        fraction: float = 0.15,
        ties: Ties = "strict",
        replace: Numbers = 0.0,
        **kwargs: Unpack[EvaluatorOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("ties", ties, ("strict", "first", "random"))
        check_finite("replace", replace)
        if np.ndim(replace) > 1:
            raise ValueError(f"`replace` must be a number or one per channel. Received: replace={shown(replace)}.")
        self.fraction = number("fraction", fraction, above=0, most=1)
        self.ties, self.replace = ties, replace

    def measure(self, case):
        channels = case.samples.x.shape[-1]
        if np.ndim(self.replace) == 1 and len(self.replace) != channels:
            raise ValueError(
                f"`replace` must have one value for each of {channels} channels. Received: {self.replace!r}."
            )
        return super().measure(case)

    def masks(self, rows):
        positions = rows.shape[1]
        k = int(positions * self.fraction)
        if k >= positions:
            return np.ones(rows.shape, bool)
        if self.ties == "strict":
            return rows > -np.partition(-rows, k, axis=1)[:, k : k + 1]
        order = np.arange(positions)
        if self.ties == "random":
            order = np.random.default_rng(self.seed).permutation(positions)  # the same draw for all samples
        picked = np.argsort(-rows[:, order], axis=1, kind="stable")[:, :k]
        kept = np.zeros(rows.shape, bool)
        np.put_along_axis(kept, order[picked], True, axis=1)
        return kept

    def show(self, x, masks):
        return np.where(masks, x, np.asarray(self.replace, x.dtype))

    def rates(self, original, after):
        return {"drop_rate": _drop(original, after), "increase_rate": _increase(original, after)}


@register("average_drop")
class AverageDrop(ShownPart):
    """Average drop, increase and gain: how the probability changes when the map veils the image.

    The image is multiplied by the positive part of the map, scaled to 0 ... 1; a constant map shows nothing.
    `average_drop` is the mean of `100 max(0, Y - O) / Y`, `average_increase` the share of samples, in percent, with
    `O > Y`, and `average_gain` the mean of `100 max(0, O - Y) / (1 - Y)`, where Y is the probability of the original
    and O that of what is shown. A map that is not finite gives NaN.

    Args:
        **kwargs: `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Chattopadhay et al., 2018, https://arxiv.org/abs/1710.11063; gain: Zhang et al., 2023,
        https://arxiv.org/abs/2303.10858
    """

    directions = {"average_drop": "lower", "average_increase": "higher", "average_gain": "higher"}

    def masks(self, rows):
        positive = np.maximum(rows, 0)
        low, high = positive.min(axis=1, keepdims=True), positive.max(axis=1, keepdims=True)
        # A constant row divided by infinity is 0, without a warning.
        return (positive - low) / np.where(high > low, high - low, np.inf)

    def show(self, x, masks):
        return x * masks.astype(x.dtype)

    def rates(self, original, after):
        rest = 1 - original
        gain = 100 * np.maximum(0, after - original) / np.where(rest == 0, 1, rest)
        return {
            "average_drop": _drop(original, after),
            "average_increase": _increase(original, after),
            "average_gain": np.where(rest == 0, 0.0, gain),  # a probability of 1 gains nothing
        }


def _drop(original, after):
    """The drop in percent of the original, which is not 0 where there is something to drop from."""
    return 100 * np.maximum(0, original - after) / np.where(original == 0, 1, original)


def _increase(original, after):
    return 100.0 * (after > original)
