"""Class activation maps made of the activations of a layer and the gradient of the score there."""

from __future__ import annotations

import abc
import warnings
from typing import Any

import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.base import Explainer, ExplainerOptions
from kerasxai.explainers.registry import register
from kerasxai.graph import default_layer
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.linear import activation_of
from kerasxai.graph.operations import keeps_order, what_does
from kerasxai.graph.placement import placement
from kerasxai.graph.target_layer import captured_default, has_positions
from kerasxai.options import check_one_of, flag, shown
from kerasxai.precision import as_float
from kerasxai.targets import Target
from kerasxai.typing import Layers, Model

# Keeps a quotient finite where its denominator is 0.
_STABILISER = 1e-6


class LayerOptions(ExplainerOptions, total=False):
    """Options of `CAM` where `upsample` and `relu` have defaults of their own."""

    layer: Layers | None


class UpsampleOptions(LayerOptions, total=False):
    """Options of `CAM` where `relu` has a default of its own."""

    upsample: bool


class CAMOptions(UpsampleOptions, total=False):
    """Options of `CAM`."""

    relu: bool


class CAM(Explainer):
    """Base of the class activation maps: `(samples, *spatial)`.

    Args:
        model: A built Keras model.
        layer: Whose output is read: a path of `kerasxai.layer_table`, a layer, or a list of them, which gives a dict
            path -> maps. None: the last one with more than one position that is no pooling.
        upsample: Whether maps are put on the input: stretched to its size (linear, half-pixel centres) and back through
            crops, padding, flips and the like; what the layer cannot see gets 0. Of several inputs with as many
            axes: the first one that the layer depends on.
        relu: Whether negative values of a map become 0.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.
    """

    family = "CAM"
    signed = False

    def __init__(
        self,
        model: Model,
        layer: Layers | None = None,
        upsample: bool = True,
        relu: bool = True,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        super().__init__(model, **kwargs)
        if not self.graph.has_graph and not self.graph.layers:
            raise ValueError(
                f"{type(self).__name__} reads a layer, and this model shows none: a {type(model).__name__} is only "
                "seen from outside. Gradient and perturbation methods need no layer."
            )
        if isinstance(layer, (list, tuple)):
            if not layer:
                raise ValueError("`layer` must name at least one layer. Received: an empty list.")
            self.layer: Any = [self._path(each) for each in layer]
        else:
            self.layer = None if layer is None else self._path(layer)
        self.upsample = flag("upsample", upsample)
        self.relu = flag("relu", relu)
        self._captured_default: Any = None  # until there is a batch
        self.signed = not self.relu
        if self.layer is None and self.graph.has_graph and len(self.graph.output_names) == 1:
            self.layers_for(0)

    def layers_for(self, output: int) -> list[str]:
        """Paths of the layers read when `output` is explained."""
        if isinstance(self.layer, list):
            return self.layer
        if self.layer is not None:
            return [self.layer]
        if self.graph.has_graph:
            return [default_layer(self.graph, output).path]
        return [self._captured_default]

    def explain_batch(self, inputs, target):
        self._refuse_layers_off_the_way(target)
        maps = self.maps(inputs, target)
        sized = {path: self.at_input_size(path, of_layer, inputs) for path, of_layer in maps.items()}
        return self.combine_layers(sized)

    @abc.abstractmethod
    def maps(self, inputs: list[tf.Tensor], target: Target) -> dict[str, tf.Tensor]:
        """The maps at the layers' own sizes, before ReLU: a dict path -> `(batch, *spatial)`."""

    def combine_layers(self, maps):
        """What a list of layers gives: a dict; one layer gives its maps."""
        return maps if isinstance(self.layer, list) else next(iter(maps.values()))

    def at_input_size(self, path, maps, inputs):
        """ReLU and putting on the input, as asked for."""
        maps = tf.nn.relu(maps) if self.relu else maps
        if not self.upsample:
            return maps
        _, placement = self.placement(path, maps, inputs)
        return placement.put(maps)

    def placement(self, path, maps, inputs):
        """Index of the input whose positions the maps of a layer `(batch, *spatial)` stand for, and their placement."""
        placements = self.placements(path, maps, inputs)
        if not placements:
            raise ValueError(
                f"The maps of {path} have {maps.shape.rank - 1} spatial axes, and no input of the model has as many. "
                "Use upsample=False for the layer's own resolution."
            )
        index, first = next(iter(placements.items()))
        if any(other != first for other in placements.values()):
            names = ", ".join(self.graph.input_names[other] for other in placements)
            raise ValueError(
                f"The maps of {path} must stand for the same positions of every input they are made of. Received: the "
                f"inputs {names}, which were cropped, padded or put side by side before they met. Name a layer that "
                "depends on one of them with `layer=`, or use upsample=False for the layer's own resolution."
            )
        return index, first

    def placements(self, path, maps, inputs):
        """How maps of a layer `(batch, *spatial)` are put on each input with their axes: a dict index -> placement."""
        reached = range(len(inputs))
        if self.graph.has_graph:
            reached = self.graph.reached_inputs(self.graph.node(path))
        with_positions = [index for index in reached if inputs[index].shape.rank > 2]
        ways = {index: placement(self.graph, path, inputs, index) for index in with_positions}
        return {index: way for index, way in ways.items() if way.takes(maps)}

    def activations_and_gradients(self, inputs, target, paths):
        """A and G of the layers `paths`, in float32; the part of the model before them is not differentiated."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            scores, tapped = self.scores(inputs, target, taps=paths, on_tap=tape.watch)
        gradients = self.differentiate(tape, scores, tapped)
        for path, activation, gradient in zip(paths, tapped, gradients):
            if gradient is None:
                raise ValueError(_off_the_way(path))
            if activation.shape.rank < 3:
                raise ValueError(
                    f"`layer` must name a layer with spatial axes. Received: {path!r}, whose output is "
                    f"{tuple(activation.shape)}."
                )
        return [as_float(tensor) for tensor in tapped], gradients

    def finish(self, arrays, structure):
        for path, maps in (arrays if isinstance(arrays, dict) else {None: arrays}).items():
            blank = int((~maps.reshape(len(maps), -1).any(axis=1)).sum())
            if blank:
                where = f" at {path}" if path else ""
                reason = (
                    "before the ReLU no value of them is positive: the layer holds no evidence for the explained "
                    "class, or the gradient vanished; relu=False shows the values"
                    if self.relu
                    else "the gradient or the activations vanish there"
                )
                warnings.warn(f"{blank} of {len(maps)} {self.name} maps{where} are all zero: {reason}.", stacklevel=3)
        return arrays

    def _refuse_layers_off_the_way(self, target):
        if not self.graph.has_graph or target.function is not None:
            return
        output = self.graph.output_node(target.output)
        for path in self.layers_for(target.output):
            node = self.graph.node(path)
            if node is not output and node not in self.graph.ancestors(output):
                raise ValueError(_off_the_way(path))

    def _path(self, layer):
        node = self.graph.node(layer)
        if not self.graph.has_graph:
            return node
        if not has_positions(node.shape, range(3, 6)):
            candidates = [other.path for other in self.graph.nodes if has_positions(other.shape, range(3, 6))]
            raise ValueError(
                f"`layer` must name a layer with spatial axes. Received: {node.path!r}, whose output is {node.shape}. "
                f"Layers that qualify: {', '.join(candidates[-5:])}. See kerasxai.layer_table(model)."
            )
        return node.path

    def prepare(self, inputs, structure, target):
        super().prepare(inputs, structure, target)
        if self.layer is None and not self.graph.has_graph and self._captured_default is None:
            calls = self.graph.layer_calls(inputs, structure)
            self._captured_default = captured_default(self.graph, calls, inputs[0].shape.rank)


def _off_the_way(path):
    return f"`layer` must lie on the way to the explained output. Received: {path!r}, which does not."


class ActivationGradientCAM(CAM):
    """Base of the CAMs that are a function of the activations A of a layer and the gradient G of the score there.

    A new one is one overridden function, `combine`.
    """

    passes = "F + b"

    def maps(self, inputs, target):
        paths = self.layers_for(target.output)
        return self.maps_of(*self.activations_and_gradients(inputs, target, paths), paths)

    def maps_of(self, activations, gradients, paths):
        """The maps of given activations and gradients, one pair for each of `paths`."""
        return {path: self.combine(a, g) for path, a, g in zip(paths, activations, gradients)}

    @abc.abstractmethod
    def combine(self, activations: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
        """The map `(batch, *spatial)` of activations and gradients `(batch, *spatial, channels)`."""


@register("grad_cam")
class GradCAM(ActivationGradientCAM):
    """Grad-CAM: channels weighted by the mean gradient of the score.

    Args:
        model: A built Keras model.
        counterfactual: Show the regions that speak against the class: the gradient's sign is turned.
        **kwargs: `layer`, `upsample`, `relu`, see `CAM`; `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391

    Example:

    ```python
    maps = kerasxai.explainers.GradCAM(model)(images)  # (samples, height, width)
    ```
    """

    def __init__(self, model: Model, counterfactual: bool = False, **kwargs: Unpack[CAMOptions]) -> None:
        super().__init__(model, **kwargs)
        self.counterfactual = flag("counterfactual", counterfactual)

    def combine(self, activations, gradients):
        weights = tf.reduce_mean(gradients, axis=spatial.spatial_axes(gradients), keepdims=True)
        maps = tf.reduce_sum(weights * activations, axis=-1)
        return -maps if self.counterfactual else maps


@register("hires_cam")
class HiResCAM(ActivationGradientCAM):
    """HiResCAM: activation times gradient, summed over channels; faithful where the head is linear.

    Reference:
        Draelos & Carin, 2020, https://arxiv.org/abs/2011.08891
    """

    def combine(self, activations, gradients):
        return tf.reduce_sum(gradients * activations, axis=-1)


@register("xgrad_cam")
class XGradCAM(ActivationGradientCAM):
    """XGrad-CAM: channels weighted by the gradient averaged with the activation as weight.

    Reference:
        Fu et al., 2020, https://arxiv.org/abs/2008.02312
    """

    def combine(self, activations, gradients):
        axes = spatial.spatial_axes(activations)
        total = tf.reduce_sum(activations, axis=axes, keepdims=True)
        total += tf.cast(tf.where(total >= 0, _STABILISER, -_STABILISER), total.dtype)
        weights = tf.reduce_sum(gradients * activations, axis=axes, keepdims=True) / total
        return tf.reduce_sum(weights * activations, axis=-1)


@register("layer_cam")
class LayerCAM(ActivationGradientCAM):
    """LayerCAM: activation times positive gradient, position by position; sharp at shallow layers too.

    A list of layers is fused to one map: each `tanh(2 M / max M)`, resized, elementwise maximum.

    Reference:
        Jiang et al., 2021, https://doi.org/10.1109/TIP.2021.3089943
    """

    def __init__(self, model: Model, **kwargs: Unpack[CAMOptions]) -> None:
        super().__init__(model, **kwargs)
        if isinstance(self.layer, list) and not self.upsample:
            raise ValueError("LayerCAM fuses a list of layers at the input's size. Received: upsample=False.")

    def combine(self, activations, gradients):
        return tf.reduce_sum(tf.nn.relu(gradients) * activations, axis=-1)

    def at_input_size(self, path, maps, inputs):
        if isinstance(self.layer, list):
            peak = tf.reduce_max(maps, axis=list(range(1, maps.shape.rank)), keepdims=True)
            # Scaled so, maps of layers of different magnitude compare; without a positive value there is nothing to
            # scale.
            maps = tf.tanh(2.0 * tf.math.divide_no_nan(maps, tf.nn.relu(peak)))
        return super().at_input_size(path, maps, inputs)

    def combine_layers(self, maps):
        return tf.reduce_max(tf.stack(list(maps.values())), axis=0)


@register("cam")
class ClassActivationMapping(CAM):
    """CAM: channels weighted by the class's weights, for nets that end in global average pooling and one Dense.

    Not rectified unless `relu=True`: plus the bias, the map's mean is the logit.

    Raises:
        ValueError: The model ends differently; Grad-CAM is its generalisation.

    Reference:
        Zhou et al., 2016, https://arxiv.org/abs/1512.04150
    """

    passes = "F + b"

    signed = True
    needs_graph = True

    def __init__(self, model: Model, upsample: bool = True, relu: bool = False, **kwargs: Unpack[LayerOptions]) -> None:
        if kwargs.get("layer") is not None:
            raise ValueError(
                "CAM has no `layer` to choose: it reads the one before the global average pooling. "
                f"Received: layer={shown(kwargs['layer'])}."
            )
        check_one_of("score", kwargs.get("score", "logit"), ("logit",))
        super().__init__(model, upsample=upsample, relu=relu, **kwargs)
        for output in range(len(self.graph.output_names)):
            self._head(output)

    def layers_for(self, output):
        return [self._head(output).path]

    def maps(self, inputs, target):
        if target.function is not None:
            raise ValueError("CAM explains classes. Received: a callable `target`; use grad_cam.")
        paths = self.layers_for(target.output)
        (activations,), (gradients,) = self.activations_and_gradients(inputs, target, paths)
        # The positions' gradients add up to the class's weight, whatever form its layer keeps it in.
        weights = tf.reduce_sum(gradients, axis=spatial.spatial_axes(gradients), keepdims=True)
        return {paths[0]: tf.reduce_sum(weights * activations, axis=-1)}

    def _head(self, output):
        """The node before the global average pooling that one Dense layer follows."""
        dense, node = None, self.graph.output_node(output)
        while node is not None:
            below, operation = self.graph.producer(node.inputs[0]), what_does(node.operation)
            is_average = operation.does == "sum" and operation.positions == "pool_all"
            if is_average and dense is not None and below is not None:
                return below
            is_dense = kind_of(node.operation) == "Dense"
            linear = (is_dense or keeps_order(node.operation)) and activation_of(node.operation) is None
            if not (linear or node in self.scorer.left_out()) or (is_dense and dense):
                break
            dense = node if is_dense else dense
            node = below
        raise ValueError(
            "CAM needs a model that ends in global average pooling and one Dense layer. Received: "
            f"{self.graph.model.name!r}, which ends differently. Use grad_cam, its generalisation to any model."
        )
