"""Progress: how far something is, as a bar that appears only when there is something to wait for."""

import contextlib
import contextvars
import sys
import time

import keras

# What is told how far the work under way is, as a share of it: the part of a `Progress` that it belongs to.
_reported_to = contextvars.ContextVar("reported_to", default=None)


class Progress:
    """A progress bar that counts what is done, and how far what is under way is.

    A `Progress` made inside a `part` of another one moves that one too.

    Args:
        total: How many there are, None if unknown.
        verbose: `"auto"` (after two seconds), 0 (never) or 1 (at once).
        unit: What is counted.
        draw: Function of how many are done, a float, in the place of the bar.
    """

    PATIENCE = 2.0  # seconds

    def __init__(self, total, verbose, unit="sample", draw=None):
        self._total, self._verbose, self._draw = total, verbose, draw
        self._outer = _reported_to.get()
        self._start = time.monotonic()
        self._bar = keras.utils.Progbar(total, unit_name=unit, interval=_interval())  # it reckons time from here
        self._is_shown = verbose == 1
        self._done = 0

    def add(self, count):
        """Reports `count` more done."""
        self._done += count
        self._show(self._done, is_end=self._done == self._total)

    @contextlib.contextmanager
    def part(self, count):
        """The work inside makes `count` more; how far it is shows while it runs."""
        is_seen = self._verbose != 0 or self._outer is not None or self._draw is not None
        report = None
        if is_seen:
            report = lambda share: self._show(self._done + share * count)
        token = _reported_to.set(report)
        try:
            yield
        except BaseException:
            self._leave()
            raise
        finally:
            _reported_to.reset(token)
        self.add(count)

    def close(self):
        """Ends the line of a bar whose total was unknown."""
        if self._is_shown and self._total is None:
            self._bar.update(self._done, finalize=True)

    def _leave(self):
        """Ends the line of a bar that stops where it is, so that what went wrong is told on one of its own."""
        if self._is_shown and self._draw is None:
            print(flush=True)

    def _show(self, done, is_end=False):
        if self._outer is not None and self._total:
            self._outer(done / self._total)
        if self._draw is not None:
            self._draw(done)
            return
        late = self._verbose == "auto" and time.monotonic() - self._start > self.PATIENCE
        self._is_shown = self._is_shown or (late and done != self._total)
        # A bar at 0 would say that 0 seconds are left; one at its end, that nothing is under way.
        if self._is_shown and done and (is_end or done != self._total):
            self._bar.update(done, finalize=is_end)


def reported_to():
    """What wants to know how far the work under way is: a function of the share done, or None."""
    return _reported_to.get()


def _interval():
    """Seconds from one drawing of a bar to the next: where it cannot be drawn over, each takes a line."""
    is_drawn_over = "ipykernel" in sys.modules or (hasattr(sys.stdout, "isatty") and sys.stdout.isatty())
    return 0.1 if is_drawn_over else 10.0
