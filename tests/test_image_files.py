"""One picture in every form a file can have it: its pixels are those of the 8-bit picture, computed here by hand."""

import re
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from kerasxai import image_files
from kerasxai.image_files import ImageFile

HEIGHT, WIDTH = 6, 8
random = np.random.default_rng(0)
COLOUR = random.integers(0, 256, size=(HEIGHT, WIDTH, 3), dtype="uint8")
COLOUR[0, 0], COLOUR[0, 1] = 0, 255
GREY = COLOUR[..., 0]
ALPHA = random.integers(0, 256, size=(HEIGHT, WIDTH), dtype="uint8")
ALPHA[0, :2] = 0, 255
FEW = COLOUR // 64 * 64  # few enough colours for a palette to hold them all
SEEN_THROUGH = ALPHA[..., None] / 255 * COLOUR + (1 - ALPHA[..., None] / 255) * 255


def read(path, channels=3, size=(None, None), page=0):
    with ImageFile(path) as file:
        return file.read(file.pages[page], channels, size)


def colour(grey):
    return np.repeat(grey[..., None], 3, axis=-1)


def png(path, values, colour_type):
    """A 16-bit PNG of any kind, written by hand: Pillow writes only grey ones."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def wide(values, bits=16):
    """8-bit values with as many bits as asked for."""
    return np.rint(values * ((2**bits - 1) / 255)).astype("uint16")


def tiff(values, **options):
    return lambda path: tifffile.imwrite(path, values, **options)


def pillow(values, mode=None, **options):
    def save(path):
        image = Image.fromarray(values)
        image = image if mode is None else image.convert(mode)
        image.save(path, **options)

    return save


def by_pillow_compressed(values):
    return lambda path: Image.fromarray(values).save(path, compression="tiff_lzw")


def packed_12_bits(path):
    """Grey of 12 bits, two values in three bytes, as tags and one strip."""
    values = wide(GREY, 12).reshape(-1, 2).astype("uint32")
    both = values[:, 0] << 12 | values[:, 1]
    data = np.stack([both >> 16 & 255, both >> 8 & 255, both & 255], axis=1).astype("uint8").tobytes()
    tags = [
        (256, WIDTH),
        (257, HEIGHT),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, HEIGHT),
        (279, len(data)),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + directory + struct.pack("<I", 0))


def _lzw(data):
    """LZW as TIFF has it, with 9-bit codes only: a clear code before every 200 bytes keeps the table small."""
    codes = []
    for start in range(0, len(data), 200):
        codes += [256, *data[start : start + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def tiff_lzw_16(path):
    """16-bit colours compressed as scanners do; Pillow writes none of these, and tifffile no LZW."""
    data = _lzw(wide(COLOUR).astype("<u2").tobytes())
    entries = [(256, WIDTH), (257, HEIGHT), (258, 16), (259, 5), (262, 2), (273, 16), (277, 3), (278, HEIGHT)]
    entries.append((279, len(data)))
    at = 16 + len(data)
    depths = struct.pack("<HHHH", 16, 16, 16, 0)
    directory = struct.pack("<H", len(entries))
    for tag, value in entries:
        count, kind, value = (3, 3, 8) if tag == 258 else (1, 4, value)
        directory += struct.pack("<HHII", tag, kind, count, value)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, at) + depths + data + directory + struct.pack("<I", 0))


def palette(path):
    Image.fromarray(FEW).quantize(64).save(path)


def palette_with_transparency(path):
    image = Image.fromarray((ALPHA > 127).astype("uint8")).convert("P")
    image.putpalette([10, 200, 30, 90, 80, 70])
    image.save(path, transparency=0)


def one_bit(path):
    Image.fromarray(ALPHA > 127).save(path)


# Form -> (how it is written, its pixels in colour, how far they may be off).
FORMS = {
    "rgb.png": (pillow(COLOUR), COLOUR, 0),
    "rgb.bmp": (pillow(COLOUR), COLOUR, 0),
    "rgb.webp": (pillow(COLOUR, lossless=True), COLOUR, 0),
    "grey.png": (pillow(GREY), colour(GREY), 0),
    "grey.gif": (pillow(GREY), colour(GREY), 0),
    "grey16.png": (pillow(wide(GREY)), colour(GREY), 0.01),
    "rgb16.png": (lambda path: png(path, wide(COLOUR), 2), COLOUR, 0.01),
    "rgb12.png": (lambda path: png(path, wide(COLOUR, 12), 2), COLOUR, 0.04),
    "grey and opacity16.png": (
        lambda path: png(path, wide(np.dstack([GREY, ALPHA])), 4),
        ALPHA[..., None] / 255 * colour(GREY) + 255 - ALPHA[..., None],
        0.01,
    ),
    "rgba16.png": (lambda path: png(path, wide(np.dstack([COLOUR, ALPHA])), 6), SEEN_THROUGH, 0.01),
    "rgba.png": (pillow(np.dstack([COLOUR, ALPHA])), SEEN_THROUGH, 1e-3),
    "rgb16 lzw.tif": (tiff_lzw_16, COLOUR, 1),
    "rgba.tif": (pillow(np.dstack([COLOUR, ALPHA])), SEEN_THROUGH, 1e-3),
    "grey and opacity.png": (
        pillow(np.dstack([GREY, ALPHA]), "LA"),
        ALPHA[..., None] / 255 * colour(GREY) + 255 - ALPHA[..., None],
        1e-3,
    ),
    "palette.png": (palette, FEW, 0),
    "palette.gif": (palette, FEW, 0),
    "palette.tif": (palette, FEW, 0),
    "transparent palette.png": (
        palette_with_transparency,
        np.where(ALPHA[..., None] > 127, [90, 80, 70], [255, 255, 255]),
        0,
    ),
    "one bit.png": (one_bit, colour((ALPHA > 127) * 255), 0),
    "one bit.tif": (one_bit, colour((ALPHA > 127) * 255), 0),
    "cmyk.tif": (pillow(COLOUR, "CMYK"), COLOUR, 0),
    "grey8.tif": (tiff(GREY), colour(GREY), 0),
    "inverted8.tif": (tiff(255 - GREY, photometric="miniswhite"), colour(GREY), 0),
    "grey16.tif": (tiff(wide(GREY)), colour(GREY), 0.01),
    "grey16 big-endian.tif": (tiff(wide(GREY), byteorder=">"), colour(GREY), 0.01),
    "grey16 lzw.tif": (by_pillow_compressed(wide(GREY)), colour(GREY), 0.01),
    "grey16 deflated.tif": (tiff(wide(GREY), compression="zlib", predictor=True), colour(GREY), 0.01),
    "inverted16.tif": (tiff(65535 - wide(GREY), photometric="miniswhite"), colour(GREY), 0.01),
    "grey12 in 16.tif": (tiff(wide(GREY, 12)), colour(GREY), 0.04),
    "grey14 declared.tif": (tiff(wide(GREY, 14), extratags=[(281, 3, 1, 16383, True)]), colour(GREY), 0.01),
    "grey12.tif": (packed_12_bits, colour(GREY), 0.04),
    "grey8 in 16.tif": (tiff(GREY.astype("uint16")), colour(GREY), 0),
    "rgb16.tif": (tiff(wide(COLOUR), photometric="rgb"), COLOUR, 0.01),
    "rgb16 in planes.tif": (tiff(np.moveaxis(wide(COLOUR), -1, 0), photometric="rgb", planarconfig=2), COLOUR, 0.01),
    "rgb12 in 16.tif": (tiff(wide(COLOUR, 12), photometric="rgb"), COLOUR, 0.04),
    "rgba16.tif": (
        tiff(wide(np.dstack([COLOUR, ALPHA])), photometric="rgb", extrasamples=["unassalpha"]),
        SEEN_THROUGH,
        0.01,
    ),
    "rgba16 premultiplied.tif": (
        tiff(
            np.dstack([wide(COLOUR * (ALPHA[..., None] / 255)), wide(ALPHA)]),
            photometric="rgb",
            extrasamples=["assocalpha"],
        ),
        SEEN_THROUGH,
        0.01,
    ),
    "float.tif": (tiff((GREY / 255).astype("float32")), colour(GREY), 1e-4),
    "float64.tif": (tiff(GREY / 255), colour(GREY), 1e-4),
    "float16.tif": (tiff((GREY / 255).astype("float16")), colour(GREY), 0.1),
    "rgb float.tif": (tiff((COLOUR / 255).astype("float32"), photometric="rgb"), COLOUR, 1e-4),
    "float to 255.tif": (tiff(COLOUR.astype("float32"), photometric="rgb"), COLOUR, 1e-4),
}


@pytest.mark.parametrize("form", FORMS)
def test_pixels_are_those_of_the_8_bit_picture(form, tmp_path):
    write, expected, tolerance = FORMS[form]
    write(tmp_path / form)
    pixels, _ = read(tmp_path / form)
    assert pixels.dtype == "float32" and pixels.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(pixels, expected, atol=tolerance + 1e-5)
    grey, _ = read(tmp_path / form, channels=1)
    weighed = 0.299 * expected[..., 0] + 0.587 * expected[..., 1] + 0.114 * expected[..., 2]
    np.testing.assert_allclose(grey[..., 0], weighed, atol=tolerance + 1e-3)
    resized, _ = read(tmp_path / form, size=(9, 5))
    np.testing.assert_allclose(resized, tf.image.resize(expected.astype("float32"), (9, 5)), atol=tolerance + 1e-3)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("grey12 in 16.tif", "12 of its 16 bits .* no value exceeds 4095"),
        ("grey8 in 16.tif", "8 of its 16 bits .* no value exceeds 255"),
        ("rgb12.png", "12 of its 16 bits"),
        ("float.tif", r"taken for 0\.\.1"),
        ("float to 255.tif", r"taken for 0\.\.255"),
    ],
)
def test_what_is_assumed_is_said(form, said, tmp_path):
    FORMS[form][0](tmp_path / form)
    assert re.search(said, read(tmp_path / form)[1])


@pytest.mark.parametrize(
    "form", ["rgb.png", "grey16.tif", "grey12.tif", "grey14 declared.tif", "rgb16.tif", "rgba16.png"]
)
def test_what_the_file_declares_is_not_noted(form, tmp_path):
    FORMS[form][0](tmp_path / form)
    assert read(tmp_path / form)[1] is None


# EXIF: where the first row and the first column of what is stored are, in the picture as it is to be seen.
LIES = {
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],
    3: lambda seen: seen[::-1, ::-1],
    4: lambda seen: seen[::-1],
    5: lambda seen: seen.transpose(1, 0, 2),
    6: lambda seen: np.rot90(seen),  # seen turned to the left is what a camera held to the right stores
    7: lambda seen: np.rot90(seen, 2).transpose(1, 0, 2),
    8: lambda seen: np.rot90(seen, -1),
}


@pytest.mark.parametrize("orientation", LIES)
@pytest.mark.parametrize("form", ["exif.png", "exif.webp", "exif.tif", "deep.tif", "lzw.tif"])
def test_orientation_is_honoured(form, orientation, tmp_path):
    stored = np.ascontiguousarray(LIES[orientation](COLOUR))
    path = tmp_path / form
    if form == "deep.tif":
        tifffile.imwrite(path, wide(stored), photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    elif form == "lzw.tif":
        path = tmp_path / "lzw.tif"
        Image.fromarray(wide(stored[..., 0])).save(path, compression="tiff_lzw", tiffinfo={274: orientation})
    else:
        exif = Image.Exif()
        exif[274] = orientation
        options = {"lossless": True} if form.endswith("webp") else {}
        Image.fromarray(stored).save(path, exif=exif, **options)
    expected = colour(GREY) if form == "lzw.tif" else COLOUR
    np.testing.assert_allclose(read(path)[0], expected, atol=0.01)


def test_orientation_agrees_with_pillow(tmp_path):
    """A photograph as cameras write it: JPEG, whose sides differ."""
    from PIL import ImageOps

    smooth = np.asarray(Image.fromarray(COLOUR).resize((64, 48), Image.Resampling.BICUBIC))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(smooth).save(tmp_path / "photo.jpg", exif=exif)
        with Image.open(tmp_path / "photo.jpg") as image:
            expected = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(read(tmp_path / "photo.jpg")[0], expected)


PAGES = [COLOUR, COLOUR[::-1].copy(), 255 - COLOUR]


@pytest.mark.parametrize("form", ["pages.tif", "deep pages.tif", "frames.gif", "frames.webp", "frames.png"])
def test_every_page_is_read(form, tmp_path):
    path = tmp_path / form
    pages = [page // 64 * 64 for page in PAGES] if form == "frames.gif" else PAGES
    if form == "deep pages.tif":
        tifffile.imwrite(path, wide(np.stack(pages)), photometric="rgb")
    else:
        options = {"frames.webp": {"lossless": True}, "frames.gif": {"disposal": 2}}.get(form, {})
        images = [Image.fromarray(page) for page in pages]
        images[0].save(path, save_all=True, append_images=images[1:], **options)
    with ImageFile(path) as file:
        found = [file.read(page, 3, (None, None))[0] for page in file.pages]
    np.testing.assert_allclose(found, pages, atol=0.01)


def test_smaller_copies_in_a_tiff_are_no_pages(tmp_path):
    """Pyramids of slides hold the same picture over and over."""
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as file:
        file.write(COLOUR, photometric="rgb")
        file.write(COLOUR[::2, ::2], photometric="rgb", subfiletype=1)
        file.write(PAGES[2], photometric="rgb")
    with ImageFile(tmp_path / "pyramid.tif") as file:
        assert file.pages == [0, 2]


REFUSED = {
    "negative.tif": (tiff(np.array([[-5, 300]], "int16")), r"whole numbers in -5\.\.300"),
    "counts.tif": (tiff(np.array([[0, 70000]], "uint32")), r"whole numbers in 0\.\.70000"),
    "heights.tif": (tiff(np.array([[-30.0, 8000.0]], "float32")), r"floats in -30\.\.8000"),
    "two.tif": (tiff(np.array([[0.0, 1.7]], "float32")), r"floats in 0\.\.1.7"),
    "two channels.tif": (tiff(np.zeros((4, 5, 2), "uint8"), photometric="minisblack", planarconfig=1), "channels"),
    "five.tif": (
        tiff(np.zeros((4, 5, 5), "uint16"), photometric="minisblack", planarconfig=1),
        "expected 1 or 3 channels",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_values_that_cannot_be_told_are_refused(form, tmp_path):
    write, message = REFUSED[form]
    write(tmp_path / form)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / form)


@pytest.fixture
def low_limits(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # Pillow refuses above twice this
    monkeypatch.setattr(image_files, "REDUCED_ABOVE", 100)
    monkeypatch.setattr(image_files, "REFUSED_ABOVE", 40_000)


@pytest.mark.parametrize("form", ["large.png", "large.jpg", "large.tif", "palette.png", "one bit.png", "turned.jpg"])
def test_large_images_are_reduced_while_read(form, low_limits, tmp_path):
    """Left half black, right half white: any way of reducing shows it."""
    values = np.zeros((120, 160, 3), "uint8")
    values[:, 80:] = 255
    image, options = Image.fromarray(values), {}
    if form == "turned.jpg":
        image, options["exif"] = image.rotate(90, expand=True), Image.Exif()
        options["exif"][274] = 6
    image.convert({"palette.png": "P", "one bit.png": "1"}.get(form, "RGB")).save(tmp_path / form, **options)
    pixels, note = read(tmp_path / form, size=(4, 6))
    assert pixels.shape == (4, 6, 3) and "reduced from 1" in note
    np.testing.assert_allclose(
        pixels[:, [0, 1, 4, 5]], np.array([0, 0, 255, 255])[None, :, None] * np.ones((4, 1, 3)), atol=3
    )
    assert Image.MAX_IMAGE_PIXELS == 50
    with pytest.raises(ValueError, match="pixels it is too large for a model that takes images as large as they are"):
        read(tmp_path / form)


def test_larger_ones_are_refused(low_limits, tmp_path):
    Image.fromarray(np.zeros((201, 200), "uint8")).save(tmp_path / "huge.png")
    with pytest.raises(ValueError, match="of 200 x 201 pixels it is too large: 40,000 are read"):
        read(tmp_path / "huge.png", size=(4, 4))
    Image.fromarray(np.zeros((20, 20), "uint16")).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match="100 where they have more than 8 bits"):
        read(tmp_path / "deep.png", size=(4, 4))
