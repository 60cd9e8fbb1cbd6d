"""The Figure that all pictures are: Matplotlib's, which a notebook shows without pyplot and without any set-up."""

import io

from matplotlib.figure import Figure

CSS_PIXELS = 96  # to the inch


class Picture(Figure):
    """A Matplotlib Figure that shows itself as the value of a notebook's cell.

    `%matplotlib inline` has a way of its own to show Figures, which takes the place of this one.
    """

    def _repr_png_(self):
        """The bytes of a PNG, and the size at which it is sharp on a screen of twice as many dots."""
        file = io.BytesIO()
        self.savefig(file, format="png")
        width, height = (round(CSS_PIXELS * inches) for inches in self.get_size_inches())
        return file.getvalue(), {"width": width, "height": height}
