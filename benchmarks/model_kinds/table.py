"""The cells as a page of Markdown: kinds as rows, families of methods as columns, refusals as footnotes."""

from collections import Counter

from benchmarks.model_kinds.kind import KINDS

FAMILIES = {
    "CAMs of A, G": (
        "grad_cam",
        "grad_cam_plus_plus",
        "smooth_grad_cam_plus_plus",
        "hires_cam",
        "xgrad_cam",
        "layer_cam",
        "eigen_cam",
        "eigen_grad_cam",
    ),
    "`cam`": ("cam",),
    "Score-, Ablation-CAM": ("score_cam", "ablation_cam"),
    "gradients": ("gradient", "sensitivity", "gradient_x_input"),
    "paths": ("integrated_gradients", "expected_gradients", "blur_ig", "guided_ig", "xrai"),
    "noise": ("smooth_grad", "smooth_grad_squared", "var_grad", "noise_percentiles"),
    "guided": ("guided_backprop", "deconvnet", "guided_grad_cam"),
    "`full_grad`": ("full_grad",),
    "`deep_lift`": ("deep_lift",),
    "LRP": ("lrp", "b_lrp", "relevance_cam"),
    "masks": ("occlusion", "rise", "sise"),
    "surrogates": ("lime", "kernel_shap"),
}
ALONE = "one by one"


def counted(cells):
    """How many cells are what, in words."""
    counts = Counter(cell.status for cell in cells)
    return ", ".join(
        f"{counts[status]} {status}" for status in ("right", "refused", "warned", "WRONG", "LEAK") if counts[status]
    )


def page(rows):
    """The page of a dict kind -> cells."""
    everything = [cell for row in rows.values() for cell in row]
    notes = {}
    lines = [
        "# Kinds of model and methods",
        "",
        f"{len(rows)} kinds of model x {len(rows[next(iter(rows))])} methods: {counted(everything)}. Made by "
        "`python -m benchmarks.model_kinds`, which exits with an error if a cell is wrong; small nets with random "
        "weights, three samples each.",
        "",
        "*right*: all methods of the column agree with a truth written from the definition in loops over the net's "
        "layers, not with the package's code; the number is the largest error, as a share of the truth's largest "
        "value. °: no truth of its own for some method here, only that samples explained one by one give the same. "
        "*refused*: with the words of the note; *warned*: incomplete, and said so. A method that differs from its "
        "column is named.",
        "",
        "| kind of model | " + " | ".join(FAMILIES) + " |",
        "|" + "---|" * (len(FAMILIES) + 1),
    ]
    for name, row in rows.items():
        of_method = {cell.method: cell for cell in row}
        columns = [
            _column([of_method[method] for method in methods if method in of_method], notes)
            for methods in FAMILIES.values()
        ]
        lines.append("| " + " | ".join([title(name), *columns]) + " |")
    lines += ["", "## The refusals", ""]
    lines += [f"{number}. {text}" for text, number in notes.items()]
    lines += ["", "## How each method is checked", "", "| method | truth |", "|---|---|"]
    for methods in FAMILIES.values():
        for method in methods:
            ways = Counter(part for cell in everything if cell.method == method for part in _ways(cell))
            lines.append(f"| `{method}` | " + "; ".join(f"{way} ({count})" for way, count in ways.most_common()) + " |")
    return "\n".join([*lines, ""])


def title(name):
    """The first line of a kind's docstring."""
    return (KINDS[name].__doc__ or name).strip().splitlines()[0]


def _column(cells, notes):
    """What a kind's cells of one column say."""
    right = [cell for cell in cells if cell.status == "right"]
    others = [cell for cell in cells if cell.status != "right"]
    parts = []
    if right:
        worst = max(cell.error for cell in right)
        mark = "°" if any(cell.note == ALONE for cell in right) else ""
        parts.append(f"right{mark} {worst:.0e}")
    by_words = {}
    for cell in others:
        by_words.setdefault((cell.status, _first_words(cell)), []).append(cell.method)
    for (status, words), methods in by_words.items():
        number = notes.setdefault(words, len(notes) + 1)
        names = "" if len(methods) == len(cells) else ", ".join(f"`{method}`" for method in methods) + " "
        parts.append(f"{names}{status} [{number}]")
    return "; ".join(parts)


def _first_words(cell):
    """The first sentence of a refusal, without the names of this very model."""
    if cell.is_bad:
        return f"{cell.status}: {cell.note}"
    return cell.note.split(" Received")[0][:240]


def _ways(cell):
    return cell.note.split("; ") if cell.status == "right" else []
