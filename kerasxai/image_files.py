"""Image files as pixels: grey or colour in 0..255, whatever depth, mode or format the file has.

What is not seen in the file but assumed (how bright white is, where a depth is not declared) is noted.
"""

import contextlib
from typing import Any, NamedTuple

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
REDUCED_ABOVE = 100_000_000  # pixels; larger images are made smaller while they are read
REFUSED_ABOVE = 500_000_000  # pixels, 2 GB of memory
DEPTHS = (8, 12, 16)  # bits of cameras and scanners
PREMULTIPLIED, OPACITY = 1, 2  # kinds of extra samples in a TIFF
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and TensorFlow weigh red, green and blue
WHITE = 255.0
ORIENTATION, SUBFILE_TYPE, BITS, COLOURS, EXTRA_SAMPLES, LARGEST_VALUE = (
    274,
    254,
    258,
    262,
    338,
    281,
)  # tags of TIFF, the first one of EXIF too
PAGED = ("TIFF", "GIF", "PNG", "WEBP")  # the further pictures of an MPO (a JPEG) are previews


class ImageFile:
    """An image file and its pages: those of a TIFF, or the frames of an animation.

    Transparent parts lie over white, the orientation that EXIF or TIFF tell is honoured, colour profiles are ignored.
    Pixels are scaled by their depth: 8 bits by 1, 16 bits by 255 / 65535. Of the 16 bits of a file that does not
    declare fewer, and none of whose values needs them all, 8 or 12 are taken for its depth; floats are taken for 0..1,
    or else for 0..255; these are noted.

    Args:
        path: The file; open while in the `with` block.

    Attributes:
        pages: Numbers of its pages, from 0 on; smaller copies of a page that a TIFF holds are left out.

    Raises:
        Exception: The file is no readable image: whatever its decoder raises.
    """

    def __init__(self, path):
        self._path = path
        self._image = None
        self.pages = [0]

    def __enter__(self):
        from PIL import Image, UnidentifiedImageError

        try:
            with _any_size():
                self._image = Image.open(self._path)
                if self._image.format in PAGED:
                    self.pages = [page for page in range(self._image.n_frames) if not self._is_small_copy(page)]
        except UnidentifiedImageError:
            if not _is_tiff(self._path):
                raise
            self.pages = _tiff_pages(self._path)  # of floats in colour, for one
        return self

    def __exit__(self, *_):
        if self._image is not None:
            self._image.close()

    def read(self, page, channels, size):
        """One page.

        Args:
            page: One of `pages`.
            channels: 1 (colours are weighed to grey) or 3 (grey is repeated).
            size: `(height, width)` of the result, bilinear; None for a side that stays as it is.

        Returns:
            Pixels `(height, width, channels)`, float32 in 0..255, and a note on what was assumed, or None.

        Raises:
            Exception: The page cannot be read, or what its values mean cannot be told.
        """
        with _any_size():
            decoded = self._decode(page, size)
        white, note = _white(decoded)
        values = _opaque(decoded, white)
        if decoded.inverted:
            values = white - values.astype("float32")
        values = _resized(_upright(values, decoded.orientation), size)
        pixels = np.clip(values * (WHITE / white), 0, WHITE)
        return _with_channels(pixels, channels), decoded.note or note

    def _decode(self, page, size):
        if self._image is None:
            return _decode_tiff(self._path, page)
        self._image.seek(page)
        deep = self._is_deep()
        if np.prod(self._image.size, dtype="int64") > REDUCED_ABOVE:
            return self._decode_reduced(size, deep)
        if deep and self._image.format == "TIFF":
            try:
                return _decode_tiff(self._path, page)
            except _NotDecoded as error:
                return self._decode_tiff_by_pillow(page, error)
        if deep and page == 0:
            return _decode_png(self._path, self._image)
        return _decode_8_bits(self._image)

    def _is_deep(self):
        """Whether the page has more than the 8 bits a channel, or other channels than, Pillow keeps."""
        if self._image.format == "TIFF":
            tags = self._image.tag_v2
            return max(tags.get(BITS, (1,))) > 8 or (0 in tags.get(EXTRA_SAMPLES, ()) and tags.get(COLOURS) in (0, 1))
        return self._image.format == "PNG" and _png_depth(self._path) == 16

    def _decode_reduced(self, size, deep):
        from PIL import Image

        image, pixels = self._image, f"{self._image.width} x {self._image.height}"
        if None in size:
            raise ValueError(
                f"of {pixels} pixels it is too large for a model that takes images as large as they are. Cut it into "
                "tiles, or make it smaller."
            )
        if deep or np.prod(image.size, dtype="int64") > REFUSED_ABOVE:
            raise ValueError(
                f"of {pixels} pixels it is too large: {REFUSED_ABOVE:,} are read, {REDUCED_ABOVE:,} where they have "
                "more than 8 bits a channel. Cut it into tiles, or make it smaller."
            )
        image.draft(None, (2 * max(size),) * 2)  # a JPEG is decoded at a fraction of its size
        image.load()
        orientation = image.getexif().get(ORIENTATION, 1)
        if image.mode in ("1", "P"):
            mode = "L" if image.mode == "1" else "RGBA"
            image = image.convert(mode)
        small = image.resize(_turned(size[::-1], orientation), Image.Resampling.BILINEAR, reducing_gap=3.0)
        note = f"reduced from {pixels} pixels"
        return _decode_8_bits(small)._replace(orientation=orientation, note=note)

    def _decode_tiff_by_pillow(self, page, error):
        """A page whose compression tifffile does not know; Pillow keeps the upper 8 of 16 bits of a colour."""
        decoded = _decode_8_bits(self._image)
        if decoded.values.dtype == "uint8" and decoded.values.max(initial=0) < 16:
            raise ValueError(f"{error}. Save it without compression, or with 8 bits a channel") from error
        return decoded._replace(**_tiff_facts(self._path, page)) if decoded.values.dtype != "uint8" else decoded

    def _is_small_copy(self, page):
        if self._image.format != "TIFF" or page == 0:
            return False
        self._image.seek(page)
        return bool(self._image.tag_v2.get(SUBFILE_TYPE, 0) & 1)


