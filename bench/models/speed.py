"""Measures serin, ONNX Runtime and the writing library in turns.

    python speed.py FOLDER TABLE [MODEL...]

FOLDER has serin.test (see run) and gets the models. Each round measures every
side of a model once, a fraction of a second each, so that a machine that gets
busier does so for all of them. Each takes the median of its calls; what is told
is the median over the rounds, of the times and of the ratios within a round.

A row is a different one each time, of 1,000, because the same one again would
teach the processor the way through the trees. Python's sides pay for being
called from Python, as they are in a service; a model that does nothing shows
how much that is for ONNX Runtime.
"""

import itertools
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxruntime
import sklearn
import xgboost
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

import models

ROUNDS = 7
SECONDS = 0.3  # of one side, at one thing, in one round


def session(graph):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    name, outputs = made.get_inputs()[0].name, [made.get_outputs()[-1].name]
    return lambda X: made.run(outputs, {name: X})


def per_call(ask, samples):
    """The median time of one call, in seconds."""
    times, end = [], time.perf_counter() + SECONDS
    for sample in itertools.cycle(samples):
        begin = time.perf_counter()
        ask(sample)
        times.append(time.perf_counter() - begin)
        if begin > end and len(times) >= 5:
            break
    return statistics.median(times)


def python_side(ask, X):
    rows = [np.ascontiguousarray(X[i:i + 1]) for i in range(len(X))]
    return lambda: (per_call(ask, rows), per_call(ask, [X]))


def serin_side(folder, name):
    def measure():
        shown = subprocess.run(
            [folder / "serin.test", "-test.run=^$", "-test.bench=^BenchmarkSpeed$/^%s$" % name, "-test.benchtime=%gs" % SECONDS, "-test.cpu=1"],
            env=dict(os.environ, SERIN_SPEED=str(folder / "models")), cwd=folder, capture_output=True, text=True)
        found = re.findall(r"/(row|batch)\s.*?([\d.e+]+) median-ns.*?(\d+) allocs/op", shown.stdout)
        if len(found) != 2:
            sys.exit("serin does not answer %s:\n%s" % (name, shown.stdout + shown.stderr))
        for what, _, allocations in found:
            if allocations != "0":
                print("%s, %s: %s allocations in 64 rows or one batch" % (name, what, allocations))
        return tuple(float(nanoseconds) / 1e9 for _, nanoseconds, _ in found)
    return measure


def sides(folder, name):
    """What is measured of a model: side -> a function that measures it once."""
    place = folder / "models" / name
    models.make(place, name)
    X = np.fromfile(place / "rows.f64", "<f8").reshape(models.ROWS, -1)
    found = {"serin": serin_side(folder, name)}
    found["float"] = python_side(session(str(place / "float.onnx")), X.astype(np.float32))
    if (place / "double.onnx").exists():
        try:
            found["double"] = python_side(session(str(place / "double.onnx")), X)
        except Fail as refused:  # what the converter wrote for GradientBoosting has types that do not fit
            print("%s: no float64: %s" % (name, refused))
    found["library"] = python_side(models.library(place, name), X)
    return found


def floor():
    """What a call of ONNX Runtime costs when the model does nothing, in seconds."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["X"], ["Y"])], "nothing",
        [value("X", 1, [None, models.FEATURES])], [value("Y", 1, [None, models.FEATURES])])
    nothing = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return per_call(session(nothing.SerializeToString()), [np.zeros((1, models.FEATURES), np.float32)])


def measured(found):
    """side -> (row, batch), each (median time, median ratio to serin's)."""
    rounds = {side: [] for side in found}
    for turn in range(ROUNDS):
        order = list(found)
        for side in order[turn % len(order):] + order[:turn % len(order)]:
            rounds[side].append(found[side]())
    return {
        side: [(statistics.median(t[i] for t in times),
                statistics.median(t[i] / s[i] for t, s in zip(times, rounds["serin"]))) for i in (0, 1)]
        for side, times in rounds.items()
    }


def machine():
    model = "unknown processor"
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    except OSError:
        pass
    return "%s, %d cores, %s, load average %.1f" % (model, os.cpu_count(), platform.system(), os.getloadavg()[0])


def ratio(value):
    return "%.3g" % value if value < 100 else "%.0f" % value


def table(results, went):
    lines = []
    for i, (title, unit) in enumerate((("One row", "serin, one row"), ("1,000 rows", "serin, rows a second"))):
        lines += ["## " + title, "", "| model | %s | ONNX Runtime, float32 | ONNX Runtime, float64 | its library |" % unit, "|---|--:|--:|--:|--:|"]
        for name, result in results.items():
            took = result["serin"][i][0]
            cells = ["%.3g \u00b5s" % (took * 1e6) if i == 0 else "{:,.0f}".format(models.ROWS / took)]
            cells += [ratio(result[side][i][1]) + "x" if side in result else "\u2013" for side in ("float", "double", "library")]
            lines.append("| %s | %s |" % (models.MODELS[name][0], " | ".join(cells)))
        lines.append("")
    return """# How fast models answer

Written by `bench/models/run` on %s; %s;
scikit-learn %s, XGBoost %s, LightGBM %s, ONNX Runtime %s, Python %s.

All on one thread, in turns on the same machine, the median of %d rounds. The last three columns say how many times as long
the others take as serin: above 1, serin is faster. serin is asked in its own process, without HTTP; the others are
called from Python, as a Python service calls them, which costs ONNX Runtime %.1f \u00b5s for a model that does nothing.
Probabilities are asked for. ONNX Runtime answers in float32 what its exporters make by default, and in float64 where they
can; serin answers as the library does, in float64 for scikit-learn and LightGBM.

%s""" % (time.strftime("%Y-%m-%d"), machine(), sklearn.__version__, xgboost.__version__, lightgbm.__version__,
             onnxruntime.__version__, platform.python_version(), ROUNDS, went * 1e6, "\n".join(lines))


def main(folder, target, *names):
    folder, results = Path(folder).resolve(), {}
    for name in names or models.MODELS:
        results[name] = measured(sides(folder, name))
        print(name, {side: ["%.3g us %.3gx" % (t * 1e6, r) for t, r in both] for side, both in results[name].items()}, flush=True)
    text = table(results, floor())
    if names:
        print(text)
    else:
        Path(target).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
