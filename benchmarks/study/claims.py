"""Whether a claim held, from whether it did in each case."""


def partly(held):
    """`"yes"` in all cases, `"in part"` in some, `"no"` in none."""
    if all(held):
        return "yes"
    return "in part" if any(held) else "no"


def sided(difference):
    """Of a claim that a difference is positive: `"open"` where its `Interval` holds 0."""
    if difference.low > 0:
        return "yes"
    return "no" if difference.high < 0 else "open"