def reason(error):
    """Why a file is no readable image, for a person."""
    if type(error).__name__ == "UnidentifiedImageError":  # its message is about Pillow, and names the file once more
        return "of no known format, or damaged"
    return str(error).rstrip(".") or type(error).__name__


class _NotDecoded(ValueError):
    """tifffile alone, without the package imagecodecs, cannot decode the page; Pillow may."""


class _Decoded(NamedTuple):
    """A page as it lies in the file.

    Attributes:
        values: Grey or colours `(height, width, 1 or 3)`.
        opacity: `(height, width, 1)`, as large as white where opaque, or None.
        premultiplied: Whether the colours are multiplied by their opacity already.
        largest: What the file says its largest possible value is, or None.
        inverted: Whether 0 is white.
        orientation: As EXIF has it, 1 to 8.
        note: What was done to it, or None.
    """

    values: Any
    opacity: Any = None
    premultiplied: bool = False
    largest: int | None = None
    inverted: bool = False
    orientation: int = 1
    note: str | None = None


@contextlib.contextmanager
def _any_size():
    """Lets Pillow open images of any size: the user named the file, and `ImageFile` has limits of its own."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _decode_8_bits(image):
    image.load()
    orientation = image.getexif().get(ORIENTATION, 1)  # after loading: Pillow turns a TIFF by itself, and says so there
    if image.mode == "F" or image.mode.startswith("I"):
        return _Decoded(np.asarray(image)[..., np.newaxis], orientation=orientation)
    if image.has_transparency_data:
        straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)
        values = np.asarray(image.convert(straight).convert("RGBA"))
        return _Decoded(values[..., :3], values[..., 3:], orientation=orientation)
    if image.mode in ("1", "L"):
        return _Decoded(np.asarray(image.convert("L"))[..., np.newaxis], orientation=orientation)
    return _Decoded(np.asarray(image.convert("RGB")), orientation=orientation)


def _decode_png(path, image):
    """All 16 bits of each channel; of colours Pillow keeps 8."""
    import tensorflow as tf

    values = tf.io.decode_png(tf.io.read_file(str(path)), dtype=tf.uint16).numpy()
    colours = values.shape[-1] - (values.shape[-1] + 1) % 2  # 2 and 4 channels have an opacity
    opacity = values[..., colours:] if values.shape[-1] > colours else None
    return _Decoded(values[..., :colours], opacity, orientation=image.getexif().get(ORIENTATION, 1))


def _png_depth(path):
    with open(path, "rb") as file:
        return file.read(25)[24]  # in the header: 8 bytes of signature, 8 of chunk, width, height, depth


def _is_tiff(path):
    with open(path, "rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _tiff_pages(path):
    import tifffile

    with tifffile.TiffFile(path) as file:
        return list(range(len(file.pages)))


def _decode_tiff(path, page):
    """A page of any depth, in 1 or 3 channels and an opacity.

    Raises:
        ValueError: It has other channels.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        described = file.pages[page]
        if described.photometric not in (0, 1, 2):
            kind = described.photometric.name
            raise _NotDecoded(f"its colours are {kind}; of those with more than 8 bits only grey and RGB are read")
        try:
            values = described.asarray()
        except (ValueError, NotImplementedError) as error:
            raise _NotDecoded(str(error)) from error
        axes, extra = described.axes, described.extrasamples
    if axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    elif axes != "YXS":
        values = values[..., np.newaxis]
    colours = values.shape[-1] - len(extra) if values.ndim == 3 else 0
    if colours not in (1, 3) or tuple(extra) not in ((), (PREMULTIPLIED,), (OPACITY,)):
        raise ValueError(f"its shape is {values.shape}; expected 1 or 3 channels, and opacity declared as such")
    opacity = values[..., colours:] if extra else None
    premultiplied = tuple(extra) == (PREMULTIPLIED,)
    return _Decoded(values[..., :colours], opacity, premultiplied, **_tiff_facts(path, page, turned=False))


