"""ROAD: positions removed by filling them in from their neighbours, so that the removal itself hardly shows."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.predicted import scores_and_classes
from kerasxai.evaluators.registry import register
from kerasxai.options import number, several_numbers
from kerasxai.typing import Numbers

# Steps to half of the neighbours, and their weights; the other half are their opposites.
NEIGHBOURS = {
    1: (((1,), 1 / 2),),
    2: (((0, 1), 1 / 6), ((1, 0), 1 / 6), ((1, 1), 1 / 12), ((1, -1), 1 / 12)),
}


@register("road")
class ROAD(Evaluator):
    """Remove and debias: the score as the most, or the least, relevant positions are imputed from their neighbours.

    A removed position becomes the weighted mean of its neighbours (1/6 along the axes, 1/12 along the diagonals; in
    1-D 1/2), all of them solved jointly and exactly, plus Gaussian noise. Neighbours outside the image are dropped and
    the weights of the others renormalised. `round(percentage n / 100)` positions are removed, at most n - 1.

    `road` is the mean over the percentages of the probability with the least relevant removed minus that with the most
    relevant removed; `road_accuracy` the same for the share of samples still predicted as their target (NaN where the
    target is no class). The curves `morf`, `lerf`, `morf_accuracy`, `lerf_accuracy` `(samples, 1 + percentages)` begin
    with the unchanged sample; `percentage` is their abscissa. A map that is not finite gives NaN, a constant one 0.

    Args:
        percentages: What shares of the positions are removed, in percent.
        noise: Standard deviation of the noise on what was removed, in the model's input units; the paper's 0.01 is for
            inputs of about unit range.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Rong et al., 2022, https://arxiv.org/abs/2202.00449
    """

    directions = {"road": "higher", "road_accuracy": "higher"}
    abscissae = ("percentage",)

    def __init__(
        self,
        percentages: Numbers = (10, 20, 30, 40, 50, 60, 70, 80, 90),
        noise: float = 0.01,
        **kwargs: Unpack[EvaluatorOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.percentages = several_numbers("percentages", percentages, above=0, below=100)
        self.noise = number("noise", noise, least=0)

    def measure(self, case):
        samples = case.samples
        system = Imputation(samples.x.shape[1:-1])
        results = {"percentage": np.array([0, *self.percentages], np.float64)}
        for order, ranks in (("morf", case.ranks), ("lerf", case.ascending_ranks)):
            curve = [samples.keep("scores and hits", lambda: self._scores_and_hits(samples, samples.x))]
            for step, percentage in enumerate(self.percentages):
                x = self._removed(samples.x, ranks, percentage, step, system, case.is_finite)
                curve.append(self._scores_and_hits(samples, x))
            results[order], results[order + "_accuracy"] = np.stack(curve, axis=2)  # (samples, 1 + percentages) each
            results[order][~case.is_finite] = results[order + "_accuracy"][~case.is_finite] = np.nan
        for name, suffix in (("road", ""), ("road_accuracy", "_accuracy")):
            results[name] = (results["lerf" + suffix] - results["morf" + suffix])[:, 1:].mean(axis=1)
        return results

    def _removed(self, x, ranks, percentage, step, system, is_finite):
        """The samples without their first positions; those whose map is not finite as they are."""
        # One position must stay, or there is nothing to impute from.
        count = min(round(percentage * system.count / 100), system.count - 1)
        # Without noise a model could read from smooth patches where something was removed.
        noise = self.noise * np.random.default_rng([self.seed, step]).standard_normal(x.shape[1:])
        changed = x.copy()
        for index in np.flatnonzero(is_finite):
            gone = ranks[index] < count
            changed[index][gone] = system.impute(x[index], gone)[gone] + noise[gone]
        return changed

    @staticmethod
    def _scores_and_hits(samples, x):
        """float64 `(2, samples)`."""
        scores, classes = scores_and_classes(samples, [x])
        hits = np.full(len(samples), np.nan) if classes is None else classes == samples.classes
        return np.stack([scores, hits]).astype(np.float64)


class Imputation:
    """The linear system in which every removed position is the weighted mean of its neighbours.

    Args:
        size: Positions along each axis, one or two.
    """

    def __init__(self, size):
        if len(size) not in NEIGHBOURS:
            raise ValueError(f"ROAD imputes signals and images. Received: samples with {len(size)} spatial axes.")
        self.count = int(np.prod(size))
        index = np.arange(self.count).reshape(size)
        here, there, weights = [], [], []
        for step, weight in NEIGHBOURS[len(size)]:
            start = index[tuple(slice(max(0, -by), min(n, n - by)) for by, n in zip(step, size))].ravel()
            end = index[tuple(slice(max(0, by), min(n, n + by)) for by, n in zip(step, size))].ravel()
            here += [start, end]
            there += [end, start]
            weights.append(np.full(2 * len(start), weight))
        pairs = (np.concatenate(here), np.concatenate(there))
        neighbours = sparse.csr_matrix((np.concatenate(weights), pairs), shape=(self.count, self.count))
        # Multiplied by its sum of weights, the equation of a position is a row of a symmetric matrix.
        self._matrix = (sparse.diags(np.asarray(neighbours.sum(axis=1)).ravel()) - neighbours).tocsr()

    def impute(self, x, gone):
        """A sample with its removed positions filled in, float64.

        Args:
            x: Array `(*size, channels)`.
            gone: bool `(*size)`: what is removed; not everything.
        """
        rows = x.reshape(self.count, -1).astype(np.float64)
        gone = gone.ravel()
        if gone.any():
            equations = self._matrix[gone]
            known = -(equations[:, ~gone] @ rows[~gone])
            # Symmetric and positive definite: no pivoting, and an order that keeps the factors sparse.
            factors = splu(
                equations[:, gone].tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
            rows[gone] = factors.solve(known)
        return rows.reshape(x.shape)
