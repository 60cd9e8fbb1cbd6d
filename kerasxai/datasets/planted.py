"""Planted evidence: cluttered images whose class is decided by small marks or digits at known places; generated here.

Digits are those of scikit-learn; nothing is fetched. The idea of judging explanations by data whose evidence is known:
Zhou et al., 2022, https://arxiv.org/abs/2104.14403.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from kerasxai.options import check_one_of, number, positive_integer, seed_number

TASKS = ("mark", "distractor", "and", "or")
TRAINING_SHARE = 0.8
LEAST_SAMPLES, LEAST_SIZE = 30, 24

# As many lit pixels each, so that no mark is brighter than another.
MARKS = {
    "plus": ("..#..", "..#..", "#####", "..#..", "..#.."),
    "cross": ("#...#", ".#.#.", "..#..", ".#.#.", "#...#"),
    "tee": ("#####", "..#..", "..#..", "..#..", "..#.."),
    "ell": ("#....", "#....", "#....", "#....", "#####"),
}
MARK_SIDE = 7  # of a box: a mark and a dark frame of one pixel
DISC_SIDE, DISC_RADIUS = 11, 4.5  # the distractor
DIGIT_SHARE = 3 / 8  # of the image's side

DARK, INK, BRIGHTEST = 0.1, (0.6, 0.9), 1.0  # ink: strokes, digits and marks alike
BLOBS, BLOB_SIGMA, BLOB_HEIGHT = 4, (1.5, 4.0), (0.1, 0.4)
STROKES, STROKE_LENGTH, STROKE_WIDTH = 5, (4.0, 14.0), 1.3
NOISE = 0.03

# Which marks are there, in turn: every class as often as any other.
ONE_OF_FOUR = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
SHOWN = {
    "mark": ONE_OF_FOUR,
    "distractor": ONE_OF_FOUR,
    "and": ((1, 1), (1, 0), (1, 1), (0, 1), (1, 1), (0, 0)),
    "or": ((0, 0), (1, 0), (0, 0), (0, 1), (0, 0), (1, 1)),
}
SHORTCUT_DIGITS = (3, 8)  # the classes 0 and 1 of `load_shortcut`


class Planted(NamedTuple):
    """Images, their classes, and where the evidence lies.

    Attributes:
        x: Images `(samples, size, size, 1)`, float32 in 0..1.
        y: Classes `(samples,)`, int64.
        evidence: bool `(samples, size, size)`, the boxes of the marks that make the sample one of its class. Empty
            where marks are lacking: class 0 of `"and"` and `"or"`, which an absence decides.
        marks: bool `(samples, size, size, kinds)`, the box of each mark, empty where it is not there.
        distractor: bool `(samples, size, size)`, what catches the eye and says nothing of the class: the box of the
            disc in the task `"distractor"`, of the digit in the others.
        bare: The same images without marks, so that `np.where(marks[..., [0]], bare, x)` takes the first one away.
    """

    x: np.ndarray
    y: np.ndarray
    evidence: np.ndarray
    marks: np.ndarray
    distractor: np.ndarray
    bare: np.ndarray


def load_data(
    task: Literal["mark", "distractor", "and", "or"] = "mark", samples: int = 5000, size: int = 32, seed: int = 0
) -> tuple[Planted, Planted]:
    """Images of strokes, blobs, noise and a digit, in which marks of 7 x 7 pixels alone decide the class.

    Where boxes lie is drawn apart from the class; none overlaps another, the digit's or the disc's. A mark overwrites
    its whole box, so nothing outside it changes with the class. Marks are as bright as strokes and digits. The classes
    are balanced.

    Args:
        task: What decides the class.

            - `"mark"`: which of four marks is there, in the order of `MARKS`.
            - `"distractor"`: the same, and a disc, larger and brighter than the mark, is somewhere in every image.
            - `"and"`: 1 where both the plus and the cross are there. Both: 1/2 of the samples; one of them, the other,
              and none: 1/6 each.
            - `"or"`: 1 where at least one of them is. None: 1/2 of the samples; one, the other, and both: 1/6 each.
        samples: Number of images, at least 30; four fifths of them are for training. The digits in the test images
            are others than those in the training images.
        size: Side of the images, at least 24.
        seed: Seed of all that is drawn.

    Returns:
        `(train, test)`, each a `Planted`.

    Raises:
        ValueError: An option is out of range.

    Example:

    ```python
    from kerasxai.datasets import planted

    train, test = planted.load_data("and", samples=60)
    without_cross = np.where(test.marks[..., [1]], test.bare, test.x)
    metric = kerasxai.evaluators.RelevanceMass()
    net = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D()])
    print(metric(net, test.x, explainer="gradient", target=1, masks=test.evidence).summary())
    ```

    Reference:
        Zhou et al., 2022, https://arxiv.org/abs/2104.14403
    """
    check_one_of("task", task, TASKS)
    samples, size = _at_least(LEAST_SAMPLES, "samples", samples), _at_least(LEAST_SIZE, "size", size)
    digits, _ = _digits(round(DIGIT_SHARE * size))
    training = int(samples * TRAINING_SHARE), digits[: int(len(digits) * TRAINING_SHARE)]
    test = samples - training[0], digits[int(len(digits) * TRAINING_SHARE) :]
    streams = np.random.default_rng(seed_number(seed)).spawn(2)
    train, test = (_planted(task, *part, size, random) for part, random in zip((training, test), streams))
    return train, test


def load_shortcut(share: float = 0.9, samples: int = 5000, size: int = 32, seed: int = 0) -> tuple[Planted, Planted]:
    """Images whose class is the digit in them, and a mark that goes with one class in training and not in the test.

    Class 0 is a digit 3, class 1 a digit 8, about as often as each other. In training, the share `share` of class 1
    and the share `1 - share` of class 0 bear a mark, the plus; in the test half of each class does. A net may learn the
    mark in place of the digit. Strokes, blobs, noise and boxes are as in `load_data`; whatever the share, the scenes of
    a seed are the same.

    Args:
        share: Of class 1 with a mark in training, 0 to 1; 0.5 makes the mark useless.
        samples: Number of images, at least 30; four fifths of them are for training. The digits in the test images
            are others than those in the training images.
        size: Side of the images, at least 24.
        seed: Seed of all that is drawn.

    Returns:
        `(train, test)`, each a `Planted`: `evidence` is the digit's box, `marks` (of one kind) and `distractor` are
        the mark's, empty where there is none.

    Raises:
        ValueError: An option is out of range.

    Example:

    ```python
    from kerasxai.datasets import planted

    train, test = planted.load_shortcut(samples=60)
    is_marked = test.marks.any(axis=(1, 2, 3))
    counts = {(digit, mark): ((test.y == digit) & (is_marked == mark)).sum() for digit in (0, 1) for mark in (0, 1)}
    ```
    """
    share = number("share", share, least=0, most=1)
    samples, size = _at_least(LEAST_SAMPLES, "samples", samples), _at_least(LEAST_SIZE, "size", size)
    digits, labels = _digits(round(DIGIT_SHARE * size))
    of_class = [digits[labels == digit] for digit in SHORTCUT_DIGITS]
    training = int(samples * TRAINING_SHARE), [some[: int(len(some) * TRAINING_SHARE)] for some in of_class], share
    test = samples - training[0], [some[int(len(some) * TRAINING_SHARE) :] for some in of_class], 0.5
    streams = np.random.default_rng(seed_number(seed)).spawn(2)
    train, test = (_with_shortcut(*part, size, random) for part, random in zip((training, test), streams))
    return train, test


def _at_least(least, name, value):
    if positive_integer(name, value) < least:
        raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}.")
    return int(value)


def _digits(side):
    """Handwritten digits `(1797, side, side)` in 0..1, and which they are."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    data = load_digits()
    images = data.images.astype("float32") / 16
    return zoom(images, (1, side / 8, side / 8), order=1, mode="nearest", grid_mode=True), data.target


