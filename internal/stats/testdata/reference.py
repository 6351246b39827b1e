"""Reference values for package stats, at 50 digits: python reference.py > reference.json

Needs mpmath and statsmodels. Written against mpmath 1.4.1 and statsmodels 0.15.0; takes under a minute.
Every input is the float64 that stands in the JSON, taken exactly. No formula is
the one that the Go code uses: Student's tail is the incomplete beta function by
its power series, at as many digits as the tail is small, or by its continued
fraction; the noncentral t is the twin series of Guenther (1978), again with
digits to spare for the subtraction. statsmodels' values stand beside for
comparison only: its noncentral t is good to 1e-10 and fails in extremes.
"""

import json
import math
import sys
import warnings

from mpmath import mp, mpf

warnings.filterwarnings("ignore")
mp.dps = 60


def number(x, digits=25):
    return mp.nstr(x, digits, min_fixed=0, max_fixed=0)


def log_constant(a, b):
    return mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)


def beta_series(y, b, a):
    """I_y(b, a) by its power series, all terms positive."""
    term = total = mpf(1)
    j = 0
    while term > total * mpf(10) ** (-mp.dps):
        term *= (a + b + j) / (b + 1 + j) * y
        total += term
        j += 1
    return total * mp.exp(log_constant(a, b) + b * mp.log(y) + a * mp.log1p(-y)) / b


def log_beta_fraction(x, a, b, y):
    """ln I_x(a, b) by the continued fraction (modified Lentz); y = 1 - x."""
    tiny = mpf(10) ** -1000
    c, d = mpf(1), 1 - (a + b) * x / (a + 1)
    d = 1 / (d if d else tiny)
    h = d
    for m in range(1, 2000000):
        for e in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                  -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 + e * d
            d = 1 / (d if d else tiny)
            c = 1 + e / c
            c = c if c else tiny
            h *= c * d
        if abs(c * d - 1) < mpf(10) ** (5 - mp.dps):
            break
    return log_constant(a, b) + a * mp.log(x) + b * mp.log(y) - mp.log(a) + mp.log(h)


def log_tail(t, nu):
    """ln P(T > t), t > 0."""
    guess = nu / 2 * mp.log1p(t * t / nu) / mp.log(10)
    if guess < 3000 and t * t / nu < 1:
        with mp.workdps(80 + int(guess)):
            y = t * t / (nu + t * t)
            tail = (1 - beta_series(y, mpf(1) / 2, nu / 2)) / 2
        return mp.log(tail)
    with mp.workdps(90):
        x, y = nu / (nu + t * t), t * t / (nu + t * t)
        return log_beta_fraction(x, nu / 2, mpf(1) / 2, y) - mp.log(2)


def quantile(q, nu):
    """t with P(T > t) = q < 1/2."""
    lo, hi = mpf(0), mpf(1)
    while log_tail(hi, nu) > mp.log(q):
        lo, hi = hi, hi * 2
    for _ in range(20):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if middle and log_tail(middle, nu) > mp.log(q) else (lo, middle)
    return mp.findroot(lambda t: log_tail(t, nu) - mp.log(q), (lo, hi), tol=mpf(10) ** -90)


def welch(n1, d, v1, n2, v2):
    """d is mean 2 minus mean 1."""
    u1, u2 = v1 / n1, v2 / n2
    se = mp.sqrt(u1 + u2)
    t = d / se
    df = (u1 + u2) ** 2 / (u1 * u1 / (n1 - 1) + u2 * u2 / (n2 - 1))
    upper = log_tail(abs(t), df) if t else mp.log(mpf(1) / 2)
    greater = upper if t >= 0 else mp.log1p(-mp.exp(upper))
    reach = quantile((1 - mpf(0.95)) / 2, df) * se
    return {
        "t": number(t), "df": number(df), "se": number(se), "diff": number(d),
        "log_p": number(upper + mp.log(2)), "log_p_greater": number(greater),
        "low": number(d - reach), "high": number(d + reach),
    }


