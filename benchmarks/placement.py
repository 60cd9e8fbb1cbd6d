"""How far a stretched map is from the centres of its units' receptive fields, on Keras Applications: a Markdown table.

    python benchmarks/placement.py                       # one net of each family, at the size it was trained for
    python benchmarks/placement.py --nets ResNet50 --side 320

Untrained nets and arithmetic: nothing is run. `first` and `step` are where the receptive field of the first unit of the
layer a CAM reads by default has its centre and how far the next one is; where paths join, the mean over the paths.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasxai.graph import ModelGraph, default_layer
from kerasxai.graph.positions import Positions

SIDES = {
    "VGG16": 224,
    "ResNet50": 224,
    "ResNet50V2": 224,
    "DenseNet121": 224,
    "MobileNet": 224,
    "MobileNetV2": 224,
    "MobileNetV3Large": 224,
    "EfficientNetB0": 224,
    "EfficientNetV2B0": 224,
    "NASNetMobile": 224,
    "ConvNeXtTiny": 224,
    "InceptionV3": 299,
    "InceptionResNetV2": 299,
    "Xception": 299,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", default=list(SIDES), choices=SIDES, metavar="NET")
    parser.add_argument("--side", type=int, help="side of the image; by default what each net was trained for")
    options = parser.parse_args()
    print("| net | image | map | first | step | shown off by, mean | shown off by, at most | of the side |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.nets:
        print(row(name, options.side or SIDES[name]), flush=True)
        keras.backend.clear_session()


def row(name, side):
    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), include_top=False)
    graph = ModelGraph(model)
    axis = Positions(graph).place(default_layer(graph)).axes[0]
    units = np.arange(axis.length)
    shown = float(axis.start) + (units + 0.5) * float(axis.unit)
    centres = float(axis.first) + units * float(axis.stride)
    off = shown - centres
    largest = np.abs(off).max()
    cells = [
        name,
        f"{side} x {side}",
        f"{axis.length} x {axis.length}",
        f"{centres[0]:.1f}",
        f"{float(axis.stride):g}",
        f"{round(off.mean(), 1) + 0.0:+.1f} px",  # no -0.0
        f"{largest:.1f} px",
        f"{largest / side:.1%}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
