"""The rules of Layer-wise Relevance Propagation: how a linear layer hands relevance on to its input.

A rule only says which terms are divided; the engine (`engine.py`) runs them.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

import tensorflow as tf

from kerasxai.options import check_finite, check_one_of, flag, number
from kerasxai.registry import Configurable, Registry, refuse_unknown_options
from kerasxai.typing import Numbers

if TYPE_CHECKING:
    from kerasxai.explainers.lrp.depth import ByDepth
    from kerasxai.explainers.lrp.engine import LinearCall

T = TypeVar("T")
Bias: TypeAlias = Literal["absorb", "ignore"]
# Which layer gets which rule: a preset's name, a rule, `by_depth(...)`, or a dict whose first matching key wins.
Rules: TypeAlias = "str | Rule | ByDepth | Mapping[Any, Any]"

_REGISTRY = Registry("rule")
rule_names = _REGISTRY.names
restored = _REGISTRY.restored


def register(name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator that makes a rule known under a snake_case name, for mappings and configs.

    Example:

    ```python
    import tensorflow as tf


    @kerasxai.lrp.register("positive_weights")
    class PositiveWeights(kerasxai.lrp.Rule):
        def terms(self, layer):
            return [[kerasxai.lrp.Term(layer.input, tf.nn.relu(layer.kernel), layer.bias)]]
    ```
    """
    return _REGISTRY.register(name)


def get_rule(config: str | Mapping[str, Any] | Rule) -> Rule:
    """The rule of a name, a config dict (`{"rule": "gamma", "gamma": 0.5}`), or a rule as it is.

    Raises:
        ValueError: No rule has this name.
        TypeError: The rule has no such option.
    """
    if isinstance(config, Rule):
        return config
    config = {"rule": config} if isinstance(config, str) else dict(config)
    cls = _REGISTRY.get(config.get("rule"))
    refuse_unknown_options(cls, {name: config[name] for name in config if name not in ("rule", *cls.option_names())})
    return cls.from_config(config)


class Term(NamedTuple):
    """One run of the layer: `y = op(input; kernel) + bias`.

    `input` None stands for an input that is zero everywhere, `bias` None for no bias.
    """

    input: Any
    kernel: Any
    bias: Any = None


class Rule(Configurable, abc.ABC):
    """Base of the rules.

    A rule gives groups of terms. The outputs of a group's terms are summed to a denominator; each unit's relevance (or
    its share, see `shares`) is divided by it, and handed on to every input in proportion to what it put in:
    `R_in = sum of x * VJP(R / sum of y)` over all terms. Relevance that falls to a bias leaves the sum.

    Args:
        bias: `"absorb"`: the bias is part of the denominator and takes its share; `"ignore"`: it is left out.

    Attributes:
        name: Registry name.
        scales_with_input: Whether an input of 0 always gets 0.
        remark: What the summary adds, e.g. on values taken from the data.
        eps: Added to denominators, away from 0.
    """

    config_key = "rule"
    scales_with_input = True
    remark = ""
    eps = 0.0

    def __init__(self, bias: Bias = "absorb") -> None:
        check_one_of("bias", bias, ("absorb", "ignore"))
        self.bias = bias

    @abc.abstractmethod
    def terms(self, layer: LinearCall) -> list[list[Term]]:
        """Groups of terms.

        Args:
            layer: A `LinearCall`: `input`, `kernel`, `bias`, `positive_input`, `negative_input`, `ones`, `bounds`.

        Returns:
            List of lists of `Term`.
        """

    def shares(self, relevance: tf.Tensor, output: tf.Tensor) -> list[tf.Tensor]:
        """The relevance each group hands on: a list of tensors like `relevance`, given the layer's `output`."""
        return [relevance]

    @property
    def keeps_off_zero(self) -> bool:
        """Whether `stabilise` never gives 0, so that nothing else need guard the division."""
        # Far enough above what `quotient` takes for 0, whatever a type rounds it to.
        return self.eps >= 1e-12

    def stabilise(self, denominator: tf.Tensor) -> tf.Tensor:
        """The denominator moved away from 0 by `eps`; 0 itself counts as positive."""
        return away_from_zero(denominator, tf.constant(self.eps, denominator.dtype)) if self.eps else denominator

    def get_config(self) -> dict[str, Any]:
        """The rule as a dict of plain values, which `get_rule` takes."""
        config = super().get_config()
        return {name: value for name, value in config.items() if (name, value) != ("bias", "absorb")}

    def __repr__(self):
        options = {name: value for name, value in self.get_config().items() if name != "rule"}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in options.items())})"

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash(repr(self))


