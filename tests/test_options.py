"""Every option of every class against values that are none: taken as meant, or refused by the option's name."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from kerasxai import callbacks, datasets, evaluators, explainers, lrp
from kerasxai.explainers.lrp.rules import get_rule
from tests.support import nets

X = nets.normals(3)
WRONG = {
    "word": "abc",
    "spelt False": "False",
    "digits": "5",
    "NaN": float("nan"),
    "infinity": float("inf"),
    "array": np.array([1.0, 2.0]),
    "array of booleans": np.array([True, False]),
    "matrix": np.ones((3, 3)),
    "tensor": tf.constant([1.0, 2.0]),
    "object": object(),
    "negative": -1,
    "fraction": 0.5,
    "empty list": [],
    "mixed list": [1, "a", None],
    "dict": {"a": 1},
    "True": True,
    "0": 0,
    "None": None,
    "bytes": b"x",
    "complex": 1j,
    "type": int,
    "function": lambda *arguments: arguments,
    "beyond the floats": 10**400,
}
INNER = ("truth value", "float()", "unhashable", "ufunc", "convert string", "positional argument", "Tensor is")


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


def default_of(cls, option):
    """What an option is where nobody gives it: that of the class itself, or of the nearest ancestor that has it."""
    for ancestor in cls.__mro__:
        parameters = inspect.signature(ancestor.__init__).parameters
        if option in parameters:
            return parameters[option].default
    raise AssertionError(option)


def check(cls, make):
    for option in cls.option_names() if hasattr(cls, "option_names") else inspect.signature(cls).parameters:
        default = default_of(cls, option)
        for label, value in WRONG.items():
            told = f"{cls.__name__}({option}={label})"
            try:
                make(option, value)
            except (TypeError, ValueError) as error:
                message = str(error)
                assert option in message or (option == "explainer" and "`method`" in message), f"{told}: {message}"
                assert not any(text in message for text in INNER), f"{told}: {message}"
                assert len(message) < 1500, f"{told}: {message}"
            else:
                if isinstance(default, bool):
                    assert value is True, told
                if isinstance(default, (int, float)):
                    assert isinstance(value, bool) == isinstance(default, bool), told
                    assert label not in ("digits", "spelt False", "NaN", "infinity", "None") or (
                        label == "None" and option in ("steps", "window")
                    ), told


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", explainers.names())
def test_explainer(name, model):
    needed = {"background": X} if name == "expected_gradients" else {}
    cls = explainers.get(name)
    check(cls, lambda option, value: cls(model, **{**needed, option: value}))


@pytest.mark.parametrize("name", evaluators.names())
def test_evaluator(name):
    cls = evaluators.get(name)
    check(cls, lambda option, value: cls(**{option: value}))


@pytest.mark.parametrize("name", lrp.rule_names())
def test_rule(name):
    check(type(get_rule(name)), lambda option, value: get_rule({"rule": name, option: value}))


def test_flags_take_numpy_booleans(model):
    assert explainers.GradCAM(model, relu=np.bool_(False)).relu is False


CALLBACKS = [getattr(callbacks, name) for name in callbacks.__all__ if name not in ("ExplanationCallback", "Moment")]


@pytest.mark.parametrize("cls", CALLBACKS)
def test_callback_without_samples_names_itself(cls):
    with pytest.raises(TypeError, match=f"{cls.__name__} needs `x`"):
        cls()


@pytest.mark.parametrize("cls", CALLBACKS)
@pytest.mark.parametrize("option", ["explainerz", "explainer", "explainers", "evaluators", "evry"])
def test_callback_with_an_option_it_has_not_names_itself(cls, option):
    parameters = inspect.signature(cls.__init__).parameters
    if option in parameters:
        return
    with pytest.raises(TypeError, match=f"{cls.__name__} has the options .*, every, .*Received: {option}='lrp'"):
        cls(X, **{option: "lrp"})


WRONG_OF_CALLBACKS = {
    "every": [0, True, "1", None, np.array([1, 2])],
    "every_batches": [0, 1.5, "1", np.array([1, 2])],
    "max_samples": [0, "all", np.array([1, 2])],
    "prefix": [None, 5],
    "name": [5, ["a"]],
    "on_error": ["ignore", None, np.array([1, 2])],
    "verbose": [2, True, "yes", np.array([1, 2])],
    "log_dir": [5, ["logs"], np.array([1, 2])],
    "batch_size": [0, 1.5, np.array([1, 2])],
}


@pytest.mark.parametrize("option", WRONG_OF_CALLBACKS)
@pytest.mark.parametrize("cls", CALLBACKS)
def test_callback(cls, option):
    for value in WRONG_OF_CALLBACKS[option]:
        with pytest.raises((TypeError, ValueError), match=f"`{option}`"):
            cls(X, **{option: value})


def test_heatmaps_that_go_nowhere():
    with pytest.raises(ValueError, match=r"`directory` or `log_dir`"):
        callbacks.Heatmaps(X)


CLASSES = {
    **{name: explainers.get(name) for name in explainers.names()},
    **{name: evaluators.get(name) for name in evaluators.names()},
    **{name: type(get_rule(name)) for name in lrp.rule_names()},
}


@pytest.mark.parametrize(
    "cls", sorted(set(CLASSES.values()), key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__
)
def test_a_wrong_call_is_answered_by_the_class_itself(cls):
    for arguments, options in ([range(20), {}], [(), {"modell": 1}]):
        with pytest.raises(TypeError) as raised:
            cls(*arguments, **options)
        assert str(raised.value).startswith(cls.__name__) and "__init__" not in str(raised.value)


def test_help_shows_the_options():
    assert inspect.signature(explainers.EigenCAM).parameters["relu"].default is False
    assert inspect.signature(lrp.Epsilon).parameters["relative"].default is False
    assert "relu: 'bool' = False" in str(inspect.signature(explainers.EigenCAM))


def test_a_call_without_the_model():
    with pytest.raises(
        TypeError, match=r"^HiResCAM: missing a required argument: 'model'. Its arguments: model, layer"
    ):
        explainers.HiResCAM()


def test_loading_tiles_as_arrays(tmp_path):
    with pytest.raises(ValueError, match=r"`as_arrays` must be True or False. Received: as_arrays='no'"):
        datasets.hmt.load_data(tmp_path, as_arrays="no")


@pytest.mark.parametrize("cls", CALLBACKS)
def test_help_shows_every_option_of_a_callback_with_its_default(cls):
    parameters = inspect.signature(cls).parameters
    assert list(parameters) == cls.option_names()
    assert {"target", "every", "on_error", "log_dir"} <= set(parameters) and "kwargs" not in parameters
    assert parameters["every"].default == 1


def test_help_shows_the_options_of_a_callbacks_evaluators():
    options = inspect.signature(evaluators.DropIncrease).parameters
    shown = inspect.signature(callbacks.DropIncrease).parameters
    assert {name: shown[name].default for name in options} == {name: options[name].default for name in options}
    shown = inspect.signature(callbacks.DeletionInsertion).parameters
    assert (
        shown["steps"].default == 50 and repr(shown["replace"].default) == "<each evaluator's own>"
    )  # zero for the one, blur for the other


def test_the_base_of_the_callbacks_shows_its_options_and_no_others():
    class Mine(callbacks.ExplanationCallback):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    for cls in (callbacks.ExplanationCallback, Mine):
        assert {"target", "every", "batch_size"} <= set(cls.option_names()) and "args" not in cls.option_names()
