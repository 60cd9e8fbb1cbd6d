"""`load_images`: image files and folders as what a model takes, with their labels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasxai.graph import ModelGraph, Score
from kerasxai.image_files import SUFFIXES
from kerasxai.input_files import Inputs
from kerasxai.models.pixel_scaling import find_pixel_scaling
from kerasxai.pixel_ways import PixelScaling
from kerasxai.targets import Target
from kerasxai.typing import Model


@dataclass(repr=False)
class Images:
    """Images as a model takes them, made by `load_images`.

    Attributes:
        x: What the model takes: float32 `(N, height, width, channels)`.
        y: Labels `(N,)`, int64, where the images lie in a folder for each class of the model; else None.
        class_names: Names of the classes, those of the folders; None where `y` is.
        pixels: What to draw maps on: uint8 `(N, height, width, channels)`, of the size of `x`.
        names: Name of each image, made of its path; `name#page` for a page of several.
        left_out: Dict name -> why the image could not be read.
        notes: Dict what was assumed of images (depth, range) -> their names.
        preprocess: The `(name, meaning, function)` that made `x` of the pixels.
    """

    x: Any
    y: Any
    class_names: list | None
    pixels: Any
    names: list
    left_out: dict
    notes: dict
    preprocess: PixelScaling

    def __len__(self):
        return len(self.x)

    def __repr__(self):
        classes = "" if self.y is None else f", {len(self.class_names)} classes"
        left_out = f", {len(self.left_out)} left out" if self.left_out else ""
        return (
            f"<Images x {self.x.shape} in {self.x.min():.4g}..{self.x.max():.4g} by preprocess={self.preprocess.name!r}"
            f"{classes}{left_out}>"
        )


def load_images(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    model: Model,
    preprocess: str | Callable[[np.ndarray], np.ndarray] = "auto",
) -> Images:
    """Image files as what a model takes: resized bilinearly, scaled, with labels where folders are classes.

    PNG, JPEG, TIFF, GIF, BMP and WebP files of 8 or 16 bits, or floats in 0..1, in grey, colour, CMYK or with a
    palette. Each page of a TIFF, or frame of an animation, is an image. The orientation that EXIF tells is honoured,
    transparent parts lie over white, colour profiles are ignored, grey is repeated for a model that takes colours. A
    file that cannot be read is left out, with a warning. All is held in memory.

    Args:
        paths: A file, a folder (searched with its sub-folders), or a list of them.
        model: The Keras model, Sequential or functional, with one input of 1 or 3 channels.
        preprocess: From pixels 0..255 to what the model was trained on: `"0-1"` (pixels / 255), `"-1-1"`
            (pixels / 127.5 - 1), `"none"`, `"MEAN/STD"` in units of 0..1 (`"0.5/0.25"`, or a number for each channel:
            `"0.485,0.456,0.406/0.229,0.224,0.225"`), `"standardize"` (each image less its mean, by its deviation),
            `"caffe"`, `"torch"`, a net of Keras Applications (`"vgg16"`), or a function of one image
            `(height, width, channels)`. `"auto"`: what Keras Applications prescribes, if the model is made of such a
            net; `"none"` for one that begins with a `Rescaling` or `Normalization` made for pixels.

    Returns:
        `Images` with `x`, `y`, `class_names`, `pixels`, `names`, `left_out`, `notes` and `preprocess`.

    Raises:
        FileNotFoundError: A path does not exist.
        ValueError: No image can be read, `preprocess` is none of these, or the model does not tell; images of several
            sizes for a model that takes any.

    Example:

    ```python
    keras.utils.save_img("tile.png", np.random.default_rng(0).uniform(0, 255, size=(40, 40, 3)))

    images = kerasxai.load_images("tile.png", model, preprocess="0-1")
    maps = kerasxai.explain(model, images.x)
    kerasxai.plots.overlay(images.pixels, maps)
    ```
    """
    graph = ModelGraph(model)
    if len(graph.input_shapes) != 1:
        raise ValueError(f"`model` must have one input. Received: {', '.join(graph.input_names)}.")
    inputs = Inputs(paths, graph.input_shapes[0], suffixes=SUFFIXES)
    inputs.scaling = find_pixel_scaling(preprocess, model)
    samples = list(inputs)
    inputs.refuse_none(len(samples))
    if inputs.left_out:
        listed = "; ".join(f"{name} {reason}" for name, reason in inputs.left_out.items())
        warnings.warn(f"{len(inputs.left_out)} of {len(inputs.left_out) + len(samples)} images left out: {listed}.")
    _refuse_several_sizes(samples)
    class_names = inputs.class_folders(number_of_classes(Score(graph, "probability")))
    labels = (
        None if class_names is None else np.array([class_names.index(sample.folder) for sample in samples], "int64")
    )
    return Images(
        np.stack([sample.x for sample in samples]),
        labels,
        class_names,
        np.stack([sample.shown for sample in samples]),
        [sample.name for sample in samples],
        inputs.left_out,
        inputs.notes,
        inputs.scaling,
    )


def number_of_classes(score):
    """How many classes the first output of a model tells apart: two for one sigmoid unit."""
    return 2 if score.is_binary(Target(0, None, score.scale())) else score.units(0)


def _refuse_several_sizes(samples):
    sizes = {}
    for sample in samples:
        sizes.setdefault(sample.x.shape[:2], []).append(sample.name)
    if len(sizes) > 1:
        commonest = sorted(sizes.items(), key=lambda entry: -len(entry[1]))
        shown = ", ".join(f"{len(names)} of {high} x {wide} ({names[0]})" for (high, wide), names in commonest[:5])
        more = f", and {len(sizes) - 5} sizes more" if len(sizes) > 5 else ""
        raise ValueError(
            "This model takes images of any size, but the images of one array must be of one size, height x width. "
            f"Received: {shown}{more}. Load those of each size by a call of its own, or resize the files to one size; "
            "the command `kerasxai explain` takes them as they are."
        )
