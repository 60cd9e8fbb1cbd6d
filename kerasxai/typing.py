"""Names for what the public functions take and return. For annotations only: values are checked where they come in.

Nothing heavy is imported at run time, so these names cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from kerasxai.evaluators import Evaluator
    from kerasxai.explainers import Explainer

# What NumPy makes an array of.
Array: TypeAlias = "np.ndarray | tf.Tensor | list[Any] | tuple[Any, ...]"
# A number, or several.
Numbers: TypeAlias = "float | Array"

# A built Keras model, or a function `x -> scores`.
Model: TypeAlias = "keras.Model | Callable[..., Any]"
# An array `(samples, *input_shape)`, a list or dict of them for several inputs, or a dataset.
Samples: TypeAlias = "Array | dict[str, Any] | tf.data.Dataset | keras.utils.PyDataset"
# Labels of the samples; a list or dict for several outputs.
Labels: TypeAlias = "Array | dict[str, Any]"
# What is explained, see `Explainer.__call__`.
TargetLike: TypeAlias = "str | int | Array | Callable[..., Any] | None"

# What an explainer returns: an array, or a list or dict of arrays for several inputs, layers or methods. Which one
# hangs on values that no type tells.
Maps: TypeAlias = Any

# The scalar that is explained.
ScoreKind: TypeAlias = Literal["logit", "probability"]
# A progress bar: when it takes longer than two seconds, never, always.
Verbose: TypeAlias = Literal["auto", 0, 1]
# A layer: a path of `kerasxai.layer_table`, or the layer itself.
LayerLike: TypeAlias = "str | keras.Layer"
Layers: TypeAlias = "LayerLike | Sequence[LayerLike]"
# What stands for "absent": a number, an array, a word, a dict input name -> one of these, or a list of them.
Baseline: TypeAlias = "float | str | Array | dict[str, Any]"
# A registry name, a config dict, a class, a function `model -> explainer`, or an explainer.
ExplainerLike: TypeAlias = "str | dict[str, Any] | type[Explainer] | Explainer | Callable[[Model], Any]"
# One of them, several, or a dict name -> one of them.
Explainers: TypeAlias = "ExplainerLike | Sequence[ExplainerLike]"
# A registry name, a config dict, a class, or an evaluator.
EvaluatorLike: TypeAlias = "str | dict[str, Any] | type[Evaluator] | Evaluator"
# One of them, several, or a dict label -> one of them.
Evaluators: TypeAlias = "EvaluatorLike | Sequence[EvaluatorLike]"

# Titles, or names of classes, one each.
Texts: TypeAlias = "Sequence[str] | np.ndarray"
