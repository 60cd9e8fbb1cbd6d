"""`kerasxai layers` and `kerasxai list`: tables on the terminal."""

import re


def layers(options):
    """The layers of a saved model, and which methods can explain it; with rules, which layer gets which."""
    from rich.console import Console
    from rich.table import Table

    import kerasxai
    from kerasxai.cli import rules

    model = kerasxai.load_model(options.model)
    settings = rules.settings(options)
    if settings:
        kerasxai.explainers.LRP(model, **settings).summary()
        return
    kerasxai.layer_table(model)
    table = Table("method", "on this model", title="What each method can do")
    for name in kerasxai.explainers.names():
        table.add_row(name, _verdict(kerasxai.explainers.get(name), model))
    Console().print(table)


def explainers(options):
    """Every explainer: family, passes, whether it needs the graph, paper."""
    from rich.console import Console
    from rich.table import Table

    import kerasxai

    table = Table(
        title="Explainers",
        caption="F: forward pass, B: backward pass to the input, b: to the layer. graph: needs a Sequential or "
        "functional model.",
    )
    for heading in ("name", "family", "inputs", "passes", "graph", "what it is", "paper"):
        table.add_column(heading, overflow="fold")
    for name in kerasxai.explainers.names():
        cls = kerasxai.explainers.get(name)
        needs = "yes" if cls.needs_graph else ""
        table.add_row(name, cls.family, "1-D, 2-D", cls.passes, needs, _first_line(cls), _paper(cls))
    Console().print(table)


def evaluators(options):
    """Every evaluator: what it returns, which way is better, what it needs, paper."""
    from rich.console import Console
    from rich.table import Table

    import kerasxai

    table = Table(title="Evaluators")
    for heading in ("name", "results", "better", "needs", "what it is", "paper"):
        table.add_column(heading, overflow="fold")
    for name in kerasxai.evaluators.names():
        cls = kerasxai.evaluators.get(name)
        directions = _directions(cls)
        needs = ", ".join([*(["maps"] if cls.needs_maps else []), *cls.needs])
        better = "\n".join(direction or "-" for direction in directions.values())
        table.add_row(name, "\n".join(directions), better, needs, _first_line(cls), _paper(cls))
    Console().print(table)


def _directions(cls):
    return cls.directions if isinstance(cls.directions, dict) else cls().directions


def _first_line(cls):
    return cls.__doc__.strip().splitlines()[0].split(": ", 1)[-1]


def _paper(cls):
    found = re.search(r"Reference:\s+(.+)", cls.__doc__)
    return found.group(1) if found else ""


def _verdict(cls, model):
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            cls(model)
        except (TypeError, ValueError) as error:
            return f"no: {str(error).split('. ')[0]}"
    return "; ".join(["yes", *(str(warning.message) for warning in caught)])
