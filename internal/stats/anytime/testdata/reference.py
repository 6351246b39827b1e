"""Reference values for package anytime, at 50 digits: python reference.py > reference.json

Needs mpmath alone; written against mpmath 1.4.1, takes a minute. Every input is
the float64 that stands in the JSON, taken exactly. The formulas are the sources'
own, and not the way in which the Go code evaluates them:

  mixtures    Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49 (2021)
              1055-1080, propositions 5 and 6, section 3.5; boundaries are roots of
              the e-value by bisection
  labels      Lindon and Malek, NeurIPS 2022 (arXiv:2011.03567). A stake cut off at
              theta0 is integrated as it is defined, by Gauss-Legendre panels in
              the logit of theta; whole ones, and drift, are gamma functions
  scores      Wallace, Annals of Mathematical Statistics 30 (1959) 1121-1130
  bands       Howard and Ramdas, Bernoulli 28 (2022) 1704-1728, theorem 2,
              optimised again
"""

import json
import sys

from mpmath import mp, mpf

mp.dps = 50


def number(x, digits=25):
    return mp.nstr(x, digits, min_fixed=0, max_fixed=0)


def log_phi(x):
    return mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)


def mixture(z, n, rho, two_sided):
    r = n / (n + rho)
    log_e = mp.log(1 - r) / 2 + r * z * z / 2
    return log_e if two_sided else log_e + mp.log(2) + log_phi(mp.sqrt(r) * z)


def root(f, lo, hi):
    """Where the rising f is 0."""
    return mp.findroot(f, (lo, hi), solver="anderson", tol=mpf(10) ** -60, maxsteps=200)


def mixtures():
    for rho in (0.01, 0.5, 7.25, 39.5, 1000.0, 10000.0):
        for n in (1.0, 3.5, 20.0, 250.0, 12345.678, 1e6, 1e9):
            for z in (-40.0, -9.5, -8.001, -3.0, -0.25, 0.0, 1e-9, 0.75, 1.01, 2.5, 6.0, 15.5, 40.0):
                log_e = [number(mixture(mpf(z), mpf(n), mpf(rho), both)) for both in (False, True)]
                yield {"rho": rho, "n": n, "z": z, "log_e": log_e[0], "log_e_two_sided": log_e[1]}


def boundaries():
    for rho in (0.01, 0.5, 39.5, 10000.0):
        for n in (1.0, 20.0, 250.0, 1e6, 1e9):
            for alpha in (0.2, 0.05, 0.025, 1e-4, 1e-12):
                ends = []
                for both in (False, True):
                    f = lambda z: mixture(z, mpf(n), mpf(rho), both) + mp.log(mpf(alpha))
                    hi = mpf(1)
                    while f(hi) < 0:
                        hi *= 2
                    ends.append(number(root(f, mpf(0), hi)))
                yield {"rho": rho, "n": n, "alpha": alpha, "one_sided": ends[0], "two_sided": ends[1]}


def rhos():
    for n in (1.0, 25.0, 250.0, 1e6, 1e9):
        for alpha in (0.9, 0.2, 0.1, 0.05, 0.02, 1e-3, 1e-12):
            log = mp.log(1 / mpf(alpha))
            yield {"n": n, "alpha": alpha, "rho": number(mpf(n) / (2 * log + mp.log(1 + 2 * log)))}


def wallace(t, df):
    z = (8 * df + 1) / (8 * df + 3) * mp.sqrt(df * mp.log1p(t * t / df))
    return z if t >= 0 else -z


def scores():
    for df in (0.5, 1.0, 2.75, 5.0, 9.0, 30.0, 250.0, 1e6, 1e12, 1e300):
        for t in (-1e200, -40.0, -2.5, -1e-3, 0.0, 1e-170, 1e-9, 0.5, 1.0, 2.0, 6.5, 40.0, 1e7, 1e9, 1e300):
            yield {"t": t, "df": df, "z": number(wallace(mpf(t), mpf(df)))}


