"""Planted evidence: an optimal reader that knows the marks' shapes solves every task and finds the boxes."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from kerasxai.datasets import planted

COUNT = 150
FOUND = 0.9  # correlation with a shape: a mark gives 0.97 and more, clutter 0.83 at most


def shapes():
    """The marks in their frames `(4, 7, 7)`, drawn here anew."""
    plus, cross, tee, ell = np.zeros((4, 7, 7))
    plus[3, 1:6] = plus[1:6, 3] = 1
    cross[1:6, 1:6] = np.maximum(np.eye(5), np.eye(5)[::-1])
    tee[1, 1:6] = tee[1:6, 3] = 1
    ell[1:6, 1] = ell[5, 1:6] = 1
    return np.stack([plus, cross, tee, ell])


def matches(images):
    """Correlation of every window with every shape: `(samples, rows, columns, shapes)`."""
    windows = sliding_window_view(images[..., 0].astype(float), (7, 7), axis=(1, 2)).reshape(*_windows(images), 49)
    templates = shapes().reshape(4, 49)
    windows, templates = (one - one.mean(axis=-1, keepdims=True) for one in (windows, templates))
    windows, templates = (one / np.linalg.norm(one, axis=-1, keepdims=True) for one in (windows, templates))
    return windows @ templates.T


def _windows(images):
    return len(images), images.shape[1] - 6, images.shape[2] - 6


def reader(task, images):
    """Classes, by nothing but the shapes."""
    best = matches(images).max(axis=(1, 2))
    if task in ("mark", "distractor"):
        return best.argmax(axis=1)
    plus, cross = best[:, :2].T > FOUND
    return (plus & cross if task == "and" else plus | cross).astype(int)


@pytest.fixture(scope="module", params=planted.TASKS)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def data(task):
    return planted.load_data(task, samples=5 * COUNT)[1]


def test_shapes_and_types(task, data):
    train, test = planted.load_data(task, samples=31, size=25)
    kinds = 4 if task in ("mark", "distractor") else 2
    for part, count in ((train, 24), (test, 7)):
        assert part.x.shape == part.bare.shape == (count, 25, 25, 1)
        assert part.x.dtype == part.bare.dtype == np.float32
        assert part.y.shape == (count,) and part.y.dtype == np.int64
        assert part.marks.shape == (count, 25, 25, kinds) and part.marks.dtype == bool
        for mask in (part.evidence, part.distractor):
            assert mask.shape == (count, 25, 25) and mask.dtype == bool
    assert data.x.min() >= 0 and data.x.max() <= 1


@pytest.mark.parametrize("size", [24, 32, 48])
def test_an_optimal_reader_is_always_right(task, size):
    _, test = planted.load_data(task, samples=5 * COUNT, size=size, seed=3)
    np.testing.assert_array_equal(reader(task, test.x), test.y)


def test_the_reader_finds_each_mark_in_its_box(data):
    found = np.zeros_like(data.marks)
    correlations = matches(data.x)[..., : data.marks.shape[-1]]
    for sample, row, column, kind in np.argwhere(correlations > FOUND):
        found[sample, row : row + 7, column : column + 7, kind] = True
    np.testing.assert_array_equal(found, data.marks)


def test_taking_a_mark_away_takes_its_class_away(task, data):
    np.testing.assert_array_equal(np.where(data.marks.any(axis=-1)[..., np.newaxis], data.bare, data.x), data.bare)
    assert matches(data.bare).max() < FOUND
    if task in ("and", "or"):
        without_first = np.where(data.marks[..., [0]], data.bare, data.x)
        second = data.marks[..., 1].any(axis=(1, 2))
        np.testing.assert_array_equal(reader(task, without_first), second if task == "or" else np.zeros(len(second)))


def test_a_mark_overwrites_its_whole_box(data):
    for kind, shape in enumerate(shapes()[: data.marks.shape[-1]]):
        there = data.marks[..., kind].any(axis=(1, 2))
        boxes = data.x[there][data.marks[there][..., kind]].reshape(-1, 49)
        dark, lit = boxes[:, shape.ravel() == 0], boxes[:, shape.ravel() == 1]
        assert dark.max() < 0.3 < 0.4 < lit.min()
        assert (dark.std(axis=1) < 0.06).all() and (lit.std(axis=1) < 0.08).all()  # two levels and noise
        bare = data.bare[there][data.marks[there][..., kind]].reshape(-1, 49)
        assert bare.std(axis=1).max() > 0.2  # clutter was below


def test_no_box_lies_on_another(data):
    assert (data.marks.sum(axis=-1) + data.distractor).max() == 1


def test_boxes_are_whole(task, data):
    there = data.marks.any(axis=(1, 2))
    np.testing.assert_array_equal(data.marks.sum(axis=(1, 2)), 49 * there)
    side = 11 if task == "distractor" else 12
    np.testing.assert_array_equal(data.distractor.sum(axis=(1, 2)), side**2)


def test_the_classes_and_their_evidence(task, data):
    there = data.marks.any(axis=(1, 2))
    if task in ("mark", "distractor"):
        np.testing.assert_array_equal(there, data.y[:, np.newaxis] == np.arange(4))
        np.testing.assert_array_equal(data.evidence, data.marks.any(axis=-1))
        return
    expected = there.all(axis=1) if task == "and" else there.any(axis=1)
    np.testing.assert_array_equal(data.y, expected)
    np.testing.assert_array_equal(data.evidence[expected], data.marks[expected].any(axis=-1))
    assert not data.evidence[~expected].any()


def test_classes_and_combinations_are_balanced(task):
    for part in planted.load_data(task, samples=600):
        counts = np.bincount(part.y)
        assert (counts == len(part.y) / len(counts)).all()
        if task in ("and", "or"):
            first, second = part.marks.any(axis=(1, 2)).T
            shares = [np.mean((first == a) & (second == b)) for a in (0, 1) for b in (0, 1)]
            sixth, half = 1 / 6, 1 / 2
            np.testing.assert_allclose(shares, [sixth, sixth, sixth, half] if task == "and" else [half, *[sixth] * 3])
    for count in range(30, 43):
        counts = np.bincount(planted.load_data(task, samples=count)[1].y)
        assert counts.max() - counts.min() <= 1


def test_no_scene_knows_its_class():
    """AND and OR give the same scene opposite classes."""
    for one, other in zip(planted.load_data("and", samples=60), planted.load_data("or", samples=60)):
        np.testing.assert_array_equal(one.y, 1 - other.y)
        np.testing.assert_array_equal(one.bare, other.bare)
        np.testing.assert_array_equal(one.distractor, other.distractor)


def test_marks_are_told_by_their_shape_alone(task, data):
    lit = [data.x[data.marks[..., kind]].reshape(-1, 49).mean(axis=1) for kind in range(data.marks.shape[-1])]
    assert np.ptp([boxes.mean() for boxes in lit]) < 0.02  # as bright as one another
    strokes = data.bare[~data.distractor]
    assert np.quantile(data.x[data.marks.any(axis=-1)], 0.999) < strokes.max()
    if task == "distractor":
        assert data.x[data.distractor].mean() > 1.5 * max(boxes.mean() for boxes in lit)


def test_the_seed_decides_all(task):
    first, again, other = (planted.load_data(task, samples=60, seed=seed) for seed in (4, 4, 5))
    for part, same, different in zip(first, again, other):
        for array, equal in zip(part, same):
            np.testing.assert_array_equal(array, equal)
        assert (part.x != different.x).any(axis=(1, 2, 3)).all()


def test_train_and_test_share_no_scene_and_no_digit(monkeypatch):
    train, test = planted.load_data(samples=300)
    assert not {image.tobytes() for image in train.bare} & {image.tobytes() for image in test.bare}
    digits, labels = planted._digits(12)
    numbered = np.broadcast_to(np.arange(len(digits))[:, np.newaxis, np.newaxis], digits.shape)
    monkeypatch.setattr(planted, "_digits", lambda side: (numbered, labels))
    seen = []
    scenes = planted._scenes

    def recorded(count, digits, *rest):
        seen.append(set(np.unique(digits)))
        return scenes(count, digits, *rest)

    monkeypatch.setattr(planted, "_scenes", recorded)
    planted.load_data(samples=300)
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) == 1797
    seen.clear()
    planted.load_shortcut(samples=300)
    assert not seen[0] & seen[1]
    assert {labels[index] for index in seen[0] | seen[1]} == {3, 8}


def test_the_random_state_of_the_program_is_left_alone():
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.RandomState(5).uniform()
    planted.load_data(samples=30)
    assert np.random.uniform() == expected  # noqa: NPY002


@pytest.mark.parametrize(
    "options, message",
    [
        ({"task": "xor"}, r"`task` must be one of 'mark', 'distractor', 'and', 'or'. Received: task='xor'"),
        ({"task": None}, "`task` must be one of"),
        ({"samples": 29}, "`samples` must be at least 30. Received: samples=29"),
        ({"samples": (4000, 1000)}, "`samples` must be a positive integer"),
        ({"samples": 100.0}, "`samples` must be a positive integer"),
        ({"size": 23}, "`size` must be at least 24. Received: size=23"),
        ({"size": True}, "`size` must be a positive integer"),
        ({"seed": -1}, "`seed` must be an integer from 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        planted.load_data(**options)


def test_boxes_of_all_kinds_lie_apart_and_anywhere():
    sides = (9, 11, 7)
    corners = planted._apart(sides, 500, 24, np.random.default_rng(0))
    for boxes in corners:
        pixels = [
            (row, column)
            for (top, left), side in zip(boxes, sides)
            for row, column in np.ndindex(24, 24)
            if top <= row < top + side and left <= column < left + side
        ]
        assert len(set(pixels)) == len(pixels) == 9**2 + 11**2 + 7**2
    np.testing.assert_array_equal(corners.min(axis=(0, 2)), 0)
    np.testing.assert_array_equal(corners.max(axis=(0, 2)), 24 - np.array(sides))
