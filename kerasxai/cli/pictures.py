"""The pictures of `kerasxai explain` with their captions: overlays as pixels, signals as Figures."""

import numpy as np

from kerasxai.cli.colour_key import colour_key

SMALLEST_SIDE = 224  # pixels of an overlay's longer side; smaller images are enlarged by a whole factor
PNG_LEVEL = 4  # files as small as at Pillow's 6, in half the time


def save_pictures(folder, name, sample, maps, caption, signed, class_names=None):
    """Saves what one method says of one sample.

    Args:
        folder: Where the pictures go.
        name: What the names of the files start with.
        sample: Image `(H, W, C)`, drawn once for each map, or signal `(T, C)`, drawn in one picture for all.
        maps: Maps `(N, *spatial)`, one for each explained class.
        caption: Name of the method.
        signed: Whether its maps may be negative.
        class_names: The N classes, if there are several to tell apart.

    Returns:
        List of (file name, caption, colour key); the captions of overlays say what their maps do not show, their keys
        are HTML. Signals have their scales in the picture.
    """
    save = _save_overlays if np.ndim(sample) == 3 else _save_signal
    return save(folder, name, np.stack([sample] * len(maps)), maps, caption, signed, class_names)


def _save_overlays(folder, name, images, maps, caption, signed, class_names):
    from PIL import Image

    from kerasxai.plots.colours import note
    from kerasxai.plots.overlays import overlay_keys, overlay_pixels

    files, captions = [f"{name}.png"], [caption]
    if class_names:
        files = [f"{name}__{rank}.png" for rank in range(1, len(maps) + 1)]
        captions = [f"{caption}: {class_name}" for class_name in class_names]
    height, width = images.shape[1:3]
    factor = -(-SMALLEST_SIDE // max(height, width))
    for file, pixels in zip(files, overlay_pixels(images, maps, signed=signed)):
        picture = Image.fromarray(pixels).resize((factor * width, factor * height), Image.Resampling.NEAREST)
        picture.save(folder / file, compress_level=PNG_LEVEL)
    captions = [f"{text} {note(values)}".strip() for text, values in zip(captions, maps)]
    return list(zip(files, captions, map(colour_key, overlay_keys(images, maps, signed=signed))))


def _save_signal(folder, name, signals, maps, caption, signed, class_names):
    from kerasxai import plots

    file = f"{name}.png"
    plots.signal(signals, maps, titles=class_names, columns=len(maps), signed=signed).savefig(folder / file)
    return [(file, caption, "")]
