"""Reference values for stats.Shift: python shift.py > shift.json

Needs SciPy; written against SciPy 1.17.1. The ends are found by R's definition
of wilcox.test(y, x, conf.int=TRUE, exact=FALSE, correct=TRUE) itself, tried
between every two neighbouring differences: z(mu) = (U - n1 n2/2 -+ 1/2)/s with s
corrected for the ties that the shifted samples have. The estimate is numpy's
median of all differences. Where no two differences are the same, SciPy's brentq
on z(mu) stands beside (R's own way, at a finer tolerance).
"""

import json
import random

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, rankdata


def z_of(mu, x, y):
    n1, n2 = len(x), len(y)
    n = n1 + n2
    pool = np.concatenate([y - mu, x])
    u = rankdata(pool)[:n2].sum() - n2 * (n2 + 1) / 2 - n1 * n2 / 2
    _, times = np.unique(pool, return_counts=True)
    times = times.astype(float)
    s = np.sqrt(n1 * n2 / 12 * (n + 1 - (times**3 - times).sum() / (n * (n - 1))))
    return (u - np.sign(u) * 0.5) / s if s else 0.0


def case(name, x, y, confidence):
    x, y = np.array(x, dtype=float), np.array(y, dtype=float)
    quantile = norm.ppf((1 + confidence) / 2)
    d = np.unique(np.subtract.outer(y, x))
    between = (d[:-1] + d[1:]) / 2
    z = [z_of(mu, x, y) for mu in between]
    low = next((float(d[i]) for i, v in enumerate(z) if v < quantile), float(d[-1]))
    high = next((float(d[len(z) - i]) for i, v in enumerate(reversed(z)) if v > -quantile), float(d[0]))
    r = {"Name": name, "One": x.tolist(), "Two": y.tolist(), "Confidence": confidence, "Low": low, "High": high,
         "Estimate": float(np.median(np.subtract.outer(y, x)))}
    r["Whole"] = not any(abs(v) >= quantile for v in z + [z_of(d[0] - 1, x, y), z_of(d[-1] + 1, x, y)])
    if len(d) == len(x) * len(y) and not r["Whole"]:
        edge = 1e-9
        r["BrentLow"] = brentq(lambda m: z_of(m, x, y) - quantile, d[0] - edge, d[-1] + edge, xtol=1e-13)
        r["BrentHigh"] = brentq(lambda m: z_of(m, x, y) + quantile, d[0] - edge, d[-1] + edge, xtol=1e-13)
    return r


def main():
    rng = random.Random(7)
    smooth = lambda count, shift: [round(rng.lognormvariate(2 + shift, 0.4), 6) for _ in range(count)]
    coarse = lambda count, most: [rng.randint(0, most) / 2 for _ in range(count)]
    cases = [
        case("tens", [1, 2, 3, 4], [10, 20, 30, 40], 0.95),
        case("one and one", [1], [3], 0.95),
        case("constants", [5] * 12, [7] * 9, 0.98),
        case("four and four, too few for 98 %", [1, 2, 3, 4], [11, 12.5, 13, 14.25], 0.98),
        case("five and five, just enough", [1, 2.2, 1.1, 2.5, 3], [20, 22, 21, 25, 30], 0.98),
        case("smooth", smooth(30, 0), smooth(25, 0.3), 0.98),
        case("smooth, lower", smooth(17, 0.5), smooth(40, 0), 0.9),
        case("smooth, no shift", smooth(60, 0), smooth(60, 0), 0.98),
        case("mostly zeros", [0] * 60 + [1, 2], [0] * 40 + [1, 1.5] * 10, 0.98),
        case("grades", coarse(50, 8), coarse(70, 9), 0.98),
        case("grades, half the confidence", coarse(9, 5), coarse(14, 8), 0.5),
        case("negative", [-5.5, -3.25, -8, -1, -2, -7, -9.75], [-4, -14, -3, -11, -6, -2.5], 0.8),
    ]
    print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")


main()
