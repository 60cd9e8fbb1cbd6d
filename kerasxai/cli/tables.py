"""`kerasxai layers` and `kerasxai list`: what there is, on the terminal."""

import os
import re
import shutil
import textwrap

from kerasxai.cli import catalogue, rules
from kerasxai.cli.quiet import load_tensorflow

INDENT = "    "


def layers(options):
    """The layers of a saved model, and which methods can explain it; with rules, which layer gets which."""
    from kerasxai.cli.session import check_model_file

    check_model_file(options.model)
    settings = rules.settings(options)
    load_tensorflow()
    import kerasxai

    model = kerasxai.load_model(options.model, safe_mode=not options.unsafe)
    if settings:
        kerasxai.explainers.LRP(model, **settings).summary()
        return
    kerasxai.layer_table(model)
    where = " in Python" if os.path.isdir(options.model) else ""  # the command `explain` takes no SavedModel
    print(f"What each method can do with this model{where}:")
    for name in kerasxai.explainers.names():
        _print_wrapped(f"{name}: {_verdict(kerasxai.explainers.get(name), model)}", later=INDENT)


def explainers(options):
    """Every explainer: family, passes, whether it needs the graph, paper."""
    del options
    for name, entry in catalogue.explainers().items():
        facts = [entry.family, f"costs {entry.passes}", *(["needs the graph"] if entry.needs_graph else [])]
        _print_entry(name, facts, entry)
    _print_wrapped(
        "Costs of a batch: F a forward pass, B a backward pass to the input, b one to the layer only. The graph: of a "
        "Sequential or functional model. All take 1-D signals and 2-D images."
    )


def evaluators(options):
    """Every evaluator: what it returns, which way is better, what it needs, paper."""
    del options
    for name, entry in catalogue.evaluators().items():
        better = {"higher": "higher is better", "lower": "lower is better", None: "neither way is better"}
        facts = [f"{result}: {better[direction]}" for result, direction in entry.directions.items()]
        needs = [*(["maps"] if entry.needs_maps else []), *entry.needs]
        _print_entry(name, [*facts, f"needs {', '.join(needs)}"], entry)


def _print_entry(name, facts, entry):
    _print_wrapped(f"{name} ({'; '.join(facts)})", later=INDENT)
    _print_wrapped(_what_it_is(entry.doc), INDENT, INDENT)
    if paper := _paper(entry.doc):
        _print_wrapped(paper, INDENT, INDENT)
    print()


def _print_wrapped(text, first="", later=""):
    """Prints text as wide as the terminal; no word is broken, the address of a paper neither."""
    width = shutil.get_terminal_size().columns
    options = {"initial_indent": first, "subsequent_indent": later}
    print(textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False, **options))


def _what_it_is(doc):
    first = doc.strip().split("\n\n")[0].replace("\n", " ")
    return first.split(": ", 1)[-1]


def _paper(doc):
    match = re.search(r"Reference:\s+(.+)", doc)
    return match.group(1) if match else ""


def _verdict(cls, model):
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            explainer = cls(model)
        except (TypeError, ValueError) as error:
            return f"no: {str(error).split('. ')[0]}"
    goes_back = re.search(r"\b[Bb]\b|explainer", cls.passes)
    opaque = not explainer.graph.has_graph  # what its operations are shows only when they run
    yes = "yes, if its operations have gradients" if opaque and goes_back else "yes"
    return "; ".join([yes, *(str(warning.message) for warning in caught)])
