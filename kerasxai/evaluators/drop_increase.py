"""Drop and increase of the score when only what a map marks is shown."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.registry import register
from kerasxai.evaluators.scoring import OF_CLASSES
from kerasxai.options import check_finite, check_one_of, number, shown
from kerasxai.typing import Numbers

Mask: TypeAlias = Literal["top", "soft"]
Ties: TypeAlias = Literal["strict", "first", "random"]


@register("drop_increase")
class DropIncrease(Evaluator):
    """Drop and increase rate: how the probability changes when only the most relevant positions are shown.

    `mask="top"`: positions above the k-th value of the map are kept, `k = int(n * fraction)`, the others are filled.
    `drop_rate` is the mean of `100 max(0, Y - O) / Y` and `increase_rate` the share of samples, in percent, with
    `O > Y`, where Y is the probability of the original and O that of what is shown. `mask="soft"`: the image is
    multiplied by the positive part of the map, scaled to 0 ... 1, which gives `average_drop`, `average_increase` and
    `average_gain` (`100 max(0, O - Y) / (1 - Y)`).

    A constant map keeps nothing, but for `ties="first"`, which keeps the first k. A map that is not finite gives NaN.

    Args:
        mask: `"top"` or `"soft"`.
        fraction: Share of positions kept.
        ties: `"strict"`: what equals the k-th value is dropped; `"first"`: exactly k are kept, ties row-major;
            `"random"`: exactly k, ties drawn.
        replace: What the dropped positions become: a number or one per channel, in the model's input space.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Chattopadhay et al., 2018, https://arxiv.org/abs/1710.11063; gain: Zhang et al., 2023,
        https://arxiv.org/abs/2303.10858
    """

    def __init__(
        self,
        mask: Mask = "top",
        fraction: float = 0.15,
        ties: Ties = "strict",
        replace: Numbers = 0.0,
        **kwargs: Unpack[EvaluatorOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("mask", mask, ("top", "soft"))
        check_one_of("ties", ties, ("strict", "first", "random"))
        check_finite("replace", replace)
        if np.ndim(replace) > 1:
            raise ValueError(f"`replace` must be a number or one per channel. Received: replace={shown(replace)}.")
        self.fraction = number("fraction", fraction, above=0, most=1)
        self.mask, self.ties, self.replace = mask, ties, replace

    @property
    def directions(self):
        if self.mask == "top":
            return {"drop_rate": "lower", "increase_rate": "higher"}
        return {"average_drop": "lower", "average_increase": "higher", "average_gain": "higher"}

    def measure(self, case):
        samples = case.samples
        if samples.are_values:
            raise ValueError(
                "Drop and increase are shares of a probability. Received: a model whose scores are values of linear "
                f"units; use deletion or insertion. {OF_CLASSES} One unit that is the logit of a probability: "
                "target=lambda outputs: tf.sigmoid(outputs[:, 0])."
            )
        channels = samples.x.shape[-1]
        if np.ndim(self.replace) == 1 and len(self.replace) != channels:
            raise ValueError(
                f"`replace` must have one value for each of {channels} channels. Received: {self.replace!r}."
            )
        masks = self.masks(case)[..., np.newaxis]
        original = samples.originals.astype(np.float64)
        after = samples.scores([lambda piece: self._shown(samples.x[piece], masks[piece])]).astype(np.float64)
        drop = 100 * np.maximum(0, original - after) / np.where(original == 0, 1, original)
        increase = 100.0 * (after > original)
        if self.mask == "top":
            found = {"drop_rate": drop, "increase_rate": increase}
        else:
            rest = 1 - original
            gain = 100 * np.maximum(0, after - original) / np.where(rest == 0, 1, rest)
            found = {"average_drop": drop, "average_increase": increase, "average_gain": np.where(rest == 0, 0.0, gain)}
        return {name: np.where(case.is_finite, values, np.nan) for name, values in found.items()}

    def masks(self, case):
        """What is shown of each sample: `(samples, *spatial)`, bool, or float from 0 to 1 for `mask="soft"`."""
        rows = np.where(case.is_finite[:, np.newaxis], case.heatmaps.reshape(len(case.samples), -1), 0)
        positions = rows.shape[1]
        if self.mask == "soft":
            kept = _positive_share(rows).astype(case.samples.x.dtype)
        else:
            k = int(positions * self.fraction)
            if k >= positions:
                kept = np.ones(rows.shape, bool)
            elif self.ties == "strict":
                kept = rows > -np.partition(-rows, k, axis=1)[:, k : k + 1]
            elif self.ties == "first":
                kept = case.ranks.reshape(rows.shape) < k
            else:
                kept = self._drawn(rows, k)
        return kept.reshape(case.heatmaps.shape)

    def _drawn(self, rows, k):
        """Exactly k positions of each row, ties broken by the same draw for all samples."""
        order = np.random.default_rng(self.seed).permutation(rows.shape[1])
        picked = np.argsort(-rows[:, order], axis=1, kind="stable")[:, :k]
        kept = np.zeros(rows.shape, bool)
        np.put_along_axis(kept, order[picked], True, axis=1)
        return kept

    def _shown(self, x, masks):
        return x * masks if self.mask == "soft" else np.where(masks, x, np.asarray(self.replace, x.dtype))


def _positive_share(rows):
    """The positive part of each row scaled to 0 ... 1; 0 where it is constant."""
    positive = np.maximum(rows, 0)
    low, high = positive.min(axis=1, keepdims=True), positive.max(axis=1, keepdims=True)
    return (positive - low) / np.where(high > low, high - low, np.inf)