def summary_case(name, n1, m1, v1, n2, m2, v2):
    out = welch(mpf(n1), mpf(m2) - mpf(m1), mpf(v1), mpf(n2), mpf(v2))
    return {"name": name, "n1": n1, "mean1": m1, "var1": v1, "n2": n2, "mean2": m2, "var2": v2, **out}


def summaries():
    yield summary_case("ordinary", 180, 12.5, 4.0, 20, 14.0, 9.0)
    yield summary_case("seed", 36, 100.0, 225.0, 36, 110.0, 225.0)
    yield summary_case("canary faster", 1000, 5.25, 1.5, 100, 4.75, 0.75)
    yield summary_case("no difference", 50, 3.0, 1.0, 60, 3.0, 2.0)
    yield summary_case("hardly a difference", 50, 3.0, 1.0, 60, 3.0000001, 2.0)
    yield summary_case("smallest samples", 2, 1.0, 0.5, 2, 2.0, 0.25)
    yield summary_case("one degree of freedom", 2, 0.0, 1.0, 1000000, 3.0, 1e-9)
    yield summary_case("one degree, far out", 2, 0.0, 1e-6, 2, 1e30, 1e-40)
    yield summary_case("stable does not vary", 100, 1.0, 0.0, 25, 1.5, 2.0)
    yield summary_case("canary does not vary", 100, 1.0, 2.0, 25, 1.5, 0.0)
    yield summary_case("variance 1e200", 30, 1e100, 1e200, 40, 2.5e100, 3e200)
    yield summary_case("variance 1e-200", 30, 1e-100, 1e-200, 40, 1.5e-100, 3e-200)
    yield summary_case("variance 1e200 beside 1e-200", 30, 0.0, 1e200, 40, 5e99, 1e-200)
    yield summary_case("variance 1e307", 30, 1e153, 1e307, 40, 5e153, 2e307)
    yield summary_case("variance 1e-310", 30, 1e-155, 1e-310, 40, 2e-155, 1e-310)
    yield summary_case("many, tiny shift", 10**9, 100.0, 225.0, 10**9, 100.002, 225.0)
    yield summary_case("many, p about 1e-300", 10**9, 100.0, 225.0, 10**9, 100.0248, 225.0)
    yield summary_case("unequal counts", 10**9, 1.0, 2.0, 20, 2.0, 1.0)
    yield summary_case("20 ms slower", 360, 0.003, 1e-6, 40, 20.003, 2.5e-3)
    for t in (0.5, 2.0, 10.0, 20.0, 30.0, 36.5, 37.0, 38.5, 50.0, 400.0):
        yield summary_case("large, t about %g" % t, 100000, 0.0, 1.0, 50000, t * math.sqrt(3e-5), 1.0)
    for exponent in (10, 50, 100, 153, 200, 290):
        yield summary_case("df 2 to 4, t about 1e%d" % exponent, 3, 0.0, 1.0, 3, 10.0**exponent, 2.0)
    for n in (3, 5, 10, 20, 50, 200, 1000, 10**4, 10**6):
        for d in (0.01, 0.5, 3.0, 8.0):
            yield summary_case("grid", n, 0.0, 1.0, 2 * n, d, 3.0)
            yield summary_case("grid, far", n, 0.0, 1.0, n, d * 37 / math.sqrt(n), 1.0)


def noise(count, seed):
    """count numbers between 0 and 1, from a fixed congruential generator."""
    state = seed
    for _ in range(count):
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        yield (state >> 11) / 2**53


def value_case(name, x, y):
    with mp.workdps(1500):  # exact: the values span less than 1500 digits
        def moments(values):
            n = mpf(len(values))
            mean = sum(mpf(v) for v in values) / n
            return n, mean, sum((mpf(v) - mean) ** 2 for v in values) / (n - 1)
        n1, m1, v1 = moments(x)
        n2, m2, v2 = moments(y)
        d = m2 - m1
    out = welch(n1, +d, +v1, n2, +v2)
    return {"name": name, "x": x, "y": y, **out}


