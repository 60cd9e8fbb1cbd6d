"""One cell of the table: an explainer on a kind of model, and whether what it gives is right."""

import dataclasses
import traceback
import warnings
from pathlib import Path

import keras
import numpy as np

import kerasxai
from benchmarks.model_kinds import kinds  # noqa: F401
from benchmarks.model_kinds.kind import built
from benchmarks.model_kinds.truths import TRUTHS
from benchmarks.model_kinds.truths.perturbation import _PARTS
from benchmarks.model_kinds.truths.registry import listed

# Warnings by which a method says that its map is not all of the score.
INCOMPLETE = ("completeness_residual", "leaves out the biases")
PACKAGE = Path(kerasxai.__file__).parent


@dataclasses.dataclass
class Cell:
    """What came of it.

    Attributes:
        status: "right", "refused", "warned" (another answer, and told so), "WRONG" or "LEAK".
        note: How it was checked, or the words of the refusal or error.
        error: Largest difference to the truth, as a share of its largest value.
    """

    kind: str
    method: str
    status: str
    note: str
    error: float = 0.0

    @property
    def is_bad(self):
        return self.status in ("WRONG", "LEAK")


def row(name, methods):
    """The cells of a kind, given by its name."""
    kind = built(name)
    weights = [weight.numpy() for weight in getattr(kind.model, "weights", [])]
    found = [run(kind, method) for method in methods]
    for before, after in zip(weights, getattr(kind.model, "weights", [])):
        np.testing.assert_array_equal(before, after.numpy(), err_msg=f"{name}: the model was changed")
    keras.backend.clear_session()
    return found


def run(kind, method):
    """The cell of a kind and a method."""
    check, options = TRUTHS[method]
    options = {**options, **own_options(kind, method), "verbose": 0}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            explainer = kerasxai.explainers.get(method)(kind.model, **options)
            found = listed(kind, explainer(kind.given, kind.target))
        except Exception as error:
            return refusal(kind, method, error)
        told = [str(one.message) for one in caught if any(words in str(one.message) for words in INCOMPLETE)]
        cell = judged(kind, method, found, check, explainer)
    if cell.status == "WRONG" and told:
        return dataclasses.replace(cell, status="warned", note=told[0])
    return cell


def own_options(kind, method):
    """What the kind decides of a method's options."""
    names = kerasxai.explainers.get(method).option_names()
    options = {}
    if kind.layer and "layer" in names:
        options["layer"] = kind.layer
    if "background" in names:
        options["background"] = kind.x[0][:2][::-1] * np.array(0.5, kind.x[0].dtype)
    if "segmentation" in names:
        rank = max(x.ndim for x in kind.x) - 2
        options["segmentation"] = _PARTS.get(rank, 3)
    return options


def judged(kind, method, found, check, explainer):
    worst, how = 0.0, []
    if not all(np.isfinite(one).all() for one in found):
        return Cell(kind.name, method, "WRONG", "not finite", np.inf)
    try:
        checks = list(check(kind, explainer, found))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        note = f"check failed: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        return Cell(kind.name, method, "WRONG", note, np.inf)
    for name, one, expected, *scale in checks:
        how.append(name)
        error = difference(one, expected, *scale)
        if error > kind.tolerances.get(method, kind.tolerance):
            return Cell(kind.name, method, "WRONG", name, error)
        worst = max(worst, error)
    if not checks:
        return alone(kind, method, found, explainer)
    return Cell(kind.name, method, "right", "; ".join(dict.fromkeys(how)), worst)


def alone(kind, method, found, explainer):
    """Where there is no other truth: every sample by itself gives the same."""
    worst = 0.0
    for sample in range(len(kind.x[0])):
        given = [x[sample : sample + 1] for x in kind.x]
        target = kind.target[sample : sample + 1] if isinstance(kind.target, list) else kind.target
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            maps = listed(kind, explainer(kind.pack(given) if kind.pack else given[0], target))
        worst = max([worst, *(difference(own[0], of_all[sample]) for own, of_all in zip(maps, found))])
    status = "right" if worst <= kind.tolerance else "WRONG"
    return Cell(kind.name, method, status, "one by one", worst)


def difference(found, expected, scale=None):
    """Largest difference as a share of the largest expected value."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        return np.inf
    scale = np.abs(expected).max() if scale is None else scale
    largest = np.abs(found - expected).max()
    return 0.0 if largest == 0 else float(largest / scale) if scale > 0 else np.inf


def refusal(kind, method, error):
    """Refused in the package's own words, or an error that leaked."""
    frames = traceback.extract_tb(error.__traceback__)
    spoken = isinstance(error, (ValueError, TypeError))
    where = Path(frames[-1].filename)
    own = PACKAGE in where.parents
    words = " ".join(str(error).split())
    if spoken and own:
        return Cell(kind.name, method, "refused", words)
    note = f"{type(error).__name__}: {words[:300]} ({where.name}:{frames[-1].lineno})"
    return Cell(kind.name, method, "LEAK", note)