def _tiff_facts(path, page, turned=True):
    """Largest value, inversion and, where Pillow has not turned it already, orientation, as the tags of a page say."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        described = file.pages[page]
        tags = {code: described.tags[code].value for code in (ORIENTATION, LARGEST_VALUE) if code in described.tags}
        bits = int(np.max(described.bitspersample))
        is_integer = described.sampleformat in (1, 2)
        inverted = described.photometric == 0
        if described.sampleformat == 2:
            bits -= 1  # the sign
    largest = 2**bits - 1 if is_integer and bits not in (16, 32) else None
    declared = int(np.max(tags.get(LARGEST_VALUE, 0)))
    # Some writers put the largest value that occurs here, which is no depth.
    if is_integer and declared >= 255 and (declared + 1) & declared == 0 and declared < 2**bits - 1:
        largest = declared
    return {"largest": largest, "inverted": inverted, "orientation": 1 if turned else tags.get(ORIENTATION, 1)}


def _white(decoded):
    """The value of white, and a note where it is assumed."""
    values = decoded.values
    if values.dtype == "uint8":
        return 255, None
    if values.dtype.kind == "b":
        return 1, None
    both = [part for part in (values, decoded.opacity) if part is not None]
    low, high = min(part.min() for part in both), max(part.max() for part in both)
    if values.dtype.kind == "f":
        return _white_of_floats(low, high)
    if decoded.largest is not None and low >= 0 and high <= decoded.largest:
        return decoded.largest, None
    bits = next((bits for bits in DEPTHS if high < 2**bits), None)
    if low < 0 or bits is None:
        raise ValueError(
            f"its values are whole numbers in {low}..{high}, of which black and white cannot be told. Save it with 8 "
            "or 16 bits a channel, or give an .npy file of what the model takes"
        )
    if bits == 16 or high == 0:
        return 2**16 - 1, None
    return (
        2**bits - 1,
        f"{bits} of its {8 * values.dtype.itemsize} bits taken for its depth, as no value exceeds {2**bits - 1}",
    )


def _white_of_floats(low, high):
    rounding = 0.01  # of what was resized or compressed
    if -rounding <= low and high <= 1 + rounding:
        return 1, "its floats taken for 0..1"
    if low >= -1 and 2 < high <= WHITE + 1:
        return 255, "its floats taken for 0..255"
    raise ValueError(
        f"its values are floats in {low:.4g}..{high:.4g}, of which black and white cannot be told. Save it with floats "
        "in 0..1, or give an .npy file of what the model takes"
    )


def _opaque(decoded, white):
    """The colours over white where they are transparent."""
    if decoded.opacity is None:
        return decoded.values
    opacity = decoded.opacity / np.float32(white)
    colours = decoded.values.astype("float32")
    if not decoded.premultiplied:
        colours *= opacity
    return colours + white * (1 - opacity)


def _upright(values, orientation):
    """The picture as it is to be seen, given how it lies (EXIF's 1 to 8)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values


def _turned(sides, orientation):
    if orientation in (5, 6, 7, 8):
        sides = sides[::-1]
    return tuple(sides)


def _resized(values, size):
    import tensorflow as tf

    size = [wanted or side for wanted, side in zip(size, values.shape)]
    if values.dtype not in ("uint8", "uint16"):  # these are resized as they are, to take less memory
        values = values.astype("float32")
    if tuple(size) == values.shape[:2]:
        return values.astype("float32")
    return tf.image.resize(np.ascontiguousarray(values), size).numpy()


def _with_channels(pixels, channels):
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 1:
        return pixels @ np.array(LUMA, "float32")[:, np.newaxis]
    return np.repeat(pixels, channels, axis=-1)