def values():
    def sample(count, seed, origin, scale):
        return [origin + scale * u for u in noise(count, seed)]
    yield value_case("ordinary", sample(30, 1, 10, 5), sample(20, 2, 11, 5))
    yield value_case("1e9, spread 1e-3", sample(40, 3, 1e9, 3e-3), sample(25, 4, 1e9 + 5e-4, 3e-3))
    yield value_case("1e15 and integers", [1e15 + k for k in (1, 2, 3, 4, 7)], [1e15 + k for k in (3, 5, 5, 8)])
    yield value_case("1e9 beside 0", sample(20, 5, 1e9, 1e-3), sample(20, 6, 0, 1e-3))
    yield value_case("1e200", sample(20, 7, 0, 1e200), sample(20, 8, 1e199, 2e200))
    yield value_case("1e-200", sample(20, 9, 0, 1e-200), sample(20, 10, 3e-201, 2e-200))
    yield value_case("4e307 and both signs", [-4e307, 4e307, 3e307, 0.0], [4e307, -2e307, 5.0, 3e307])
    yield value_case("subnormal", [5e-324, 1e-323, 0.0, 2e-322], [1e-322, 3e-322, 2.5e-322])
    yield value_case("one outlier", [1e-3] * 19 + [1e9], sample(20, 11, 0, 1))
    yield value_case("nearly equal means", [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1 + 2**-50])
    yield value_case("two and two", [1.0, 2.0], [2.5, 2.75])
    yield value_case("stable does not vary", [0.1] * 7, sample(9, 12, 0, 1))


def log_noncentral_tail(t, nu, delta):
    """ln P(T > t), t > 0: 1 - Phi(-delta) - 1/2 Sum p_j I_x(j+1/2, nu/2) + q_j I_x(j+1, nu/2)."""
    far = max(0, float(t - delta))
    guess = int(float(nu) / 2 * math.log1p(far * far / float(nu)) / 2.302585) + int(float(delta) ** 2 / 4.6)
    with mp.workdps(90 + guess):
        x, b = t * t / (t * t + nu), nu / 2
        half, lam = mpf(1) / 2, delta * delta / 2

        def start(a):
            """I_x(a, b) and the steps by which it falls as a grows by 1."""
            value = beta_series(x, a, b) if x < half else 1 - beta_series(1 - x, b, a)
            return value, mp.exp(log_constant(a, b) + a * mp.log(x) + b * mp.log1p(-x)) / a
        i1, s1 = start(half)
        i2, s2 = start(mpf(1))
        p = mp.exp(-lam)
        q = delta * mp.sqrt(2 / mp.pi) * mp.exp(-lam)
        total, j = mpf(0), 0
        while True:
            total += p * i1 + q * i2
            if j > lam and abs(p * i1) + abs(q * i2) < mpf(10) ** (-mp.dps + 10):
                break
            i1, i2 = i1 - s1, i2 - s2
            s1 *= x * (j + half + b) / (j + 3 * half)
            s2 *= x * (j + 1 + b) / (j + 2)
            j += 1
            p *= lam / j
            q *= lam / (j + half)
        return mp.log(1 - mp.ncdf(-delta) - total / 2)


def power(d, n1, ratio, alpha, alternative):
    n2 = n1 * ratio
    nu, delta = n1 + n2 - 2, d * mp.sqrt(n1 * n2 / (n1 + n2))
    critical = quantile(alpha / 2 if alternative == "two-sided" else alpha, nu)
    value = mp.exp(log_noncentral_tail(critical, nu, delta))
    if alternative == "two-sided":
        value += mp.exp(log_noncentral_tail(critical, nu, -delta))
    return value


