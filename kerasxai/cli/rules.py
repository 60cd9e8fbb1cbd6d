"""Options of Layer-wise Relevance Propagation on the command line: which rules, and the range of the input."""

import json

from kerasxai.cli import catalogue
from kerasxai.suggestions import unknown_name


def add_arguments(parser):
    """Adds `--rules` and `--input-range` to a command."""
    parser.add_argument(
        "--rules",
        metavar="NAME|FILE",
        help="rules of lrp and its kin: a preset (epsilon_plus, epsilon_gamma_box, ...), a rule, or a .json file: an "
        'object of keys and rules, e.g. {"first": "flat", "CONVOLUTION": {"rule": "gamma", "gamma": 0.5}, "*": '
        '"epsilon"}; the first matching key wins',
    )
    parser.add_argument(
        "--input-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="bounds of the model's input, for box rules, e.g. 0 1",
    )


def settings(options):
    """The explainer options that the arguments stand for."""
    options_of_explainer = {}
    if options.rules:
        options_of_explainer["rules"] = _read(options.rules)
    if options.input_range:
        low, high = options.input_range
        if not low < high:
            raise ValueError(f"--input-range must be LOW HIGH, LOW below HIGH. Received: {low:g} {high:g}.")
        options_of_explainer["input_range"] = [low, high]
    return options_of_explainer


def _read(text):
    if not text.endswith(".json"):
        if text not in catalogue.rules():
            raise ValueError(unknown_name("--rules", text, catalogue.rules()) + " A mapping is a .json file.")
        return text
    with open(text, encoding="utf-8") as file:
        try:
            return json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"--rules {text} is no JSON: {error}.") from None
