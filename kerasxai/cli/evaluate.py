"""`kerasxai evaluate`: a saved model and samples in; how good its explanations are, as table, files and figures."""

from collections import Counter

import numpy as np

from kerasxai.cli.account import account_of, exit_status, facts, left_out_section
from kerasxai.cli.classes import ClassNames, Predictor, check_target, class_names, in_words, read_target
from kerasxai.cli.gallery import figure, output_folder, versions, write_json, write_page
from kerasxai.cli.options import explainer_settings, metric_settings
from kerasxai.cli.quiet import load_tensorflow
from kerasxai.cli.session import check_early, open_model
from kerasxai.input_files import class_folders, list_files

METHODS = ("grad_cam", "gradient_x_input", "integrated_gradients", "lrp")
METRICS = ("drop_increase", "aopc", "deletion", "insertion")
NUMBER_WIDTH = len("-1.23e-05")


def run(options):
    """Carries out the command; `options` are its parsed arguments. Returns the exit status."""
    methods = options.method or list(METHODS)
    settings = explainer_settings(options, methods)
    wanted, metric_options = metric_settings(options, options.metric or METRICS)
    check_early(options)
    given_names = class_names(options.classes)
    check_target(options.target, given_names or class_folders(list_files(options.input)))
    load_tensorflow()
    import kerasxai
    from kerasxai.explaining import SeveralExplainers

    model, inputs = open_model(options)
    explainers = SeveralExplainers(model, methods, **settings).explainers
    metrics = [_metric(entry, metric_options) for entry in wanted]
    predictor = Predictor(model)
    names = ClassNames(given_names, inputs, predictor.classes)
    target = read_target(options.target, names)
    samples = samples_of(inputs, options.samples)
    account = _account(predictor, names, inputs, samples, options.batch_size)
    x = np.stack([sample.x for sample in samples])
    with output_folder(options.out, options.overwrite) as folder:
        comparison = kerasxai.evaluate(model, x, explainers, metrics, target, batch_size=options.batch_size)
        _write(folder, comparison, x, options, explainers, account)
    _print(comparison)
    print("\n".join([f"{len(x)} samples.", *facts(account), f"Open {options.out}/index.html"]))
    return exit_status(account)


def _metric(entry, options):
    """An evaluator with those of the options that it has."""
    from kerasxai import evaluators

    return evaluators.get(entry.name)(**{name: value for name, value in options.items() if name in entry.options})


def samples_of(inputs, count):
    """Up to `count` samples, evenly spaced, so that every class folder has its share; all of the commonest shape."""
    places = np.linspace(0, len(inputs) - 1, min(count, len(inputs))).round().astype(int).tolist()
    samples = list(inputs.take(places))
    inputs.refuse_none(len(samples))
    ((shape, _),) = Counter(sample.x.shape for sample in samples).most_common(1)
    for sample in samples:
        if sample.x.shape != shape:
            inputs.leave_out(sample.name, f"has the shape {sample.x.shape}; most have {shape}, and metrics take one")
    return [sample for sample in samples if sample.x.shape == shape]


def _account(predictor, names, inputs, samples, batch_size):
    labelled = [sample for sample in samples if names.label(sample.folder) is not None]
    hits = []
    for start in range(0, len(labelled), batch_size):
        batch = labelled[start : start + batch_size]
        predicted = predictor(np.stack([sample.x for sample in batch])).argmax(axis=1)
        hits += [int(best) == names.label(sample.folder) for best, sample in zip(predicted, batch)]
    return account_of(inputs, hits, predictor.classes)


def _write(folder, comparison, x, options, explainers, account):
    comparison.to_csv(folder / "comparison.csv")
    comparison.to_json(folder / "comparison.json")
    comparison.plot().savefig(folder / "comparison.png", dpi=120)
    sections = [figure("comparison.png", "Means and 95 % confidence intervals; controls grey", wide=True)]
    for name, drawn in comparison.plot_curves(x).items():
        drawn.savefig(folder / f"{name}.png", dpi=120)
        sections.append(figure(f"{name}.png", f"{name}: means and 95 % bands", wide=True))
    made = versions()
    write_json(
        folder / "report.json",
        {
            "model": str(options.model),
            **account,
            "samples": comparison.samples,
            "target": options.target,
            "explainers": [explainer.get_config() for explainer in explainers.values()],
            "versions": made,
        },
    )
    lines = [
        f"{comparison.samples} samples; explained and scored: {in_words(options.target)}.",
        *facts(account),
        "Controls know nothing of the model: a method that does not beat them says nothing by this metric.",
        ", ".join(f"{name} {version}" for name, version in made.items()) + ".",
    ]
    sections += left_out_section(account)
    write_page(folder / "index.html", f"Explanations of {options.model} evaluated", lines, sections)


def _print(comparison):
    from rich.console import Console
    from rich.table import Table

    from kerasxai.comparison import ARROWS

    console = Console()
    headings = {
        metric: f"{metric.replace('_', ' ')} {ARROWS[comparison.directions[metric]]}" for metric in comparison.metrics
    }
    tables = list(_that_fit(headings, console.width - max(map(len, comparison.rows)) - len("│  │")))
    for metrics in tables:
        caption = "Means; confidence intervals are in the files. Rows in italics are controls."
        table = Table()
        if metrics is tables[-1]:
            table.caption = caption
        table.add_column("", no_wrap=True)
        for metric in metrics:
            table.add_column(headings[metric], justify="right")
        for row in comparison.rows:
            summaries = [comparison.summary(row, metric) for metric in metrics]
            cells = ["" if summary is None else f"{summary.mean:.3g}" for summary in summaries]
            heading = f"[italic]{row}[/]" if row in comparison.controls else row
            table.add_row(heading, *cells)
        console.print(table)


def _that_fit(headings, width):
    """The metrics in groups whose columns are `width` wide at most, so that no word of a heading is broken."""
    group, used = [], 0
    for metric, heading in headings.items():
        needed = max(NUMBER_WIDTH, *map(len, heading.split())) + len("  │")
        if group and used + needed > width:
            yield group
            group, used = [], 0
        group.append(metric)
        used += needed
    yield group
