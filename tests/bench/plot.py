"""Draws the results of a suite: `python plot.py SUITE.json` writes SUITE.svg beside it."""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "sardonyx"  # the same results give the same file
matplotlib.rcParams["svg.fonttype"] = "none"  # text, not outlines

from matplotlib import pyplot


def main(path: pathlib.Path) -> None:
    results = json.loads(path.read_text())
    baseline = results["rows"][0]["subject"]
    medians = {
        (f"{row['case']} {row['metric']}", row["subject"]): row["median"]
        for row in results["rows"]
        if not row["unit"].endswith("/s")  # a rate says once more what a time says
    }
    cases = list(dict.fromkeys(case for case, _ in medians))
    subjects = list(dict.fromkeys(subject for _, subject in medians if subject != baseline))
    figure, axes = pyplot.subplots(figsize=(9, 1.6 + 0.24 * len(cases)), layout="constrained")
    for subject, marker in zip(subjects, "oDsv^<>*", strict=False):
        points = [
            (medians[case, baseline] / medians[case, subject], place)
            for place, case in enumerate(cases)
            if (case, subject) in medians
        ]
        axes.scatter(*zip(*points), label=subject, marker=marker, s=28)
    axes.axvline(1, color="gray", linewidth=1)
    axes.set(xscale="log", xlabel=f"how many times less than {baseline}", yticks=range(len(cases)), yticklabels=cases)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    figure.suptitle(title(results), fontsize="small")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def title(results: dict) -> str:
    """On what was measured, and against what."""
    machine = ", ".join(results["machine"][key] for key in ("cpu", "vectors") if key in results["machine"])
    return machine + "\n" + ", ".join(f"{name} {version}" for name, version in results["versions"].items())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