def _planted(task, count, digits, size, random):
    """The scenes are drawn first, then their classes: no scene knows what is planted in it."""
    combinations = np.array(SHOWN[task], bool)
    boxes = combinations.sum(axis=1).max()
    others = (digits.shape[1], DISC_SIDE) if task == "distractor" else digits.shape[1:2]
    corners = _apart((*others, *[MARK_SIDE] * boxes), count, size, random)
    bare, distractor, _ = _scenes(count, digits, corners[:, : len(others)], size, random)
    noise = random.normal(0, NOISE, bare.shape)

    shown = random.permutation(combinations[np.arange(count) % len(combinations)])  # (samples, kinds)
    x, bare, marks = _marked(bare, noise, shown, corners[:, len(others) :], random)
    y, evidence = shown.argmax(axis=1), marks.any(axis=-1)
    if task in ("and", "or"):
        y = (shown.all(axis=1) if task == "and" else shown.any(axis=1)).astype("int64")
        evidence &= y.astype(bool)[:, np.newaxis, np.newaxis]
    return Planted(x, y, evidence, marks, distractor, bare)


def _with_shortcut(count, of_class, share, size, random):
    """Scenes whose digit is of one of two classes, and a mark in the share `share` of class 1, the rest of class 0."""
    digits = np.concatenate(of_class)
    labels = np.repeat(np.arange(len(of_class)), list(map(len, of_class)))
    corners = _apart((digits.shape[1], MARK_SIDE), count, size, random)
    bare, evidence, chosen = _scenes(count, digits, corners[:, :1], size, random)
    noise = random.normal(0, NOISE, bare.shape)

    y, shown = labels[chosen], np.zeros((count, 1), bool)
    for label, part in enumerate((1 - share, share)):
        members = random.permutation(np.flatnonzero(y == label))
        shown[members[: round(part * len(members))]] = True
    x, bare, marks = _marked(bare, noise, shown, corners[:, 1:], random)
    return Planted(x, y, evidence, marks, marks.any(axis=-1), bare)