@register("epsilon")
class Epsilon(Rule):
    """LRP-epsilon: in proportion to `a w`; `eps` absorbs what contradictory terms would blow up.

    Args:
        eps: Added to |z|.
        relative: Whether `eps` is a multiple of the root mean square of z, per sample and layer.
        bias: See `Rule`.

    Reference:
        Bach et al., 2015, https://doi.org/10.1371/journal.pone.0130140
    """

    def __init__(self, eps: float = 1e-6, relative: bool = False, bias: Bias = "absorb") -> None:
        super().__init__(bias)
        self.eps = number("eps", eps, least=0)
        self.relative = flag("relative", relative)

    def terms(self, layer):
        return [[Term(layer.input, layer.kernel, layer.bias)]]

    @property
    def keeps_off_zero(self) -> bool:
        return super().keeps_off_zero and not self.relative  # a layer may be 0 everywhere

    def stabilise(self, denominator):
        if not self.relative:
            return super().stabilise(denominator)
        axes = list(range(1, denominator.shape.rank))
        size = tf.sqrt(tf.reduce_mean(tf.square(denominator), axes, keepdims=True))
        return away_from_zero(denominator, self.eps * size)


@register("zero")
class Zero(Epsilon):
    """LRP-0: in proportion to `a w`, with no stabiliser.

    Reference:
        Bach et al., 2015, https://doi.org/10.1371/journal.pone.0130140
    """

    def __init__(self, bias: Bias = "absorb") -> None:
        super().__init__(eps=0.0, bias=bias)


@register("z_plus")
class ZPlus(Rule):
    """LRP-z+: in proportion to the positive terms alone, for inputs of both signs.

    Reference:
        Montavon et al., 2017, https://doi.org/10.1016/j.patcog.2016.11.008
    """

    def terms(self, layer):
        return [_supporting(layer)]


@register("alpha_beta")
class AlphaBeta(Rule):
    """LRP-alpha-beta: alpha times the positive terms' shares less beta times the negative terms' shares.

    Args:
        alpha, beta: Weights, `alpha - beta = 1`.
        bias: See `Rule`.

    Reference:
        Bach et al., 2015, https://doi.org/10.1371/journal.pone.0130140
    """

    def __init__(self, alpha: float = 2.0, beta: float = 1.0, bias: Bias = "absorb") -> None:
        super().__init__(bias)
        self.alpha, self.beta = number("alpha", alpha, least=0), number("beta", beta, least=0)
        if not math.isclose(self.alpha - self.beta, 1.0, abs_tol=1e-9):
            raise ValueError(f"`alpha - beta` must be 1. Received: alpha={alpha!r}, beta={beta!r}.")

    def terms(self, layer):
        return [_supporting(layer), _opposing(layer)] if self.beta else [_supporting(layer)]

    def shares(self, relevance, output):
        return [self.alpha * relevance, -self.beta * relevance] if self.beta else [relevance]


@register("gamma")
class Gamma(Rule):
    """LRP-gamma: terms of the sign of the unit's output count `1 + gamma` times; generalised to inputs of both signs.

    Args:
        gamma: 0 gives LRP-0; the larger, the nearer to LRP-z+.
        bias: See `Rule`.

    Reference:
        Montavon et al., 2019, https://doi.org/10.1007/978-3-030-28954-6_10; both signs as in
        Andeol et al., 2021, https://arxiv.org/abs/2112.03124
    """

    def __init__(self, gamma: float = 0.25, bias: Bias = "absorb") -> None:
        super().__init__(bias)
        self.gamma = number("gamma", gamma, least=0)

    def terms(self, layer):
        positive_kernel, positive_bias = self._more(layer, positive)
        negative_kernel, negative_bias = self._more(layer, negative)
        return [
            [
                Term(layer.positive_input, positive_kernel, positive_bias),
                Term(layer.negative_input, negative_kernel),
            ],
            [
                Term(layer.positive_input, negative_kernel, negative_bias),
                Term(layer.negative_input, positive_kernel),
            ],
        ]

    def shares(self, relevance, output):
        nothing = tf.zeros_like(relevance)
        # An output of 0 has no sign to favour, and its relevance nowhere to go: the ledger's `dead`.
        return [tf.where(output > 0, relevance, nothing), tf.where(output < 0, relevance, nothing)]

    def _more(self, layer, part):
        """Kernel and bias with `gamma` times the part of one sign added."""
        return [None if value is None else value + self.gamma * part(value) for value in (layer.kernel, layer.bias)]