def legendre(points):
    rule = []
    for i in range(1, points + 1):
        x = mp.cos(mp.pi * (i - mpf(1) / 4) / (points + mpf(1) / 2))
        for _ in range(9):
            p, q = mpf(1), mpf(0)
            for k in range(1, points + 1):
                p, q = ((2 * k - 1) * x * p - (k - 1) * q) / k, p
            slope = points * (x * p - q) / (x * x - 1)
            x -= p / slope
        rule.append(((1 + x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return rule


RULE = legendre(36)


def log_stake(a, b, theta, right):
    """ln integral of (x/theta)^a ((1-x)/(1-theta))^b dx/(x(1-x)) over x > theta, or x < theta.

    In the logit of x the integrand has one peak and is log-concave: panels that
    double in width go from the peak, or the end, until it has fallen to exp(-100).
    """
    end, mode = mp.log(theta / (1 - theta)), mp.log(a / b)
    base = a * mp.log(theta) + b * mp.log(1 - theta)
    start = max(end, mode) if right else min(end, mode)

    def height(s):
        return -a * mp.log1p(mp.exp(-s)) - b * mp.log1p(mp.exp(s)) - base
    top, total = height(start), mpf(0)
    for sign in (1, -1):
        outwards = (sign > 0) == right
        reach = None if outwards else abs(start - end)
        if reach == 0:
            continue
        width = mpf(1)
        while top - height(start + sign * width) > 1:
            width /= 2
        at = mpf(0)
        while True:
            # ln(1 + exp(s)) bends at 0: panels are short there
            length = min(width, max(2, abs(start + sign * at) / 2))
            length = length if reach is None else min(length, reach - at)
            total += length * sum(w * mp.exp(height(start + sign * (at + length * x)) - top) for x, w in RULE)
            at += length
            if top - height(start + sign * at) > 100 or reach is not None and at >= reach:
                break
            width = max(width, at)
    return top + mp.log(total)


def log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def whole(a, b, c, s, theta):
    return log_beta(a + c, b + s) - log_beta(a, b) - c * mp.log(theta) - s * mp.log(1 - theta)


def label_case(share, ratio, k, c, s):
    p, odds = mpf(share), mpf(share) * mpf(ratio)
    theta = odds / (odds + 1 - p)
    a, b = k * theta, k * (1 - theta)
    parts = [log_stake(a + c, b + s, theta, right) for right in (True, False)]
    both = log_beta(a + c, b + s) - (a + c) * mp.log(theta) - (b + s) * mp.log(1 - theta)
    # the panels against gamma functions: more digits than a float64 has
    assert abs(mp.log(sum(mp.exp(part - both) for part in parts))) < mpf(10) ** -22
    above = parts[0] - log_stake(a, b, theta, True)
    two_sided = whole(a, b, c, s, theta)
    a, b = k * p, k * (1 - p)
    below = log_stake(a + c, b + s, theta, False) - log_stake(a, b, theta, False)
    return {"share": share, "ratio": ratio, "concentration": k, "canary": c, "stable": s,
            "above": number(above), "below": number(below), "two_sided": number(two_sided)}


def labels():
    small = ((0, 0), (1, 0), (0, 1), (3, 5), (10, 90), (40, 60), (0, 400))
    large = ((300, 2700), (3000, 30000), (3400, 27000), (0, 10**6), (10**6, 0), (10**5, 10**6), (100300, 900000), (10**8, 9 * 10**8), (100020000, 9 * 10**8), (10**8, 10**9))
    for counts in small + large:
        yield label_case(0.1, 1.0, 10.0, *counts)
    for counts in ((0, 0), (2, 9), (60, 40), (3000, 30000), (10**5, 10**6), (10**8, 10**9)):
        for ratio in (0.5, 0.98, 1.02, 1.5, 3.0):
            yield label_case(0.1, ratio, 10.0, *counts)
    for share in (1e-4, 0.02, 0.5, 0.75, 0.9999):
        for k in (1.0, 50.0, 1000.0, 1e5):
            for n in (7, 2000, 10**6, 10**9):
                c = round(n * share * (1 + 3 * n ** -0.5))
                yield label_case(share, 1.0, k, min(c, n), n - min(c, n))
    for share in (1e-4, 0.9999):
        for counts in ((0, 5000), (5000, 0), (2500, 2500), (5 * 10**8, 5 * 10**8)):
            yield label_case(share, 1.25, 10.0, *counts)
    # the ends of the ranges
    for share in (1e-6, 0.1, 1 - 1e-6):
        for ratio in (1e-6, 1.0, 1e6):
            for k in (1e-3, 10.0):
                for counts in ((1, 2), (0, 1000)):
                    yield label_case(share, ratio, k, *counts)


def drift_case(canary, stable, share, concentrations):
    rows = [(c, s) for c, s in zip(canary + [0] * len(stable), stable + [0] * len(canary)) if c or s]
    p = mpf(share)
    values = [mp.exp(sum(whole(k * p, k * (1 - p), c, s, p) for c, s in rows)) for k in concentrations]
    return {"canary": canary, "stable": stable, "share": share, "concentrations": concentrations,
            "log_e": number(mp.log(sum(values) / len(values)))}


def drifts():
    both = [10.0, 100.0]
    yield drift_case([3, 5], [30, 41], 0.1, both)
    yield drift_case([0], [1], 0.1, both)
    yield drift_case([10] * 10, [90] * 10, 0.1, both)
    yield drift_case([25, 18, 12, 10, 9, 8, 7, 6, 3, 2], [90] * 10, 0.1, both)
    yield drift_case([25, 0, 12], [90, 0, 110, 17, 4], 0.12, both)
    yield drift_case([5, 6, 7, 8], [2], 0.5, both)
    yield drift_case([1000, 0], [0, 9000], 0.1, both)
    yield drift_case([10010, 9990, 10300, 9700, 10000], [90000] * 5, 0.1, both)
    yield drift_case([10**8 + 10**4] * 5, [9 * 10**8] * 5, 0.1, both)
    yield drift_case([10**8, 10**7, 10**6], [10**9, 10**8, 10**7], 1 / 11, both)
    yield drift_case([40, 3, 9], [2, 1, 1], 0.9999, [10.0])
    yield drift_case([0, 1, 0], [900, 20000, 7], 1e-4, [100.0])
    yield drift_case([7, 9, 14, 2], [80, 91, 77, 60], 0.09, [1.0, 10.0, 100.0, 1000.0])


def blocks_case(n, w, s1, s2, margin):
    mean = mpf(s1) / mpf(w)
    squares = mpf(s2) - mpf(w) * mean * mean
    se = mp.sqrt(squares / (n - 1) / mpf(w))
    t = (mean - mpf(margin)) / se
    return {"n": n, "w": w, "s1": s1, "s2": s2, "margin": margin, "spread": number(squares / mpf(s2)), "mean": number(mean),
            "se": number(se), "t": number(t), "df": n - 1, "z": number(wallace(t, mpf(n - 1)))}


def blocks():
    for n, w, s1, s2 in ((10.0, 90.0, 2.5, 3.0), (60.0, 540.0, -11.0, 12.5), (360.0, 3240.0, 324.0, 700.0), (360.0, 3240.0, 0.0, 700.0),
                         (1e6, 9e8, 1e7, 3e6), (25.0, 1e-6, 1e-7, 2e-8), (25.0, 1e12, 3e11, 1e11), (60.0, 540.0, 540.0, 540.001)):
        for margin in (0.0, 0.01980262729617973, 0.1, -0.5):
            yield blocks_case(n, w, s1, s2, margin)


SCALE = mpf("0.85")


def band_error(c):
    """Theorem 2's bound at the best eta; in ln eta it falls and then rises."""
    def bound(log_eta):
        eta = mp.exp(log_eta)
        g = mp.sqrt(2 / eta) * (SCALE - mp.sqrt(2 * (eta - 1) / c))
        return 4 * mp.exp(-g * g * c) * (1 + 1 / ((g * g - 1) * log_eta)) if g > 1 and log_eta > 0 else mp.inf
    golden = (mp.sqrt(5) - 1) / 2
    lo, hi = mpf(0), mp.log(2 * SCALE * SCALE)
    for _ in range(120):
        left, right = hi - golden * (hi - lo), lo + golden * (hi - lo)
        lo, hi = (lo, right) if bound(left) <= bound(right) else (left, hi)
    return bound((lo + hi) / 2)


def bands():
    for alpha in (0.5, 0.2, 0.1, 0.05, 0.025, 1e-3, 1e-12):
        lo, hi = mpf(1), 40 - 4 * mp.log(mpf(alpha))
        for _ in range(100):
            c = (lo + hi) / 2
            lo, hi = (c, hi) if band_error(c) > mpf(alpha) else (lo, c)
        for n in (1, 2, 3, 10, 100, 3600, 10**6, 10**9, 2**63):
            radius = min(mpf(1), SCALE * mp.sqrt((mp.log(mp.log(mp.e * n)) + c) / n))
            yield {"n": n, "alpha": alpha, "constant": number(c), "radius": number(radius)}


def averages():
    for weights, logs in (((1.0,), (3.0,)), ((0.5, 0.5), (1.0, -1.0)), ((0.4, 0.1, 0.15, 0.2, 0.15), (0.3, -12.0, 5.5, 2.0, -0.7)),
                          ((0.4, 0.1, 0.15, 0.2, 0.15), (1000.0, 999.5, -1000.0, 0.0, 998.0)), ((0.25, 0.75), (-5000.0, -5000.5)),
                          ((0.4, 0.6), (1e6, 1e6)), ((1.0, 1.0, 1.0), (0.0, 1e-9, -1e-9)), ((0.9, 0.1), (-0.1, 0.7))):
        value = mp.log(sum(mpf(w) * mp.exp(mpf(x)) for w, x in zip(weights, logs)))
        yield {"weights": weights, "logs": logs, "log_e": number(value)}


def main():
    out = {"mixtures": mixtures(), "boundaries": boundaries(), "rhos": rhos(), "scores": scores(), "labels": labels(),
           "drifts": drifts(), "blocks": blocks(), "bands": bands(), "averages": averages()}
    sections = []
    for name, cases in out.items():
        lines = ",\n".join("  " + json.dumps(case) for case in cases)
        sections.append(json.dumps(name) + ": [\n" + lines + "\n ]")
    sys.stdout.write("{\n " + ",\n ".join(sections) + "\n}\n")


if __name__ == "__main__":
    main()
