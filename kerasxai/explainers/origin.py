"""Origin: what an explainer was made from, so that it can be made anew when that has changed."""

import inspect

from kerasxai.graph.fingerprint import Fingerprint, mark_of_option


class Origin:
    """What an explainer was made from.

    Args:
        explainer: The explainer, just made.
        arguments, options: What its class was called with.

    Attributes:
        generation: How many times the explainer was made anew.
    """

    def __init__(self, explainer, arguments, options):
        self._arguments, self._options = arguments, options
        self._names = [name for name in explainer.option_names() if name != "verbose"]
        self.generation = 0
        self._is_being_made = False
        self._remember(explainer)

    def refresh(self, explainer):
        """Makes the explainer anew, in place, if its model, an option or an explainer inside it is another one now."""
        if self._is_being_made:  # by a part of it
            return
        for other in self._others:
            other.refresh()
        changed = {name: value for name, value, mark in self._settings(explainer) if mark != self._marks.get(name)}
        if changed or self._generations() != self._seen or self._fingerprint.has_changed():
            self._make_anew(explainer, changed)

    def was_run(self):
        """Called after the model was traced and run."""
        self._fingerprint.leave_out_what_a_run_writes()

    def _make_anew(self, explainer, changed):
        bound = inspect.signature(explainer.__init__).bind(*self._arguments, **self._options)
        parameters = bound.signature.parameters.values()
        rest = next((option.name for option in parameters if option.kind == option.VAR_KEYWORD), None)
        for name, value in changed.items():
            if name in bound.signature.parameters:
                bound.arguments[name] = value
            else:
                bound.arguments.setdefault(rest, {})[name] = value
        before, self._is_being_made = dict(vars(explainer)), True
        try:
            explainer.__init__(*bound.args, **bound.kwargs)
        except BaseException:  # it stays what it was, and says so again when it is called again
            vars(explainer).clear()
            vars(explainer).update(before)
            raise
        finally:
            self._is_being_made = False
        explainer.verbose = before["verbose"]
        explainer.runner.trace_count = before["runner"].trace_count
        self._arguments, self._options = bound.args, bound.kwargs
        self.generation += 1
        self._remember(explainer)

    def _remember(self, explainer):
        self._fingerprint = Fingerprint(explainer.model)
        settings = self._settings(explainer)
        self._marks = {name: mark for name, _, mark in settings}
        values = [*self._arguments, *self._options.values(), *(value for _, value, _ in settings)]
        parts = []
        for value in values:
            parts += value if isinstance(value, (list, tuple)) else [value]
        self._others = [part for part in parts if hasattr(part, "generation") and part is not explainer]
        self._seen = self._generations()

    def _settings(self, explainer):
        """The options as they are on the explainer: (name, value, mark)."""
        own = vars(explainer)
        return [(name, own[name], _mark(own[name])) for name in self._names if name in own]

    def _generations(self):
        return [other.generation for other in self._others]


def _mark(option):
    return (id(option), option.generation) if hasattr(option, "generation") else mark_of_option(option)