@register("z_box")
class ZBox(Rule):
    """LRP-z^B: for inputs known to lie in a box, pixels above all. The bias takes no share.

    Args:
        low, high: Bounds of the input: a number, or one per channel. In a first layer they are bounds of the model's
            input. None: each sample's own minimum and maximum per channel.

    Reference:
        Montavon et al., 2017, https://doi.org/10.1016/j.patcog.2016.11.008
    """

    scales_with_input = False

    def __init__(self, low: Numbers | None = None, high: Numbers | None = None) -> None:
        super().__init__(bias="ignore")  # the box bounds the terms of the inputs alone: b - b+ - b- = 0
        if (low is None) != (high is None):
            raise ValueError(f"`low` and `high` must be given together. Received: low={low!r}, high={high!r}.")
        if low is not None:
            check_finite("low", low)
            check_finite("high", high)
        self.low, self.high = low, high
        self.remark = "bounds of each sample's own" if low is None else ""

    def terms(self, layer):
        low, high = layer.bounds(self.low, self.high)
        return [
            [
                Term(layer.input, layer.kernel, layer.bias),
                Term(-low, positive(layer.kernel)),
                Term(-high, negative(layer.kernel)),
            ]
        ]


@register("w_square")
class WSquare(Rule):
    """LRP-w^2: in proportion to the squared weights, whatever the input is.

    Reference:
        Montavon et al., 2017, https://doi.org/10.1016/j.patcog.2016.11.008
    """

    scales_with_input = False

    def terms(self, layer):
        bias = None if layer.bias is None else tf.square(layer.bias)
        return [[Term(layer.ones, tf.square(layer.kernel), bias)]]


@register("flat")
class Flat(Rule):
    """LRP-flat: evenly over each unit's receptive field; padding and the bias get nothing.

    Reference:
        Lapuschkin et al., 2019, https://doi.org/10.1038/s41467-019-08987-4
    """

    scales_with_input = False

    def __init__(self) -> None:
        super().__init__(bias="ignore")

    def terms(self, layer):
        return [[Term(layer.ones, tf.ones_like(layer.kernel))]]


@register("abs_z")
class AbsZ(Rule):
    """LRP-|z|: in proportion to the size of each term, bias included; for batch normalisation that is not folded.

    Reference:
        Hui & Binder, 2019, https://doi.org/10.1007/978-3-030-20518-8_16
    """

    def terms(self, layer):
        bias = None if layer.bias is None else tf.abs(layer.bias)
        return [[Term(tf.abs(layer.input), tf.abs(layer.kernel), bias)]]


@register("pass")
class Pass(Rule):
    """The identity rule: every unit hands its relevance to the input at its own place. Needs equal shapes."""

    def terms(self, layer):
        return []


def positive(tensor: tf.Tensor | None) -> tf.Tensor | None:
    """The positive part of a tensor; None stays None."""
    return None if tensor is None else tf.nn.relu(tensor)


def negative(tensor: tf.Tensor | None) -> tf.Tensor | None:
    """The negative part of a tensor, signed; None stays None."""
    return None if tensor is None else tf.minimum(tensor, tf.zeros([], tensor.dtype))


def away_from_zero(tensor, distance):
    """`tensor + distance`, minus where it is negative; 0 itself counts as positive."""
    return tensor + tf.where(tensor < 0, -distance, distance)


def _supporting(layer):
    """The terms that raise a unit's output."""
    return [
        Term(layer.positive_input, positive(layer.kernel), positive(layer.bias)),
        Term(layer.negative_input, negative(layer.kernel)),
    ]


def _opposing(layer):
    """The terms that lower it."""
    return [
        Term(layer.positive_input, negative(layer.kernel), negative(layer.bias)),
        Term(layer.negative_input, positive(layer.kernel)),
    ]
