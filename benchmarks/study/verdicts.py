"""Whether a claim held, decided from differences that must be positive for it to be true: drawn or as `Interval`s."""


def of_all(differences):
    """Of a claim with parts, each true by itself: `"yes"`, `"no"`, `"in part"` or `"open"`.

    Args:
        differences: `Interval`s, each above 0 where its part of the claim is true.
    """
    true, false = _sides(differences)
    if true == len(differences):
        return "yes"
    if true:
        return "in part"
    return "no" if false else "open"


def of_best(differences):
    """Of a claim that one is better than all others, which any other that is better refutes.

    Args:
        differences: `Interval`s, each above 0 where the one is better than another.
    """
    true, false = _sides(differences)
    if false:
        return "no"
    return "yes" if true == len(differences) else "open"


def of_several(verdicts):
    """Of a claim that was tested several times: what all say, else `"in part"`, or `"no"` where none says yes."""
    verdicts = set(verdicts)
    if len(verdicts) == 1:
        return verdicts.pop()
    return "in part" if verdicts & {"yes", "in part"} else "no"


def partly(held):
    """Of a claim about several cases: `"yes"` in all of them, `"in part"` in some, `"no"` in none."""
    if all(held):
        return "yes"
    return "in part" if any(held) else "no"


def _sides(differences):
    """How many differences lie above 0, and how many below."""
    return sum(one.low > 0 for one in differences), sum(one.high < 0 for one in differences)