def _marked(bare, noise, shown, corners, random):
    """Scenes with their marks and without, and the boxes of these, by kind.

    Args:
        bare, noise: Scenes, and what is added to both versions `(samples, size, size)`.
        shown: Whether each kind of mark is there, bool `(samples, kinds)`.
        corners: Of the boxes `(samples, boxes, 2)`; where there are more kinds than boxes, these share them.
        random: Generator.
    """
    kinds, boxes = shown.shape[1], corners.shape[1]
    x, marks = bare.copy(), np.zeros((*bare.shape, kinds), bool)
    for kind, shape in enumerate(list(MARKS.values())[:kinds]):
        there = np.flatnonzero(shown[:, kind])
        box = _box(corners[:, kind % boxes], MARK_SIDE, there)
        x[box] = DARK + (_ink(len(there), random) - DARK) * _pattern(shape)
        marks[(*box, kind)] = True
    x, bare = (np.clip(image + noise, 0, 1)[..., np.newaxis].astype("float32") for image in (x, bare))
    return x, bare, marks


def _scenes(count, digits, corners, size, random):
    """Clutter with a digit and, where there is a second corner, a disc; the box of the last of these; which digits."""
    scenes = _clutter(count, size, random)
    box = _box(corners[:, 0], digits.shape[1])
    chosen = random.choice(len(digits), count)
    scenes[box] = np.maximum(scenes[box], digits[chosen] * _ink(count, random))
    if corners.shape[1] > 1:
        box = _box(corners[:, 1], DISC_SIDE)
        scenes[box] = DARK + (BRIGHTEST - DARK) * _disc()
    distractor = np.zeros(scenes.shape, bool)
    distractor[box] = True
    return scenes, distractor, chosen


def _apart(sides, count, size, random):
    """Upper left corners `(count, boxes, 2)` of square boxes that do not overlap, all such places equally likely."""
    sides = np.array(sides)[:, np.newaxis]
    corners = np.zeros((count, len(sides), 2), int)
    overlapping = np.arange(count)
    while len(overlapping):
        corners[overlapping] = random.integers(size - sides + 1, size=(len(overlapping), len(sides), 2))
        first = corners[overlapping, :, np.newaxis]  # (overlapping, boxes, 1, 2) against (overlapping, 1, boxes, 2)
        second = corners[overlapping, np.newaxis]
        meet = ((first < second + sides) & (second < first + sides[:, np.newaxis])).all(axis=-1)
        overlapping = overlapping[np.triu(meet, 1).any(axis=(1, 2))]
    return corners


def _box(corners, side, samples=None):
    """Index of the pixels `(samples, side, side)` of one box in each sample, or in those of some samples."""
    samples = np.arange(len(corners)) if samples is None else samples
    rows, columns = (corners[samples, axis, np.newaxis] + np.arange(side) for axis in (0, 1))
    return samples[:, np.newaxis, np.newaxis], rows[:, :, np.newaxis], columns[:, np.newaxis]


def _clutter(count, size, random):
    """Blobs and straight strokes, `(count, size, size)`."""
    steps = np.arange(size, dtype="float32")
    rows, columns = steps[:, np.newaxis], steps

    def drawn(low, high):
        return random.uniform(low, high, (count, 1, 1)).astype("float32")

    canvas = drawn(0, DARK) + np.zeros((size, size), "float32")
    for _ in range(BLOBS):
        spread = 2 * drawn(*BLOB_SIGMA) ** 2
        row, column = (np.exp(-((along - drawn(0, size)) ** 2) / spread) for along in (rows, columns))
        canvas += drawn(*BLOB_HEIGHT) * row * column
    for _ in range(STROKES):
        down, right = rows - drawn(0, size), columns - drawn(0, size)  # from where the stroke starts
        angle = drawn(0, 2 * np.pi)
        sine, cosine = np.sin(angle), np.cos(angle)
        along = np.clip(down * sine + right * cosine, 0, drawn(*STROKE_LENGTH))
        distance = np.hypot(down - along * sine, right - along * cosine)
        canvas = np.maximum(canvas, np.clip(STROKE_WIDTH - distance, 0, 1) * _ink(count, random))
    return np.minimum(canvas, INK[1])


def _ink(count, random):
    return random.uniform(*INK, (count, 1, 1)).astype("float32")


def _pattern(shape):
    """A mark in its frame, 1 where it is lit: `(7, 7)`."""
    return np.pad([[pixel == "#" for pixel in row] for row in shape], 1).astype("float32")


def _disc():
    offset = np.arange(DISC_SIDE) - DISC_SIDE // 2
    return np.hypot(offset[:, np.newaxis], offset) <= DISC_RADIUS
