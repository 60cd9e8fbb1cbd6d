"""The picture of README's explainers that change the input: tiles of HMT under each, beside Grad-CAM.

    python benchmarks/perturbation_pictures.py DATA [--out docs]

DATA holds `hmt/HMT.h5` and `hmt/test/<class>/*`. One tile of each of a few classes, the first that the net gets right.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from lrp_pictures import save

import kerasxai
from kerasxai.datasets import hmt

METHODS = {
    "grad_cam": {},
    "occlusion": {"window": 28, "stride": 14},
    "rise": {"n_masks": 1000},
    "sise": {},
    "lime": {"segmentation": "slic"},
    "kernel_shap": {"segmentation": "slic", "n_samples": 1000},
    "blur_ig": {},
    "guided_ig": {},
    "xrai": {},
}
CLASSES = (0, 3, 4, 5, 6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="directory of the data")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the picture goes")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = kerasxai.load_model(args.data / "hmt" / "HMT.h5")
    x, y = hmt.load_data(args.data / "hmt", "test", as_arrays=True)
    is_right = model.predict(x, verbose=0).argmax(axis=1) == y
    rows = [int(np.argmax((y == label) * (1 + is_right))) for label in CLASSES]
    maps = {name: kerasxai.explain(model, x[rows], name, **options) for name, options in METHODS.items()}
    titles = [hmt.CLASS_NAMES[label].split("_")[1].lower() for label in CLASSES]
    save(kerasxai.plots.grid(x[rows], maps, row_titles=titles, alpha=0.8), args.out / "hmt-perturbation.png")


if __name__ == "__main__":
    main()
