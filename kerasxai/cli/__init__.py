"""The `kerasxai` command: arguments in, exit status out; each command's work is in a file of its own."""

import argparse
import os
import re
import sys

from kerasxai import interrupts
from kerasxai.cli import rules
from kerasxai.cli.quiet import plain_warnings
from kerasxai.cli.wording import for_the_command_line


def main(arguments=None):
    """Runs the command.

    Returns:
        Exit status: 0; 1 when it fails, is interrupted, or leaves inputs out, which standard error tells; 2 for a bad
        command line.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(_with_values(arguments))
    try:
        with plain_warnings():
            status = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("interrupted; nothing half-written is left behind.")
    except BrokenPipeError:  # who reads the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, TypeError, ValueError) as error:
        return _fail(for_the_command_line(" ".join(str(error).split())))
    return status or 0


def _with_values(arguments):
    """`--preprocess -1-1` as `--preprocess=-1-1`: argparse takes what begins with a minus for a flag."""
    joined = []
    for argument in map(str, arguments):
        if joined and joined[-1] == "--preprocess" and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def command():
    """Runs the command as a process of its own, and ends it."""
    interrupts.end_like_ctrl_c()
    try:
        status = main()
    except KeyboardInterrupt:  # another one, after that which `main` obeyed
        status = 1
    interrupts.ignore()
    compiled = sys.modules.get("kerasxai.compiled")
    if compiled is not None and compiled.is_computing():
        # Interrupted in the midst of a pass of the model, which may take long and which nobody waits for.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _fail(message):
    print(f"kerasxai: {message}", file=sys.stderr)
    return 1


def _parser():
    from kerasxai.version import __version__

    parser = argparse.ArgumentParser(
        prog="kerasxai",
        description="Explains convolutional networks of Keras: which pixels or time steps speak for a prediction.",
        epilog="Start with `kerasxai demo`; then `kerasxai layers MODEL`, `kerasxai explain MODEL IMAGES --out DIR`.",
    )
    parser.add_argument("--version", action="version", version=f"kerasxai {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_explain(commands)
    _add_evaluate(commands)
    _add_layers(commands)
    _add_list(commands)
    return parser


def _add_demo(commands):
    parser = commands.add_parser(
        "demo",
        help="train two small nets here and explain them: a page of figures in a minute",
        description="Trains a net on MNIST-1D signals and one on scikit-learn's digits, in a minute on two cores and "
        "without fetching anything, explains test samples of both, and writes figures and a page.",
    )
    parser.add_argument("--out", default="kerasxai-demo", metavar="DIR", help="folder for the results (kerasxai-demo)")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in --out")

    def run(options):
        from kerasxai.cli import demo

        demo.run(options)

    parser.set_defaults(run=run)


def _add_explain(commands):
    parser = commands.add_parser(
        "explain",
        help="overlays, raw maps and a gallery of a saved model's predictions",
        description="Explains what a saved model predicts. Writes an overlay per input and method, the raw maps as "
        ".npz, a gallery (index.html) and a report (report.json). The folder appears whole or not at all.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  kerasxai explain HMT.h5 tiles/ --preprocess 0-1 --method grad_cam --method gradient_x_input --out out\n"
        "  kerasxai explain resnet.keras cat.jpg --target top4 --out cat\n"
        "  kerasxai explain HMT.h5 tiles/ --preprocess 0-1 --method lrp --rules epsilon_gamma_box --input-range 0 1 "
        "--out lrp\n"
        "  kerasxai explain net1d.keras signals.csv --method integrated_gradients --option steps=100 --out signals\n",
    )
    _add_model_and_inputs(parser)

    def run(options):
        from kerasxai.cli import explain

        return explain.run(options)

    parser.set_defaults(run=run)


def _add_evaluate(commands):
    parser = commands.add_parser(
        "evaluate",
        help="how good the explanations of a saved model are, with control rows",
        description="Evaluates explainers on samples of a saved model: every metric on every method, and on maps that "
        "know nothing of the model. Prints a table and writes it as .csv and .json, figures and a page.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  kerasxai evaluate HMT.h5 tiles/ --preprocess 0-1 --samples 40 --out quality\n"
        "  kerasxai evaluate net1d.keras signals.npy --method lrp --method gradient --metric deletion --out quality\n"
        "  kerasxai evaluate resnet.keras photos/ --target top4 --out quality\n",
    )
    _add_model_and_inputs(parser)
    parser.add_argument(
        "--metric", action="append", metavar="NAME", help="may be repeated; see `kerasxai list evaluators`"
    )
    parser.add_argument(
        "--metric-option",
        action="append",
        metavar="NAME=VALUE",
        help="option of the metrics, e.g. fraction=0.9; repeatable",
    )
    parser.add_argument(
        "--samples", type=_positive, default=100, metavar="N", help="evaluate on N of them, evenly spaced (100)"
    )

    def run(options):
        from kerasxai.cli import evaluate

        return evaluate.run(options)

    parser.set_defaults(run=run)


def _add_model_and_inputs(parser):
    parser.add_argument("model", metavar="MODEL", help="a .keras or .h5 file")
    parser.add_argument(
        "input",
        metavar="INPUT",
        nargs="+",
        help="images, folders of images (class sub-folders too), .npy/.npz arrays, .csv of signals, one a row",
    )
    parser.add_argument(
        "--method", action="append", metavar="NAME", help="may be repeated; see `kerasxai list explainers`"
    )
    parser.add_argument("--layer", action="append", metavar="PATH", help="layer a CAM reads; see `kerasxai layers`")
    parser.add_argument(
        "--option",
        action="append",
        metavar="NAME=VALUE",
        help="option of the methods, e.g. noise_level=0.2; repeatable",
    )
    rules.add_arguments(parser)
    parser.add_argument(
        "--preprocess",
        default="auto",
        metavar="HOW",
        help="pixels to model input: `auto` (default: what Keras Applications prescribes for this model, or what its "
        "own Rescaling or Normalization asks for; arrays as they are), `0-1` (pixels / 255), `-1-1` (pixels / 127.5 - "
        "1), `none`, MEAN/STD of pixels / 255 (`0.5/0.25`, or a number for each channel: "
        "`0.485,0.456,0.406/0.229,0.224,0.225`), `standardize` (each image less its mean, by its deviation), `caffe`, "
        "`torch`, or a net of Keras Applications such as `vgg16`",
    )
    parser.add_argument(
        "--strict", action="store_true", help="fail at an input that cannot be read, instead of leaving it out"
    )
    parser.add_argument(
        "--target",
        default="predicted",
        metavar="CLASS",
        help="number or name of a class, `top4` for the four best, or `predicted` (default)",
    )
    parser.add_argument("--classes", metavar="FILE", help="class names, one a line or a JSON list")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in --out")
    parser.add_argument("--batch-size", type=_positive, default=8, metavar="N", help="samples at once (8)")
    parser.add_argument("--unsafe", action="store_true", help="let the model file run its own code (Lambda layers)")


def _add_layers(commands):
    parser = commands.add_parser(
        "layers",
        help="the layers of a saved model, the one a CAM reads by default, and what each method can do; with --rules, "
        "which rule of lrp each layer gets",
    )
    parser.add_argument("model", metavar="MODEL", help="a .keras or .h5 file, or a SavedModel folder")
    parser.add_argument("--unsafe", action="store_true", help="let the model file run its own code (Lambda layers)")
    rules.add_arguments(parser)

    def run(options):
        from kerasxai.cli import tables

        tables.layers(options)

    parser.set_defaults(run=run)


def _add_list(commands):
    parser = commands.add_parser("list", help="the explainers or evaluators there are")
    parser.add_argument("what", choices=["explainers", "evaluators"])

    def run(options):
        from kerasxai.cli import tables

        getattr(tables, options.what)(options)

    parser.set_defaults(run=run)


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, not {text}")
    return int(text)
