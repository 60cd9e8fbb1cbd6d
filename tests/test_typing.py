"""Types of the public surface: every parameter has one, options that are handed on too, and mypy knows right calls."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

import kerasxai
from kerasxai import callbacks, datasets, evaluators, explainers, graph, lrp, models, plots

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
ROOMS = (kerasxai, callbacks, evaluators, explainers, graph, lrp, models, plots)
EXPORTED = [getattr(room, name) for room in ROOMS for name in room.__all__ if name[0] != "_"]
CLASSES = {one for one in EXPORTED if inspect.isclass(one)}
CLASSES |= {registry.get(name) for registry in (explainers, evaluators) for name in registry.names()}
FUNCTIONS = {one for one in EXPORTED if inspect.isfunction(one)}
FUNCTIONS |= {datasets.mnist1d.load_data, datasets.mnist1d.template_masks, datasets.planted.load_data}
FUNCTIONS |= {datasets.hmt.load_data, datasets.hmt.download}
FUNCTIONS |= {vars(cls)["__call__"] for cls in CLASSES if "__call__" in vars(cls)}
# What a class of one's own has to give.
FUNCTIONS |= {getattr(cls, name) for cls in CLASSES for name in getattr(cls, "__abstractmethods__", ())}


def name_of(one):
    return f"{one.__module__.removeprefix('kerasxai.')}.{one.__qualname__}"


def constructor_of(cls):
    """The constructor that a class has of its own or from the nearest ancestor, None where that is not ours."""
    (found, *_) = [vars(one)["__init__"] for one in cls.__mro__ if "__init__" in vars(one)]
    return found if getattr(found, "__module__", "").startswith("kerasxai") else None


def handed_on(cls):
    """The TypedDict of the options that a class's constructor hands on, None where it hands on none."""
    constructor = constructor_of(cls)
    if constructor is None or "kwargs" not in inspect.signature(constructor).parameters:
        return None
    annotation = inspect.signature(constructor).parameters["kwargs"].annotation
    (name,) = re.fullmatch(r"Unpack\[(\w+)\]", annotation).groups()
    return constructor.__globals__[name]


def taken_by(cls):
    """Dict option -> its type where it is taken: by an ancestor, or by an evaluator that a callback has chosen."""
    constructors = [vars(one)["__init__"] for one in cls.__mro__ if "__init__" in vars(one)]
    found = {}
    for owner in (*constructors, *getattr(cls, "chosen", ())):
        for name, parameter in inspect.signature(owner).parameters.items():
            found.setdefault(name, parameter.annotation)
    return found


HANDING_ON = [cls for cls in CLASSES if handed_on(cls) is not None]


def test_every_room_was_seen():
    assert len(FUNCTIONS) > 40 and len(CLASSES) > 80 and len(HANDING_ON) > 50


@pytest.mark.parametrize("function", sorted(FUNCTIONS, key=name_of), ids=name_of)
def test_every_parameter_of_a_function_has_a_type(function):
    signature = inspect.signature(function)
    untyped = [one.name for one in signature.parameters.values() if one.annotation is one.empty and one.name != "self"]
    assert untyped == []
    assert signature.return_annotation is not signature.empty


@pytest.mark.parametrize("cls", sorted(CLASSES, key=name_of), ids=name_of)
def test_every_option_of_a_class_has_a_type(cls):
    parameters = [*inspect.signature(cls).parameters.values()]
    if constructor_of(cls) is not None:
        _, *own = inspect.signature(constructor_of(cls)).parameters.values()
        parameters += own
    assert [one.name for one in parameters if one.annotation is one.empty] == []


@pytest.mark.parametrize("cls", sorted(HANDING_ON, key=name_of), ids=name_of)
def test_what_is_handed_on_is_typed_as_where_it_is_taken(cls):
    found = {name: one.__forward_arg__ for name, one in handed_on(cls).__annotations__.items()}
    assert set(found) == set(cls.option_names()) - set(inspect.signature(constructor_of(cls)).parameters)
    taken = taken_by(cls)
    assert found == {name: taken[name] for name in found}


def test_no_name_is_loaded_for_types_alone():
    from kerasxai import typing as types

    assert not {"np", "tf", "keras"} & set(vars(types))


# mypy


