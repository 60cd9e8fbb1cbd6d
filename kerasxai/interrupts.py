"""Interrupts: what must not be cut short by one, and which signals are one."""

import contextlib
import signal
import threading

# Ctrl-C; what `kill` and schedulers send; what a closed terminal sends (not on Windows).
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextlib.contextmanager
def undisturbed():
    """An interrupt that comes inside takes effect after it: clean-up is done whole, however often Ctrl-C is pressed."""
    if threading.current_thread() is not threading.main_thread():  # no other is interrupted
        yield
        return
    waiting = []
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


def end_like_ctrl_c():
    """From now on each of the signals raises KeyboardInterrupt, unless the process was started to ignore it."""
    for number in SIGNALS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def ignore():
    """From now on none of the signals does anything."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
