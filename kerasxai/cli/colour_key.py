"""What the colours of a picture on the page stand for, as HTML: the bar of `plots.overlay(colorbar=True)`."""

import html


def colour_key(key):
    """The bar of a `kerasxai.plots.colours.Key`, with its numbers; a line above it shows which values occur."""
    from kerasxai.plots.scales import scale_text

    low, high, _, least, greatest = limits = key.limits
    width = high - low or 1.0
    start, end = (100 * (min(max(value, low), high) - low) / width for value in (least, greatest))
    colours = _gradient("right", [_rgba(*step) for step in key.steps])
    shades = _gradient("top", [_rgba(*shade, 1.0) for shade in key.shades])
    ends = [html.escape(scale_text(value, limits)) for value in (low, high)]
    return (
        f'<div class="key"><span>{ends[0]}</span><div><div class="occurs" style="margin-left:{start:.1f}%;'
        f'width:{end - start:.1f}%"></div><div class="colours" style="background:{colours},{shades}"></div></div>'
        f"<span>{ends[1]}</span></div>"
    )


def _gradient(to, stops):
    return f"linear-gradient(to {to},{','.join(stops)})"


def _rgba(red, green, blue, opacity):
    channels = ",".join(f"{round(255 * value)}" for value in (red, green, blue))
    return f"rgba({channels},{opacity:.3g})"
