"""What a command says of its inputs: how they reached the model, how many it predicts right, what was left out."""

import html
import sys

LISTED = 10  # inputs left out that the terminal names
FEWEST_LABELS = 5  # below, an accuracy says nothing
LEAST_SKILL = 0.25  # of the way from guessing to being always right; less is remarked


def account_of(inputs, hits, classes):
    """The part of a report that is about the inputs.

    Args:
        inputs: The `Inputs`, read to their end.
        hits: Whether each sample in a class folder is predicted as the folder says.
        classes: Number of the model's classes, or None.
    """
    return {
        "preprocess": inputs.scaling.name if inputs.scaling else "none",
        "preprocess_meaning": inputs.scaling.meaning if inputs.scaling else "arrays as they are",
        "input_range": None if inputs.range is None else list(inputs.range),
        "accuracy": sum(hits) / len(hits) if hits else None,
        "labelled": len(hits),
        "guessing": 1 / classes if hits else None,
        "notes": [{"note": note, "names": names} for note, names in inputs.notes.items()],
        "left_out": [{"name": name, "reason": reason} for name, reason in inputs.left_out.items()],
    }


def facts(account):
    """Lines for the page and the terminal."""
    lines = []
    if account["accuracy"] is not None:
        lines.append(f"Accuracy {account['accuracy']:.1%} on {account['labelled']} samples in folders of their class.")
    low, high = account["input_range"]
    lines.append(
        f"Preprocessing {account['preprocess']} ({account['preprocess_meaning']}): the model got values in "
        f"{low:.4g}..{high:.4g}."
    )
    return lines + [*_remarks(account), *_notes(account), *_losses(account)]


def left_out_section(account):
    """HTML that lists what was left out, or nothing."""
    if not account["left_out"]:
        return []
    rows = [
        f"<li><b>{html.escape(file['name'])}</b> {html.escape(file['reason'])}</li>" for file in account["left_out"]
    ]
    return [f"<h2>Left out</h2><ul>{''.join(rows)}</ul>"]


def exit_status(account):
    """1 where something was left out, after saying so on standard error, else 0."""
    left_out = account["left_out"]
    for file in left_out[:LISTED]:
        print(f"kerasxai: left out: {file['name']} {file['reason']}", file=sys.stderr)
    if len(left_out) > LISTED:
        print(f"kerasxai: left out: {len(left_out) - LISTED} more, see report.json", file=sys.stderr)
    return 1 if left_out else 0


def _remarks(account):
    """A warning where the model predicts hardly better than chance: mostly it is fed what it was not trained on."""
    if account["labelled"] < FEWEST_LABELS:
        return []
    guessing = account["guessing"]
    if (account["accuracy"] - guessing) / (1 - guessing) >= LEAST_SKILL:
        return []
    return [
        f"Warning: guessing gives {guessing:.1%}. Is this what the model was trained on? Try another --preprocess: "
        "0-1, -1-1, none, MEAN/STD, standardize, caffe, torch. Or its classes are in another order than the folders."
    ]


def _notes(account):
    return [f"{_some(entry['names'])}: {entry['note']}." for entry in account["notes"]]


def _losses(account):
    count = len(account["left_out"])
    return [f"Left out {count}, listed at the end of the page and in report.json."] if count else []


def _some(names):
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} images ({', '.join(names[:2])}, ...)"
