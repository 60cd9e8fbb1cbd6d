"""`kerasxai explain`: a saved model and samples in; overlays, raw maps, a gallery and a report out."""

import contextlib
import itertools
import json
import re

import numpy as np

from kerasxai.cli.gallery import MapArchive, figure, output_folder, sample_section, versions, write_json, write_page
from kerasxai.cli.options import explainer_settings
from kerasxai.cli.pictures import save_pictures
from kerasxai.cli.quiet import load_tensorflow
from kerasxai.cli.session import check_paths, open_model

PREDICTIONS_SHOWN = 4


def run(options):
    """Carries out the command; `options` are its parsed arguments."""
    methods = options.method or ["grad_cam"]
    settings = explainer_settings(options, methods)
    check_paths(options)
    load_tensorflow()
    from kerasxai.explaining import SeveralExplainers

    model, inputs = open_model(options)
    explainers = SeveralExplainers(model, methods, **settings)
    predictor = Predictor(model)
    names = ClassNames(options.classes, inputs, predictor.classes)
    target = _target(options.target, names, predictor.classes)
    with output_folder(options.out, options.overwrite) as folder:
        report = _explain_all(options, inputs, explainers, predictor, names, target, folder)
        write_json(folder / "report.json", report)
    print(_summary(report, options.out))


class Predictor:
    """The model's probabilities, compiled once."""

    def __init__(self, model):
        from kerasxai.graph import Score, view
        from kerasxai.targets import Target

        self._score = score = Score(view(model), "probability")
        self._target = Target(0, None, score.scale())
        self._binary = score.is_binary(self._target)
        self.classes = 2 if self._binary else score.units(0)
        self._compiled = {}

    def __call__(self, x):
        """Probabilities `(samples, classes)` of `x`; the value itself for a regression unit."""
        import tensorflow as tf

        from kerasxai.running import Compiled

        shape = x.shape[1:]
        if shape not in self._compiled:
            signature = [tf.TensorSpec([None, *shape], x.dtype)]
            self._compiled[shape] = Compiled(lambda x: self._score.outputs([x], self._target)[0][0], signature)
        values = self._compiled[shape](tf.constant(x)).numpy()
        return np.concatenate([1 - values, values], axis=1) if self._binary else values


class ClassNames:
    """Names of the classes: from a file, from the class sub-folders, or their numbers."""

    def __init__(self, file, inputs, classes):
        folders = sorted(inputs.folders)
        self.names = [str(index) for index in range(classes or 0)]
        self._from_folders = len(folders) == classes
        if file:
            self.names = _read_names(file)
            if len(self.names) != classes:
                raise ValueError(f"--classes must name {classes} classes. Received: {len(self.names)} in {file}.")
        elif self._from_folders:
            self.names = folders
        self._folders = folders

    def label(self, folder):
        """The class a sub-folder stands for, None if sub-folders are no classes."""
        return self._folders.index(folder) if self._from_folders and folder in self._folders else None

    def index(self, name):
        """The class of a name, of a unique part of it, or of a number."""
        found = [index for index, one in enumerate(self.names) if one == name] or [
            index for index, one in enumerate(self.names) if name.lower() in one.lower()
        ]
        if len(found) != 1:
            raise ValueError(f"--target must name one of the classes {', '.join(self.names)}. Received: {name!r}.")
        return found[0]


def _explain_all(options, inputs, explainers, predictor, names, target, folder):
    samples, sections, hits = [], [], []
    (folder / "pictures").mkdir()
    with contextlib.ExitStack() as stack:
        archives = {
            method: stack.enter_context(MapArchive(folder / f"{method}.npz")) for method in explainers.explainers
        }
        progress = stack.enter_context(_progress(len(inputs)))
        for chunk in _chunks(inputs, options.batch_size):
            x = np.stack([sample.x for sample in chunk])
            probabilities = predictor(x)
            classes = _explained_classes(target, probabilities)
            with progress.part(len(chunk)):
                if _is_top(target):
                    results = _top(explainers, x, classes)
                else:
                    results = explainers(x, target=None if classes is None else classes[:, 0])
            for row, sample in enumerate(chunk):
                explained = [] if classes is None else [int(index) for index in classes[row]]
                told_apart = [names.names[index] for index in explained] if _is_top(target) else None
                pictures = {}
                for method, maps in results.items():
                    archives[method].add(sample.name, maps[row])
                    pictures[method] = _draw(sample, maps[row], explainers.explainers[method], told_apart, folder)
                label = names.label(sample.folder)
                best = [int(index) for index in np.argsort(-probabilities[row], kind="stable")]
                if label is not None:
                    hits.append(best[0] == label)
                shown = [
                    (names.names[c], float(probabilities[row, c]), c in explained) for c in best[:PREDICTIONS_SHOWN]
                ]
                samples.append(_entry(sample, probabilities[row], explained, label, pictures, names))
                wide = np.ndim(sample.shown) < 3
                figures = [[figure(*picture, wide=wide) for picture in several] for several in pictures.values()]
                rows = figures if _is_top(target) else [itertools.chain(*figures)]
                sections.append(sample_section(sample.name, shown, rows))
    report = {
        "model": str(options.model),
        "target": options.target,
        "preprocess": options.preprocess,
        "classes": names.names,
        "explainers": [explainer.get_config() for explainer in explainers.explainers.values()],
        "accuracy": float(np.mean(hits)) if hits else None,
        "versions": versions(),
        "samples": samples,
    }
    write_page(folder / "index.html", f"{options.model} explained", _facts(report), sections)
    return report


