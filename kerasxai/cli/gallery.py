"""A folder of results that appears whole or not at all, and the page that shows it."""

import contextlib
import html
import json
import os
import shutil
import tempfile
import urllib.parse
import zipfile
from pathlib import Path

import numpy as np

from kerasxai.interrupts import undisturbed

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem; color: #1b1b1b }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem } p.facts { color: #555 }
section.sample { border-top: 1px solid #ddd; padding: .8rem 0; display: flex; flex-wrap: wrap; gap: .8rem }
section.sample > div { flex: 1 1 20rem } section.sample > div.name { flex: 0 0 14rem }
div.row { display: flex; flex-wrap: wrap; gap: .8rem; margin-bottom: .4rem }
section.sample h3 { font-size: .95rem; margin: 0 0 .3rem; overflow-wrap: anywhere }
figure { margin: 0; max-width: 28rem } figure.wide { max-width: none }
figure img { display: block; max-width: 100%; height: auto } figcaption { color: #555; font-size: .85rem }
div.key { display: flex; gap: .4rem; align-items: end; max-width: 14rem; line-height: 1; font-size: .75rem }
div.key > div { flex: 1 } div.colours { height: .6rem } div.occurs { border-top: 2px solid; margin-bottom: 2px }
table { border-collapse: collapse; font-size: .85rem } td { padding: 0 .5rem 0 0 } td.bar { width: 6rem }
td.bar div { background: #2b6cb0; height: .6rem } tr.explained { font-weight: 600 }
"""


@contextlib.contextmanager
def output_folder(path, overwrite=False):
    """A new folder to write into; becomes `path` at the end, is removed if anything goes wrong.

    Args:
        path: Where the results go; must not exist, or be an empty folder, unless `overwrite`.
        overwrite: Whether to put the results in the place of what is there.

    Raises:
        ValueError: `path` is in use.
        OSError: It cannot be written.
    """
    path = check_free(path, overwrite)
    # What exists is filled rather than replaced: it may be a mount, a link or the working directory.
    place = path if path.is_dir() else path.parent
    missing = [folder for folder in (place, *place.parents) if not folder.exists()]
    partial = None
    try:
        with undisturbed():
            partial = _new_folder(place, path.name)
        yield partial
        with undisturbed():
            _put(partial, path)
    except BaseException:
        with undisturbed():
            _remove(partial, missing)
        raise


def check_free(path, overwrite=False):
    """`path` as a Path, which a folder of results may take; see `output_folder`."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is no folder. Choose another --out.")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ValueError(f"{path} exists and is not empty. Choose another --out, or add --overwrite.")
    place = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        reason = "is no folder" if not place.is_dir() else "is not yours to write to"
        raise OSError(f"{path} cannot be written: {place} {reason}. Choose another --out.")
    return path


def _new_folder(place, name):
    try:
        place.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".partial", dir=place))
    except OSError as error:
        raise OSError(f"{place} cannot be written: {error.strerror}. Choose another --out.") from error
    folder.chmod(0o777 & ~_umask())
    return folder


def _put(partial, path):
    """`partial` as `path`; where it lies in there, what is in it, in the place of all else there."""
    if partial.parent != path:
        partial.replace(path)
        return
    for old in set(path.iterdir()) - {partial}:
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    for new in list(partial.iterdir()):
        new.replace(path / new.name)
    partial.rmdir()


class MapArchive:
    """Raw maps of one method as an `.npz` with an array per sample, written as they come."""

    def __init__(self, path):
        self._file = zipfile.ZipFile(path, "w")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def add(self, name, maps):
        """Appends the maps of the sample `name`."""
        with self._file.open(f"{name}.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array(entry, np.asanyarray(maps), allow_pickle=False)


def write_page(path, title, facts, sections):
    """Writes a self-contained page.

    Args:
        path: The HTML file.
        title: Heading.
        facts: Lines of text below it.
        sections: HTML of the body, made by `sample_section` or `figure`.
    """
    lines = "<br>".join(html.escape(fact) for fact in facts)
    Path(path).write_text(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><style>{STYLE}</style>'
        f'</head><body><h1>{html.escape(title)}</h1><p class="facts">{lines}</p>\n{os.linesep.join(sections)}\n'
        "</body></html>\n",
        encoding="utf-8",
    )


def sample_section(name, predictions, rows):
    """One sample: its name, its best predictions as bars, and its pictures.

    Args:
        name: Name of the sample.
        predictions: List of (class name, probability, whether it is explained).
        rows: Lists of HTML made by `figure`, one for each row of pictures.
    """
    bars = "".join(_bar(*prediction) for prediction in predictions)
    heading = f'<div class="name"><h3>{html.escape(name)}</h3><table>{bars}</table></div>'
    pictures = "".join(f'<div class="row">{"".join(row)}</div>' for row in rows)
    return f'<section class="sample">{heading}<div>{pictures}</div></section>'


def _bar(label, probability, is_explained):
    kind = "explained" if is_explained else ""
    return (
        f'<tr class="{kind}"><td>{html.escape(label)}</td><td>{probability:.3f}</td>'
        f'<td class="bar"><div style="width:{100 * min(max(probability, 0), 1):.1f}%"></div></td></tr>'
    )


def figure(file, caption, key="", wide=False):
    """A picture with its caption and, as HTML, what its colours stand for; `file` is relative to the page."""
    text = html.escape(caption)
    return (
        f'<figure class="{"wide" if wide else ""}"><img src="{urllib.parse.quote(file)}" alt="{text}" loading="lazy">'
        f"{key}<figcaption>{text}</figcaption></figure>"
    )


def write_json(path, content):
    """Writes a report, readable and diffable."""
    Path(path).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def versions():
    """What the results were made with."""
    import keras
    import tensorflow as tf

    from kerasxai.version import __version__

    return {"kerasxai": __version__, "keras": keras.__version__, "tensorflow": tf.__version__}


def _remove(partial, missing):
    if partial is not None:
        shutil.rmtree(partial, ignore_errors=True)
    for folder in missing:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _umask():
    current = os.umask(0)
    os.umask(current)
    return current
