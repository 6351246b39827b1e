"""Makes a large forest and measures how serin loads it.

    python load.py FOLDER [MEGABYTES]

The forest is fitted once, with as many trees as it takes. It is loaded in a
child process, the Go benchmark that bench/models/run has built, so that the
child's peak of memory is the load's.
"""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import joblib
from sklearn.ensemble import RandomForestClassifier

import models


def make(path, megabytes):
    """A forest whose file has at least that size: fully grown trees of 20,000 rows."""
    X, y = models.data(models.FEATURES, 20000)
    forest = RandomForestClassifier(10, max_features=3, warm_start=True, random_state=0)
    while not path.exists():
        forest.fit(X, y)
        joblib.dump(forest, path.with_suffix(".part"))
        size = path.with_suffix(".part").stat().st_size
        if size >= megabytes * 1e6:
            path.with_suffix(".part").rename(path)
        forest.n_estimators = max(forest.n_estimators + 1, int(forest.n_estimators * megabytes * 1.01e6 / size))


def load(folder, root):
    """Seconds, and the child's largest resident size in bytes."""
    shown = subprocess.run(
        [folder / "serin.test", "-test.run=^$", "-test.bench=^BenchmarkLoad$", "-test.benchtime=1x"],
        env=dict(os.environ, SERIN_SPEED=str(root)), cwd=folder, capture_output=True, text=True)
    found = re.search(r"(\d+) ns/op", shown.stdout)
    if not found:
        sys.exit("serin does not load it:\n" + shown.stdout + shown.stderr)
    # On Linux ru_maxrss is in KiB, and the largest of all children so far.
    return int(found[1]) / 1e9, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def main(folder, megabytes="100"):
    folder = Path(folder).resolve()
    root = folder / "load"
    path = root / ("forest-" + megabytes) / "model.joblib"
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path, float(megabytes))
    size = path.stat().st_size
    times = [load(folder, root) for _ in range(5)]
    seconds, memory = sorted(t for t, _ in times)[2], max(m for _, m in times)
    print("%.1f MB: loaded in %.2f s (median of 5), at most %.1f MB of memory: %.2f times its size" % (
        size / 1e6, seconds, memory / 1e6, memory / size))


if __name__ == "__main__":
    main(*sys.argv[1:])