def _draw(sample, maps, explainer, class_names, folder):
    """Saves the pictures of one sample under one explainer; `class_names` if the maps are those of several classes."""
    from kerasxai.heatmap import is_signed, to_heatmap

    maps = maps if class_names else maps[np.newaxis]
    if maps.ndim > np.ndim(sample.shown):
        maps = to_heatmap(maps, explainer.reduce or "sum")
    name = f"pictures/{sample.name}__{explainer.name}"
    caption = explainer.name.replace("_", " ")
    return save_pictures(folder, name, sample.shown, maps, caption, is_signed(explainer), class_names)


def _entry(sample, probabilities, explained, label, pictures, names):
    return {
        "name": sample.name,
        "probabilities": [round(float(value), 6) for value in probabilities],
        "predicted": names.names[int(probabilities.argmax())],
        "explained": [names.names[index] for index in explained],
        "label": None if label is None else names.names[label],
        "pictures": {method: [file for file, *_ in several] for method, several in pictures.items()},
    }


def _explained_classes(target, probabilities):
    """Classes to explain, `(samples, how many)`; None for a single unit, which has none to choose."""
    from kerasxai.targets import Classes

    if probabilities.shape[1] == 1:
        return None
    if isinstance(target, int):
        return np.full((len(probabilities), 1), target)
    count = int(target[3:]) if _is_top(target) else 1
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :count].view(Classes)


def _top(explainers, x, classes):
    """Maps of several classes on a new axis after the samples, as `target="top4"` gives."""
    from kerasxai.progress import Progress

    each, progress = [], Progress(classes.shape[1], verbose=0)
    for rank in range(classes.shape[1]):
        with progress.part(1):
            each.append(explainers(x, target=classes[:, rank]))
    return {method: np.stack([maps[method] for maps in each], axis=1) for method in each[0]}


def _is_top(target):
    return isinstance(target, str) and target.startswith("top")


def _target(text, names, classes):
    """`predicted`, `top4`, or the index of a class."""
    if text == "predicted":
        return text
    best = re.fullmatch(r"top([1-9]\d*)", text)
    if best:
        if classes is None or int(best.group(1)) > classes or classes < 2:
            raise ValueError(f"--target {text}: the model has {classes} classes.")
        return text
    if re.fullmatch(r"\d+", text):
        if classes is None or int(text) >= classes:
            raise ValueError(f"--target {text}: the model has the classes 0 to {(classes or 1) - 1}.")
        return int(text)
    return names.index(text)


def _read_names(file):
    with open(file, encoding="utf-8") as stream:
        text = stream.read()
    if str(file).endswith(".json"):
        return [str(name) for name in json.loads(text)]
    return [line.strip() for line in text.splitlines() if line.strip()]


def _chunks(samples, size):
    samples = iter(samples)
    return iter(lambda: list(itertools.islice(samples, size)), [])


@contextlib.contextmanager
def _progress(total):
    """A `Progress` of the samples explained, drawn on the terminal's standard error."""
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TextColumn

    from kerasxai.progress import Progress

    console = Console(stderr=True)
    columns = (*Bar.get_default_columns(), TextColumn("{task.completed:.2f} of {task.total:.0f} samples"))
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Explaining", total=total)
        yield Progress(total, verbose=0, draw=lambda done: bar.update(task, completed=done))


def _facts(report):
    accuracy = "" if report["accuracy"] is None else f", {report['accuracy']:.1%} predicted as their folder says"
    methods = ", ".join(config["method"].replace("_", " ") for config in report["explainers"])
    made = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return [f"{len(report['samples'])} samples{accuracy}.", f"Explained: {report['target']} by {methods}.", f"{made}."]


def _summary(report, out):
    return f"{' '.join(_facts(report)[:2])} Open {out}/index.html"