CALLS = """
import keras
import numpy as np

import kerasxai
from kerasxai import callbacks, evaluators, explainers, lrp, plots

model = keras.Sequential()
images = np.zeros((2, 8, 8, 3))

explainers.GradCAM(model)
explainers.GradCAM(model, True, layer=["a", "b"], upsample=False, relu=False, score="probability", verbose=0)
explainers.GradCAM(lambda x: x, counterfactual=True)(images, target="top4").shape
explainers.GradCAM(model, relus=True)  # wrong
explainers.GradCAM(model, batch_size="many")  # wrong
explainers.GradCAM(model, score="logits")  # wrong
explainers.GradCAM()  # wrong
explainers.EigenCAM(model, relu=True, layer=None)
explainers.EigenCAM(model, steps=3)  # wrong
explainers.IntegratedGradients(model, steps=10, baseline=[0.0, "blur"], quadrature="trapezoid")
explainers.IntegratedGradients(model, steps="ten")  # wrong
explainers.IntegratedGradients(model, quadrature="simpson")  # wrong
explainers.Gradient(model, layer="conv")  # wrong
explainers.SmoothGrad(model, explainer="grad_cam", n_samples=5)
explainers.NoisePercentiles(model, (10, 90), n_samples=5, seed=1)
explainers.NoisePercentiles(model, n_sample=5)  # wrong
explainers.BayesianLRP(model, "epsilon", percentiles=[5, 95])
explainers.LIME(model, segmentation=lambda x: x[..., 0], score="logit").fit(images).weights[0].mean()
explainers.RISE(model, score="logit", n_masks=10.5)  # wrong
explainers.LRP(model, rules={lrp.CONVOLUTION: lrp.Gamma(), "*": "epsilon"}, input_range=(0, 1)).ledger(images).residual
explainers.LRP(model, max_pool="average", batch_norm="folded")  # wrong
explainers.get("grad_cam")(model, upsample=False)
explainers.build(lambda model: "grad_cam", model)
lrp.Epsilon(0.25, relative=True)
lrp.Epsilon(epsilon=0.25)  # wrong
lrp.preset("deep_taylor", input_range=(0, 1))

evaluators.AOPC(window=4, order="lerf", replace=0.5)(model, images, explainer="lrp").summary()["aopc"].mean
evaluators.AOPC(order="morf", draws=3)  # wrong
evaluators.Insertion(steps=5, replace="mean", seed=3, batch_size=4)
evaluators.Insertion(steps=5.5)  # wrong
evaluators.Randomization("bottom_up", smooth=3, init="normal")
evaluators.Randomization(order="random")  # wrong
kerasxai.evaluate(model, images, ["grad_cam", explainers.GradCAM(model)], {"a": "aopc"}).ranking("aopc")[0].upper()
kerasxai.evaluate(model, images, control=True)  # wrong
kerasxai.explain(model, images, ["grad_cam", {"method": "lrp"}], upsample=False)["lrp"]
kerasxai.explain(model)  # wrong

callbacks.AOPC(images, explainer="lrp", window=8, max_samples=3)
callbacks.AOPC(images, windows=8)  # wrong
callbacks.Evaluate(images, explainers=["grad_cam"], evaluators=[evaluators.AOPC()], every=2, log_dir=None)
callbacks.Heatmaps(images, directory="maps", prefix=3)  # wrong
plots.overlay(images, images, titles=["a", "b"], colorbar=True).savefig("maps.png")
plots.overlay(images, images, colourbar=True)  # wrong
kerasxai.to_heatmap(images, "abs_sum").mean()
kerasxai.to_heatmap(images, reduce="mean")  # wrong
kerasxai.models.vgg11(classes="ten")  # wrong


@explainers.register("flat_cam")
class FlatCAM(explainers.ActivationGradientCAM):
    def combine(self, activations, gradients):
        return activations[..., 0]


FlatCAM(model, upsample=False)
FlatCAM(model, upsampled=False)  # wrong
"""


def errors_in(code, path, *options):
    """Dict line -> error of mypy, which reads a piece of code that uses the package."""
    api = pytest.importorskip("mypy.api", reason="mypy comes with the extra `test`")
    path.write_text(code)
    places = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(path.with_suffix(""))]
    output, trouble, _ = api.run([*places, *options, str(path)])
    assert not trouble
    errors = [line.partition(".py:") for line in output.splitlines() if ": error: " in line]
    assert all(file.endswith(path.stem) for file, _, _ in errors), output
    return {int(rest.partition(":")[0]): rest for _, _, rest in errors}


@pytest.mark.slow
def test_right_and_wrong_calls(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    wrong = {number for number, line in enumerate(CALLS.splitlines(), 1) if line.endswith("# wrong")}
    found = errors_in(CALLS, tmp_path / "calls.py")
    assert set(found) == wrong, found


@pytest.mark.slow
def test_documented_calls_are_right(tmp_path, monkeypatch):
    """Each example of the README, the pages and the docstrings, in a function of its own."""
    monkeypatch.chdir(ROOT)
    pages = [README.read_text(), *(inspect.getdoc(one) or "" for one in (*CLASSES, *FUNCTIONS))]
    examples = [re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE) for page in pages]
    start = "import keras\nimport numpy as np\nimport tensorflow as tf\n\nimport kerasxai\n\n"
    start += "model: keras.Model\nimages: np.ndarray\n"
    bodies = [textwrap.indent("\n".join(of_page), "    ") for of_page in examples if of_page]
    code = start + "\n".join(f"def example_{number}() -> None:\n{body}" for number, body in enumerate(bodies))
    lines = code.splitlines()
    errors = errors_in(
        code, tmp_path / "examples.py", "--disable-error-code=name-defined"
    )  # some stand for the reader's
    assert {lines[number - 1]: error for number, error in errors.items()} == {}
