"""Every explainer on every kind of model: progress on the terminal, the table as Markdown.

    python -m benchmarks.model_kinds                      # all of it, half an hour on two idle cores
    python -m benchmarks.model_kinds --quick              # a few kinds, a minute
    python -m benchmarks.model_kinds --kinds lora unet --methods ablation_cam lrp --verbose

A run of all kinds and methods writes docs/model-kinds.md. The exit status is 1 where a cell is WRONG (another answer
than the truth) or a LEAK (an error that is not the package's own).
"""

import argparse
import functools
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks.model_kinds import cells, table
from benchmarks.model_kinds.kind import KINDS
from benchmarks.model_kinds.truths import TRUTHS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "model-kinds.md"
QUICK = ("sequential", "several_inputs", "softmax_wrapped", "center_crop")


def main(arguments=None):
    options = parser().parse_args(arguments)
    kinds = list(QUICK) if options.quick else options.kinds or list(KINDS)
    methods = options.methods or list(TRUTHS)
    rows, start = {}, time.time()
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as workers:
        for name, row in zip(kinds, workers.map(functools.partial(cells.row, methods=methods), kinds)):
            rows[name] = row
            for cell in row:
                if cell.is_bad or options.verbose:
                    print(f"    {cell.status:8}{cell.method:26}{cell.error:9.1e}  {cell.note[:200]}")
            print(f"{len(rows):4}/{len(kinds)}  {name}: {table.counted(row)}, {time.time() - start:.0f} s", flush=True)
    everything = [cell for row in rows.values() for cell in row]
    print(table.counted(everything))
    if not (options.kinds or options.quick or options.methods):
        PAGE.write_text(table.page(rows))
        print(PAGE)
    return int(any(cell.is_bad for cell in everything))


def parser():
    made = argparse.ArgumentParser(prog="python -m benchmarks.model_kinds", description=__doc__.split("\n")[0])
    made.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    made.add_argument("--kinds", nargs="+", choices=list(KINDS), metavar="KIND")
    made.add_argument("--methods", nargs="+", choices=list(TRUTHS), metavar="METHOD")
    made.add_argument("--jobs", type=int, default=2, help="processes")
    made.add_argument("--verbose", action="store_true", help="every cell, with how it was checked")
    return made


if __name__ == "__main__":
    sys.exit(main())
