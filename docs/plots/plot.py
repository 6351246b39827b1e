"""Draws the pictures of docs/statistics.md from what serin simulate --each wrote.

usage: plot.py FOLDER_OF_CSV OUT_FOLDER        (make calibration calls it)
"""
import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "serin", "svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
import matplotlib.pyplot as plt  # noqa: E402

LAWS = [("normal", "-"), ("lognormal", "--"), ("heavy", "-."), ("outliers", ":")]
SEED, MONITOR = "#b3561d", "#1f5fa8"


def firsts(path, mark, column):
    """The sorted values of a column over the runs that reached a mark, and the number of runs."""
    values, runs = [], set()
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            runs.add(row["run"])
            if row["mark"] == mark:
                values.append(float(row[column]))
    return sorted(values), len(runs)


def climb(axes, values, runs, end, **style):
    """The share of runs that got there, as a staircase."""
    xs, ys = [], []
    for i, x in enumerate(values):
        if xs and xs[-1] == x:
            ys[-1] = 100 * (i + 1) / runs
        else:
            xs.append(x)
            ys.append(100 * (i + 1) / runs)
    axes.plot([0, *xs, end], [0, *ys, ys[-1] if ys else 0], drawstyle="steps-post", **style)


def false_alarms(source, out):
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    for law, line in LAWS:
        path = source / f"equal-{law}.csv"
        for mark, colour, name in (("seed_alarm", SEED, "seed's rule"), ("alarm", MONITOR, "monitor")):
            values, runs = firsts(path, mark, "minutes")
            climb(axes, values, runs, 60, color=colour, linestyle=line, linewidth=1.4, label=f"{name}, {law}")
    axes.axhline(5, color="#777777", linewidth=0.8)
    axes.text(60, 5.3, "alpha", ha="right", color="#555555")
    axes.set(xlabel="minutes, a look each 10 s", ylabel="canaries accused so far, %", xlim=(0, 60), ylim=(0, 32), title="Canaries that are just like stable")
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper left")
    figure.savefig(out / "false-alarms.svg", bbox_inches="tight", metadata={"Date": None})


def delays(source, out):
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    for slower, line in (("10", "-"), ("25", "--"), ("100", ":")):
        path = source / f"slower-{slower}.csv"
        for mark, colour, name in (("seed_alarm", SEED, "seed's rule"), ("alarm", MONITOR, "monitor")):
            values, runs = firsts(path, mark, "canary")
            climb(axes, values, runs, 1200, color=colour, linestyle=line, linewidth=1.4, label=f"{name}, {slower} % slower")
    axes.set(xscale="log", xlabel="canary requests", ylabel="canaries found, %", xlim=(2, 1200), ylim=(0, 100), title="Canaries that are slower (lognormal latencies, sigma 0.5)")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(out / "delays.svg", bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    false_alarms(source, out)
    delays(source, out)
