"""What is told of a name that nothing has: the names there are, and which of them may have been meant."""

import difflib


def did_you_mean(received, names, aliases=(), cutoff=0.6):
    """`" Did you mean grad_cam?"`, or nothing where no name is near.

    Case, underscores and hyphens do not count; a name that differs in them only is the one suggested.

    Args:
        received: What was received.
        names: The names there are.
        aliases: Dict of other spellings, such as names of classes, to the name each stands for.
        cutoff: How alike names must be, from 0 to 1.
    """
    spellings = {_plain(alias): name for alias, name in dict(aliases).items()}
    spellings.update({_plain(name): name for name in names})
    wanted = _plain(received)
    if wanted in spellings:
        near = [spellings[wanted]]
    else:
        near = [spellings[name] for name in difflib.get_close_matches(wanted, spellings, n=3, cutoff=cutoff)]
    near = list(dict.fromkeys(near))
    return f" Did you mean {' or '.join(near)}?" if near else ""


def unknown_name(option, received, names, aliases=()):
    """The message where `option` was given a name that is none of `names`."""
    listed = ", ".join(sorted(names))
    return f"{option} must be one of {listed}. Received: {received!r}.{did_you_mean(received, names, aliases)}"


def unknown_options(owners, unknown, known):
    """The message where none of several `owners` ("methods") has an option."""
    return (
        f"None of the {owners} has the option {', '.join(unknown)}. Their options: {', '.join(sorted(known))}."
        f"{did_you_mean(unknown[0], known)}"
    )


def _plain(name):
    return str(name).lower().replace("_", "").replace("-", "").replace(" ", "")