def statsmodels(**known):
    from statsmodels.stats.power import TTestIndPower
    known["alternative"] = {"two-sided": "two-sided", "greater": "larger"}[known["alternative"]]
    try:
        value = float(TTestIndPower().solve_power(**known))
    except Exception:
        return None
    return value if math.isfinite(value) else None


def power_case(d, n1, ratio=1.0, alpha=0.05, alternative="two-sided"):
    value = power(mpf(d), mpf(n1), mpf(ratio), mpf(alpha), alternative)
    return {
        "d": d, "n1": n1, "ratio": ratio, "alpha": alpha, "alternative": alternative,
        "power": number(value), "log_power": number(mp.log(value)),
        "statsmodels": statsmodels(effect_size=d, nobs1=n1, ratio=ratio, alpha=alpha, power=None, alternative=alternative),
    }


def powers():
    seed = 10 / 15
    for n in (20.0, 36.0, 36.5, 37.0, 1000.0):
        yield power_case(seed, n)
        yield power_case(seed, n, alternative="greater")
    yield power_case(seed, 20.0, 9.0)
    yield power_case(seed, 180.0, 1 / 9)
    yield power_case(-seed, 36.0)
    yield power_case(-seed, 36.0, alternative="greater")
    yield power_case(0.0, 36.0)
    yield power_case(0.0, 36.0, alternative="greater")
    for n in (1.5, 2.0, 3.0, 5.0):
        for d in (0.1, 1.0, 10.0):
            yield power_case(d, n)
    yield power_case(0.01, 1e4)
    yield power_case(0.01, 1e6)
    yield power_case(1e-4, 1e9, 0.1)
    yield power_case(0.5, 50.0, 1.0, 1e-6)
    yield power_case(0.5, 50.0, 1.0, 1e-30)
    yield power_case(0.5, 50.0, 1.0, 1e-300, "greater")
    yield power_case(2.0, 50.0, 1.0, 1e-12)
    yield power_case(-2.0, 50.0, 1.0, 0.01, "greater")
    yield power_case(12.0, 10.0, 10.0)
    yield power_case(40.0, 4.0, 1.0, 1e-9)
    yield power_case(0.5, 50.0, 1.0, 0.5)


def size_case(d, target=0.8, ratio=1.0, alpha=0.05, alternative="two-sided"):
    known = dict(effect_size=d, power=target, ratio=ratio, alpha=alpha, alternative=alternative)
    near = statsmodels(nobs1=None, **known)
    n1 = mp.findroot(
        lambda n: power(mpf(d), n, mpf(ratio), mpf(alpha), alternative) - mpf(target),
        (mpf(near) * mpf("0.999"), mpf(near) * mpf("1.001")), tol=mpf(10) ** -70)
    return {"d": d, "power": target, "ratio": ratio, "alpha": alpha, "alternative": alternative,
            "n1": number(n1), "statsmodels": near}


def sizes():
    seed = 10 / 15
    for alternative in ("two-sided", "greater"):
        for ratio in (1.0, 9.0, 1 / 9):
            yield size_case(seed, ratio=ratio, alternative=alternative)
        yield size_case(seed, 0.95, alternative=alternative)
        yield size_case(seed, 0.999, alpha=0.001, alternative=alternative)
        yield size_case(2.0, alternative=alternative)
        yield size_case(0.05, alternative=alternative)
        yield size_case(1e-3, alternative=alternative)
    yield size_case(0.3, 0.1)
    yield size_case(-0.3)


def main():
    out = {"welch": list(summaries()), "values": list(values()),
           "power": list(powers()), "size": list(sizes())}
    sections = []
    for name, cases in out.items():
        lines = ",\n".join("  " + json.dumps(case) for case in cases)
        sections.append(json.dumps(name) + ": [\n" + lines + "\n ]")
    sys.stdout.write("{\n " + ",\n ".join(sections) + "\n}\n")


if __name__ == "__main__":
    main()
