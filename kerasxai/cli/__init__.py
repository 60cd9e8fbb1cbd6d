"""The `kerasxai` command: arguments in, text out; all work is done elsewhere in the package."""

import argparse
import os
import sys


def main(arguments=None):
    """Runs the command; returns its exit status: 0, or 1 with one line on standard error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (OSError, TypeError, ValueError) as error:
        print(f"kerasxai: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _parser():
    from kerasxai.version import __version__

    parser = argparse.ArgumentParser(prog="kerasxai", description="Explains convolutional networks of Keras.")
    parser.add_argument("--version", action="version", version=f"kerasxai {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    layers = commands.add_parser("layers", help="the layers of a saved model, and the one a CAM reads by default")
    layers.add_argument("model", metavar="MODEL", help="a .keras or .h5 file")
    layers.set_defaults(run=_layers)
    listing = commands.add_parser("list", help="what the package has")
    listing.add_argument("what", choices=["explainers"])
    listing.set_defaults(run=_list)
    return parser


def _layers(options):
    import kerasxai

    kerasxai.layer_table(kerasxai.load_model(options.model))


def _list(options):
    from rich.console import Console
    from rich.table import Table

    from kerasxai import explainers

    table = Table("name", "what it is", "options", title="Explainers")
    for name in explainers.names():
        cls = explainers.get(name)
        table.add_row(name, cls.__doc__.split("\n")[0].split(": ", 1)[-1], ", ".join(cls.option_names()))
    Console().print(table)
