"""Data sets of the literature, loaded like those of `keras.datasets`. No data lies in the package."""

from kerasxai.datasets import hmt, mnist1d, planted

__all__ = ["hmt", "mnist1d", "planted"]


def __dir__():
    return __all__
