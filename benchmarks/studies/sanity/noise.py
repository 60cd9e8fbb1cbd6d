"""What is told of SmoothGrad's two options."""

import matplotlib.pyplot as plt
import numpy as np

import kerasxai
from benchmarks.studies.sanity.nets import ARCHITECTURES, DRAWS
from benchmarks.studies.sanity.telling import mean_over_nets
from benchmarks.study import Interval
from benchmarks.study.verdicts import partly

BEST_NOISES = (0.1, 0.15)  # by the source


def tell_grid(report, nets, x, settings):
    report.section(
        "SmoothGrad's two options",
        "The number of noisy copies n, and the standard deviation of their noise as a share of the image's range.",
    )
    heads = {
        "agreement": "Spearman with other draws",
        "localization_roc_auc": "AUC of the strokes",
        "deletion": "deletion",
        "compressed_size": "bytes",
    }
    means = {
        architecture: {
            cell: {
                head: mean_over_nets([of_net["grid"][cell][name] for of_net in several]) for name, head in heads.items()
            }
            for cell in several[0]["grid"]
        }
        for architecture, several in nets.items()
    }
    rows = [
        {"net": ARCHITECTURES[architecture], "n": cell[0], "noise": cell[1]}
        | {head: Interval.of(values) for head, values in of_cell.items()}
        for architecture, cells in means.items()
        for cell, of_cell in cells.items()
        if cell[0] in (DRAWS, max(settings.draws))
    ]
    report.table(
        "grid",
        rows,
        f"*Spearman with other draws*: of the map and one of n = {max(settings.draws)} other draws of the same noise. "
        "*AUC of the strokes*: the map as a detector of the digit's ink. *deletion*: mean probability while the most "
        "relevant positions turn to 0. *bytes*: of the compressed map. All values of n are in the figure.",
        {"Spearman with other draws": "higher", "AUC of the strokes": "higher", "deletion": "lower", "bytes": "lower"},
    )
    for architecture, cells in means.items():
        report.figure(
            f"grid_{architecture}",
            heat_figure(cells, list(heads.values()), settings),
            f"{ARCHITECTURES[architecture]}: the four measures over both options, mean over digits and nets.",
        )
        maps = nets[architecture][0]["grid"]
        columns = {
            f"{noise:.0%} noise": np.stack([maps[draws, noise]["map"] for draws in settings.draws])
            for noise in settings.noises
        }
        samples = np.repeat(x[:1], len(settings.draws), axis=0)
        titles = [f"n = {draws}" for draws in settings.draws]
        figure = kerasxai.plots.grid(samples, columns, row_titles=titles, signed=False)
        report.figure(f"grid_maps_{architecture}", figure, f"{ARCHITECTURES[architecture]}: SmoothGrad of one digit.")
    claim_noise(report, means, settings)


def claim_noise(report, means, settings):
    others = [noise for noise in settings.noises if noise not in BEST_NOISES]
    best = [noise for noise in settings.noises if noise in BEST_NOISES]
    draws = DRAWS if DRAWS in settings.draws else max(settings.draws)
    told, sides = [], []
    for architecture, cells in means.items():
        for head, sign in (("AUC of the strokes", 1), ("deletion", -1)):
            values = {noise: sign * cells[draws, noise][head] for noise in settings.noises}
            rival = max(others, key=lambda noise: np.nanmean(values[noise]))
            champion = max(best, key=lambda noise: np.nanmean(values[noise]))
            sides.append(Interval.of(values[champion] - values[rival]).low > 0)
            first = max(values, key=lambda noise: np.nanmean(values[noise]))
            told.append(f"{ARCHITECTURES[architecture]} by {head}: {first:.0%}")
    report.claim("Noise of 10 to 15 % is best for SmoothGrad.", "10 to 15 %, by eye", "; ".join(told), partly(sides))


def heat_figure(cells, heads, settings):
    """One panel for each measure: n down, noise across."""
    figure, panels = plt.subplots(2, 2, figsize=(8, 4.6), layout="constrained")
    for axes, head in zip(panels.flat, heads):
        values = np.array(
            [[np.nanmean(cells[draws, noise][head]) for noise in settings.noises] for draws in settings.draws]
        )
        axes.imshow(values, cmap="viridis", aspect="auto")
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        for (row, column), value in np.ndenumerate(values):
            shade = "white" if value < middle else "black"
            axes.text(column, row, f"{value:.3g}", ha="center", va="center", color=shade, fontsize="small")
        axes.set_xticks(range(len(settings.noises)), [f"{noise:.0%}" for noise in settings.noises])
        axes.set_yticks(range(len(settings.draws)), settings.draws)
        axes.set_ylabel("n")
        axes.set_title(head, fontsize="medium")
    return figure
