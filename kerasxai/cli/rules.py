"""Options of Layer-wise Relevance Propagation on the command line: which rules, and the range of the input."""

import json


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
    found = {}
    if options.rules:
        found["rules"] = _read(options.rules)
    if options.input_range:
        found["input_range"] = list(options.input_range)
    return found


def _read(text):
    if not text.endswith(".json"):
        return text
    with open(text, encoding="utf-8") as file:
        try:
            return json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"--rules {text} is no JSON: {error}.") from None
