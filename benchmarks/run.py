"""Runs the studies: experiments of the literature, repeated with this package, and a ground truth to judge them by.

python benchmarks/run.py --list
python benchmarks/run.py ground_truth --quick            # a minute or two, to see that it works
python benchmarks/run.py all --out results               # hours; kill it at any time, run it again, it goes on
"""

import argparse
import importlib
import os
import sys
import time
import traceback
import types
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # so that the script runs from any folder

from benchmarks.studies import STUDIES  # noqa: E402


def main(arguments=None):
    options = parser().parse_args(arguments)
    if options.list:
        width = max(map(len, STUDIES))
        print("\n".join(f"{name:{width}}  {question}" for name, question in STUDIES.items()))
        return 0
    names = list(STUDIES) if "all" in options.studies else list(dict.fromkeys(options.studies))
    if not names or not STUDIES.keys() >= set(names):
        parser().error(f"NAME must be all or one of {', '.join(STUDIES)}. Received: {' '.join(names) or 'none'}")
    for option in ("data", "images"):
        folder = getattr(options, option)
        if folder is not None and not folder.is_dir():
            parser().error(f"--{option}: {folder} is no folder")
    failed = []
    for name in names:
        print(f"{name}: {STUDIES[name]}", file=sys.stderr, flush=True)
        if not run(name, options):
            failed.append(name)
    if failed:
        print(f"Not finished: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def run(name, options):
    """Runs a study and writes its report; False where that failed, and why is said."""
    import keras
    import tensorflow as tf

    from benchmarks.study import Refused, Report, Workspace
    from benchmarks.study.report import versions
    from benchmarks.study.workspace import CODE, digest

    tf.get_logger().setLevel("ERROR")  # each net is traced once, which TensorFlow warns of where there are many
    keras.backend.clear_session()
    tf.config.experimental.enable_op_determinism()
    module = importlib.import_module(f"benchmarks.studies.{name}")
    study = module.STUDY
    settings = dict(study.quick if options.quick else study.full)
    settings |= {option: getattr(options, option) for option in study.takes} | {"seed": options.seed}
    folder = options.out / name
    start = time.perf_counter()
    try:
        code = digest(ROOT / "kerasxai", ROOT / "benchmarks" / "study", ROOT / "benchmarks" / "studies")
        decisive = {**settings, **versions(), CODE: code}
        with Workspace(folder, decisive, options.seed, options.restart) as work:
            report = Report(study, settings)
            study.run(work, report, types.SimpleNamespace(**settings))
            report.write(folder, work.seconds)
    except KeyboardInterrupt:
        print(f"Interrupted. The same command goes on with {name} where it was.", file=sys.stderr)
        raise SystemExit(130) from None
    except Refused as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    except OSError as error:  # a full disk, a folder that is not ours
        print(f"{name}: {error}. Once that is mended, the same command goes on.", file=sys.stderr)
        return False
    except Exception:  # the other studies go on
        traceback.print_exc()
        return False
    print(f"{folder / 'report.html'}, {time.perf_counter() - start:.0f} s", flush=True)
    return True


def parser():
    made = argparse.ArgumentParser(
        prog="python benchmarks/run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("studies", nargs="*", metavar="NAME", help="a study, or all")
    made.add_argument("--list", action="store_true", help="the studies")
    made.add_argument("--quick", action="store_true", help="small: a minute or two each")
    made.add_argument("--out", type=Path, default=Path("results"), help="folder of the results (default: results)")
    made.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    made.add_argument("--restart", action="store_true", help="forget the steps that an earlier run has done")
    made.add_argument("--data", type=Path, metavar="DIR", help="folder with hmt/ and mnist1d/, for studies of these")
    made.add_argument("--weights", choices=["imagenet"], help="nets of ImageNet instead of nets trained here")
    made.add_argument("--images", type=Path, metavar="DIR", help="images to explain, for nets of ImageNet")
    return made


if __name__ == "__main__":
    sys.exit(main())
