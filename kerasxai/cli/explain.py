"""`kerasxai explain`: a saved model and samples in; overlays, raw maps, a gallery and a report out."""

import contextlib
import itertools
import re

import numpy as np

from kerasxai.cli.account import account_of, exit_status, facts, left_out_section
from kerasxai.cli.classes import ClassNames, Predictor, check_target, class_names, in_words, read_target
from kerasxai.cli.gallery import MapArchive, figure, output_folder, sample_section, versions, write_json, write_page
from kerasxai.cli.options import explainer_settings
from kerasxai.cli.pictures import save_pictures
from kerasxai.cli.quiet import load_tensorflow
from kerasxai.cli.session import check_early, open_model
from kerasxai.input_files import class_folders, list_files

PREDICTIONS_SHOWN = 4


def run(options):
    """Carries out the command; `options` are its parsed arguments. Returns the exit status."""
    methods = options.method or ["grad_cam"]
    settings = explainer_settings(options, methods)
    check_early(options)
    given_names = class_names(options.classes)
    check_target(options.target, given_names or class_folders(list_files(options.input)))
    load_tensorflow()
    from kerasxai.explaining import SeveralExplainers

    model, inputs = open_model(options)
    explainers = SeveralExplainers(model, methods, **settings)
    predictor = Predictor(model)
    names = ClassNames(given_names, inputs, predictor.classes)
    target = read_target(options.target, names)
    with output_folder(options.out, options.overwrite) as folder:
        report = _explain_all(options, inputs, explainers, predictor, names, target, folder)
        write_json(folder / "report.json", report)
    print(_summary(report, options.out))
    return exit_status(report)


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
            probabilities = _predict(predictor, x, chunk, inputs)
            if probabilities is None:
                continue
            classes = _explained_classes(target, probabilities, predictor, x)
            with progress.part(len(chunk)):
                if _is_top(target):
                    results = _top(explainers, x, classes)
                else:
                    best = None if classes is None else classes[:, 0]
                    results = explainers(x, target=best)
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
                of_methods = pictures.values() if _is_top(target) else [itertools.chain(*pictures.values())]
                rows = [_figures(several, wide) for several in of_methods]
                sections.append(sample_section(sample.name, shown, rows))
    inputs.refuse_none(len(samples))
    report = {
        "model": str(options.model),
        "target": options.target,
        **account_of(inputs, hits, predictor.classes),
        "classes": names.names,
        "explainers": [explainer.get_config() for explainer in explainers.explainers.values()],
        "versions": versions(),
        "samples": samples,
    }
    sections += left_out_section(report)
    write_page(folder / "index.html", f"{options.model} explained", _facts(report), sections)
    return report


def _predict(predictor, x, chunk, inputs):
    """Probabilities of samples of one size; None where a model for images of any size cannot take this one."""
    import tensorflow as tf

    try:
        return predictor(x)
    except (ValueError, tf.errors.OpError) as error:
        if not inputs.takes_any_size:
            raise
        reason = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error).splitlines()[0])  # what TensorFlow says of itself
        for sample in chunk:
            size = " x ".join(map(str, sample.x.shape[:-1]))
            inputs.leave_out(sample.name, f"has a size the model cannot take, {size}: {reason}")
        return None


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
        "pictures": {method: _files(several) for method, several in pictures.items()},
    }


def _figures(pictures, wide):
    return [figure(*picture, wide=wide) for picture in pictures]


def _files(pictures):
    return [file for file, *_ in pictures]


def _explained_classes(target, probabilities, predictor, x):
    """Classes to explain, `(samples, how many)`; None for a single unit, which has none to choose."""
    from kerasxai.targets import Classes

    if probabilities.shape[1] == 1:
        return None
    if isinstance(target, int):
        return np.full((len(probabilities), 1), target)
    if _is_top(target):
        return predictor.best(x, int(target[3:])).view(Classes)
    return probabilities.argmax(axis=1)[:, np.newaxis].view(Classes)


def _top(explainers, x, classes):
    """Maps of several classes on a new axis after the samples, as `target="top4"` gives."""
    from kerasxai.progress import Progress

    of_ranks, progress = {}, Progress(classes.shape[1], verbose=0)
    for rank in range(classes.shape[1]):
        with progress.part(1):
            for method, maps in explainers(x, target=classes[:, rank]).items():
                of_ranks.setdefault(method, []).append(maps)
    return {method: np.stack(maps, axis=1) for method, maps in of_ranks.items()}


def _is_top(target):
    return isinstance(target, str) and target.startswith("top")


def _chunks(samples, size):
    """Samples that follow one another and have one shape, up to `size` of them."""
    chunk = []
    for sample in samples:
        if chunk and (len(chunk) == size or sample.x.shape != chunk[0].x.shape):
            yield chunk
            chunk = []
        chunk.append(sample)
    if chunk:
        yield chunk


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
    methods = ", ".join(config["method"].replace("_", " ") for config in report["explainers"])
    made = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    explained = f"{len(report['samples'])} samples, explained: {in_words(report['target'])}, by {methods}."
    return [explained, *facts(report), f"{made}."]


def _summary(report, out):
    return "\n".join([*_facts(report)[:-1], f"Open {out}/index.html"])
