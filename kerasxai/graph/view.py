"""View: what is asked of a model, whichever kind it is; a part that a kind cannot answer is None."""

import abc
from collections.abc import Sequence
from typing import Any


class View(abc.ABC):
    """A model as explainers see it: a graph of layers (`ModelGraph`), or one seen from outside only (`OpaqueModel`).

    Attributes:
        model: The user's own object.
        has_graph: Whether its layers' calls are in reach: `nodes`, cuts, moves and operations.
        nodes: The calls of its layers in execution order; empty without a graph.
        input_names, input_shapes: Of each input, in the model's flat order; None where the model does not tell.
        declared_dtypes, input_dtypes: The types that the model declares for its inputs, and those they are run in;
            None where the model does not tell.
        input_structure, output_structure: How the model packs them; None where that is not known, or not yet.
        output_names: Of each output; None until a model without a graph has run.
    """

    model: Any = None
    has_graph = False
    nodes: Sequence[Any] = ()
    input_names: Any = None
    input_shapes: Any = None
    declared_dtypes: Any = None
    input_dtypes: Any = None
    input_structure: Any = None
    output_structure: Any = None
    output_names: Any = None

    @abc.abstractmethod
    def run(self, inputs, taps=(), on_tap=None, overrides=None):
        """Runs the model in inference mode.

        Args:
            inputs: Flat list of tensors.
            taps: Paths of layers whose outputs are wanted too.
            on_tap: Called with each tapped tensor when it is made.
            overrides: Dict node -> what runs in its place; of a model with a graph.

        Returns:
            Flat list of outputs, and the list of tapped tensors.
        """

    @abc.abstractmethod
    def node(self, key):
        """The layer that a path, an unambiguous layer name or a layer object stands for."""
