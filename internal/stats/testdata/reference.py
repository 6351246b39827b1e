"""Reference values for package stats, at 50 digits: python reference.py > reference.json

Needs mpmath, SciPy and statsmodels. Written against mpmath 1.4.1, SciPy 1.17.1 and statsmodels 0.15.0;
takes two minutes.
Every input is the float64 that stands in the JSON, taken exactly. No formula is
the one that the Go code uses: Student's tail is the incomplete beta function by
its power series, at as many digits as the tail is small, or by its continued
fraction; the noncentral t is the twin series of Guenther (1978), again with
digits to spare for the subtraction. The tests for reports are counted in whole
numbers of any size: divisions of ranks, lattice paths, 2x2 tables. SciPy's and
statsmodels' values stand beside for comparison only: their noncentral t is good
to 1e-10 and fails in extremes, and so do others; the tests say where.
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
    for d in (1e-4, 5e-4, 5e-3):
        yield summary_case("means 1e9, sd 1e-3", 400, 1e9, 1e-6, 300, 1e9 + d, 1e-6)
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
    yield value_case("1e9, spread 1e-3, p about 1e-300", sample(150, 13, 1e9, 3e-3), sample(150, 14, 1e9 + 0.0168, 3e-3))
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


def tails(greater, less, total, both=None):
    """Logarithms of the p-values from counts; both is twice the smaller unless given."""
    both = 2 * min(greater, less) if both is None else both
    return {"log_%s" % name: number(mp.log(min(mpf(1), mpf(count) / total)))
            for name, count in (("greater", greater), ("less", less), ("two_sided", both))}


def scipy(call, *given, **known):
    """p-values of SciPy in the order greater, less, two-sided, by our directions; null where it has none."""
    values = []
    for alternative in ("greater", "less", "two-sided"):
        try:
            value = float(call(*given, alternative=alternative, **known).pvalue)
        except Exception:
            value = math.nan
        values.append(value if math.isfinite(value) else None)
    return values


def mann_whitney_case(name, x, y):
    from scipy.stats import mannwhitneyu
    pool = sorted(x + y)
    first, last = {}, {}
    for i, v in enumerate(pool):
        first.setdefault(v, i + 1)
        last[v] = i + 1
    rank = {v: first[v] + last[v] for v in first}  # twice the midrank
    n1, n2, n = len(x), len(y), len(pool)
    u = sum(rank[v] for v in y) - n2 * (n2 + 1)  # 2 U2
    # How many subsets of k ranks have each sum: a polynomial in one large number,
    # whose digits are the counts.
    k, seen = (n2, u) if n2 <= n1 else (n1, 2 * n1 * n2 - u)
    bits = math.comb(n, k).bit_length() + 1
    subsets = [1] + [0] * k
    for v in pool:
        for c in range(k, 0, -1):
            subsets[c] += subsets[c - 1] << (rank[v] * bits)
    text = subsets[k].to_bytes((subsets[k].bit_length() + 7) // 8 + 1, "little")
    digits = {}
    for s in range(k * (k + 1), k * (2 * n - k + 1) + 1):
        at = s * bits
        digits[s - k * (k + 1)] = int.from_bytes(text[at // 8:(at + bits) // 8 + 1], "little") >> at % 8 & (1 << bits) - 1
    up = sum(c for s, c in digits.items() if s >= seen)
    down = sum(c for s, c in digits.items() if s <= seen)
    if k != n2 or n2 > n1:
        up, down = down, up
    assert up + down - digits[seen] == math.comb(n, k)
    ties = sum((last[v] - first[v] + 1) ** 3 - (last[v] - first[v] + 1) for v in first)
    variance = mpf(n1 * n2) / 12 * (n + 1 - mpf(ties) / (n * (n - 1)))
    normal = {"log_greater": "0", "log_less": "0", "log_two_sided": "0"}
    if variance:
        excess = mpf(u - n1 * n2) / 2
        normal = tails(mp.ncdf((mpf(1) / 2 - excess) / mp.sqrt(variance)), mp.ncdf((mpf(1) / 2 + excess) / mp.sqrt(variance)), 1)
    return {"name": name, "x": x, "y": y, "u2": u / 2, "exact": tails(up, down, math.comb(n, k)), "asymptotic": normal,
            "scipy_exact": scipy(mannwhitneyu, y, x, method="exact") if ties == 0 else None,
            "scipy_asymptotic": scipy(mannwhitneyu, y, x, method="asymptotic")}


def mann_whitney():
    def whole(count, seed, origin, scale):
        return [origin + math.floor(scale * u) for u in noise(count, seed)]

    def different(count1, count2, seed, shift):
        """whole numbers without ties: even ones in x, odd ones in y."""
        x = sorted({2 * math.floor(4000 * u) for u in noise(count1 + 40, seed)})[:count1]
        y = sorted({2 * math.floor(4000 * u + shift) + 1 for u in noise(count2 + 40, seed + 1)})[:count2]
        return x, y
    yield mann_whitney_case("one and one", [1], [2])
    yield mann_whitney_case("one and one, tied", [1], [1])
    yield mann_whitney_case("one and five", [3], [1, 2, 4, 5, 6])
    yield mann_whitney_case("three and four", [1.5, 2.5, 0.1], [2.0, 3.5, 4.25, -1e300])
    yield mann_whitney_case("in the middle", [1, 4, 5, 8], [2, 3, 6, 7])
    yield mann_whitney_case("next to the middle", [1, 4, 5], [2, 3, 6])
    yield mann_whitney_case("all the same", [7] * 5, [7] * 3)
    yield mann_whitney_case("all but one the same", [7] * 50, [7] * 39 + [8])
    yield mann_whitney_case("separate, tied inside", [1, 1, 2, 2], [3, 3, 3, 4, 4])
    yield mann_whitney_case("five grades", whole(30, 21, 1, 5), whole(12, 22, 2, 4))
    yield mann_whitney_case("five grades, more in y", whole(12, 23, 1, 5), whole(30, 24, 2, 4))
    yield mann_whitney_case("two grades", [0] * 20 + [1] * 5, [0] * 4 + [1] * 7)
    yield mann_whitney_case("skewed ties", [0] * 9 + [1, 2, 3], [0, 4, 5])
    yield mann_whitney_case("some ties", whole(60, 25, 0, 200), whole(45, 26, 20, 200))
    yield mann_whitney_case("ties, far apart", whole(60, 27, 0, 60), whole(50, 28, 55, 60))
    for n1, n2, seed, shift in ((8, 8, 31, 500), (8, 30, 33, 1500), (20, 25, 35, 0), (50, 60, 37, 900), (60, 50, 39, -300), (120, 130, 41, 2000)):
        yield mann_whitney_case("%d and %d" % (n1, n2), *different(n1, n2, seed, shift))
    yield mann_whitney_case("100 and 90, separate", list(range(100)), list(range(200, 290)))
    yield mann_whitney_case("90 and 100, separate downwards", list(range(200, 290)), list(range(100)))
    yield mann_whitney_case("2 and 400", [10, 333], list(range(0, 800, 2))[:5] + list(range(11, 1586, 4)))


def paths_inside(n1, n2, inside):
    """How many lattice paths from (0, 0) to (n1, n2) have only points with that i n2 - j n1."""
    row = [0] * (n2 + 1)
    for i in range(n1 + 1):
        for j in range(n2 + 1):
            ways = 1 if i == j == 0 else (row[j] if i else 0) + (row[j - 1] if j else 0)
            row[j] = ways if inside(i * n2 - j * n1) else 0
    return row[n2]


def smirnov(n1, n2, height):
    """ln P(max i n2 - j n1 >= height) and ln P(max of its size >= height)."""
    if height <= 0:
        return {"log_one": "0", "log_two": "0"}
    total = math.comb(n1 + n2, n1)
    if n1 == n2:  # reflections, Gnedenko and Korolyuk (1951)
        h = -(-height // n1)
        one = math.comb(2 * n1, n1 + h) if h <= n1 else 0
        two, k = 0, 1
        while k * h <= n1:
            two += (-1) ** (k - 1) * 2 * math.comb(2 * n1, n1 + k * h)
            k += 1
    else:
        one = total - paths_inside(n1, n2, lambda at: at < height)
        two = total - paths_inside(n1, n2, lambda at: abs(at) < height)
    return {"log_one": number(mp.log(mpf(one) / total)), "log_two": number(mp.log(mpf(two) / total))}


def walks():
    for n1, n2 in ((1, 1), (2, 1), (3, 2), (4, 4), (5, 3), (7, 7), (9, 6), (20, 1), (30, 7), (40, 39), (60, 60), (150, 100), (500, 60), (300, 299)):
        step = math.gcd(n1, n2)
        for share in (0.0, 0.02, 0.1, 0.2, 0.35, 0.5, 0.51, 0.7, 0.9, 1.0):
            height = max(step, math.floor(share * n1 * n2) // step * step)
            yield {"n1": n1, "n2": n2, "height": height, **smirnov(n1, n2, height)}
    for n in (1000, 5000):
        for z in (0.05, 0.3, 0.8, 1.36, 2.0, 2.99, 3.01, 4.0, 8.0, 20.0):
            height = round(z * math.sqrt(2 * n)) * n
            yield {"n1": n, "n2": n, "height": height, **smirnov(n, n, height)}


def kolmogorov_smirnov_case(name, x, y):
    from scipy.stats import ks_2samp
    n1, n2 = len(x), len(y)
    heights = {v: sum(a <= v for a in x) * n2 - sum(b <= v for b in y) * n1 for v in sorted(set(x + y))}
    up, down = max(0, *heights.values()), max(0, *(-h for h in heights.values()))
    most = max(up, down)
    at = min(v for v, h in heights.items() if h == (most if up == most else -most) or not most)
    return {"name": name, "x": x, "y": y, "d": number(mpf(most) / (n1 * n2)), "location": at,
            "sign": (most > 0) * (1 if heights[at] > 0 else -1),
            "log_two_sided": smirnov(n1, n2, most)["log_two"],
            "log_greater": smirnov(n1, n2, up)["log_one"], "log_less": smirnov(n1, n2, down)["log_one"],
            "scipy": scipy(ks_2samp, x, y, method="exact")}


def kolmogorov_smirnov():
    def whole(count, seed, origin, scale):
        return [origin + math.floor(scale * u) for u in noise(count, seed)]
    yield kolmogorov_smirnov_case("one and one", [1], [2])
    yield kolmogorov_smirnov_case("one and one, tied", [1], [1])
    yield kolmogorov_smirnov_case("the same", [3, 1, 2], [2, 3, 1])
    yield kolmogorov_smirnov_case("up and down alike", [1, 4], [2, 3])
    yield kolmogorov_smirnov_case("first twice", [1, 2, 5, 6], [3, 4, 7, 8])
    yield kolmogorov_smirnov_case("y lower", [4.5, 5.5, 6.5, 7.5], [1.25, 2.5, 5.0])
    yield kolmogorov_smirnov_case("all the same", [7] * 5, [7] * 3)
    yield kolmogorov_smirnov_case("inside", list(range(10, 20)), list(range(0, 10)) + list(range(20, 30)))
    yield kolmogorov_smirnov_case("five grades", whole(30, 21, 1, 5), whole(12, 22, 2, 4))
    yield kolmogorov_smirnov_case("separate", list(range(40)), list(range(50, 75)))
    yield kolmogorov_smirnov_case("15 and 18", list(noise(15, 51)), [1.2 * u for u in noise(18, 52)])
    yield kolmogorov_smirnov_case("60 and 60", whole(60, 53, 0, 10**6), whole(60, 54, 200000, 10**6))
    yield kolmogorov_smirnov_case("200 and 150, half as wide", whole(200, 55, 0, 10**4), whole(150, 56, 2500, 5000))
    yield kolmogorov_smirnov_case("180 and 20, ties", whole(180, 57, 0, 40), whole(20, 58, 8, 40))


def fisher_case(a, b, c, d):
    from scipy.stats import fisher_exact
    row, column, n = a + b, a + c, a + b + c + d
    lo, hi = max(0, row + column - n), min(row, column)
    whole = n < 2000000
    if whole:  # whole numbers: the ways to choose each table
        centre = [(a, math.comb(row, a) * math.comb(n - row, column - a))]
        total, slack = math.comb(n, column), 0
        step = lambda ways, up, down: ways * up // down
    else:
        log = sum((mp.loggamma(mpf(k) + 1) for k in (row, n - row, column, n - column)), -sum(mp.loggamma(mpf(k) + 1) for k in (a, b, c, d, n)))
        centre = [(a, mp.exp(log))]
        total, slack = mpf(1), mpf(10) ** -40
        step = lambda ways, up, down: ways * up / down
    def go(direction):
        x, ways = centre[0]
        rest = []
        while lo <= x + direction <= hi:
            if direction > 0:
                ways = step(ways, (row - x) * (column - x), (x + 1) * (n - row - column + x + 1))
            else:
                ways = step(ways, x * (n - row - column + x), (row - x + 1) * (column - x + 1))
            x += direction
            if not whole and ways < total * mpf(10) ** -60 * centre[0][1]:
                break
            rest.append(ways)
        return rest
    up, down, here = go(1), go(-1), centre[0][1]
    both = here + sum(w for w in up + down if w <= here * (1 + slack))
    greater, less = here + sum(up), here + sum(down)
    assert not whole or greater + less - here == total
    try:
        beside = scipy(fisher_exact, [[a, b], [c, d]])
    except Exception:
        beside = None
    return {"a": a, "b": b, "c": c, "d": d, **tails(greater, less, total, both), "scipy": beside}


def fisher():
    small = ((8, 2, 1, 5), (3, 1, 1, 3), (4, 0, 0, 4), (0, 4, 4, 0), (1, 0, 0, 1), (1, 0, 0, 0), (0, 0, 3, 4), (5, 0, 7, 0), (0, 3, 0, 4),
             (10, 20, 20, 10), (20, 10, 10, 20), (15, 15, 15, 15), (15, 16, 15, 15), (16, 15, 15, 15), (0, 20, 6, 180), (2, 0, 178, 20), (7, 33, 12, 348),
             (1, 9, 11, 3), (100, 2, 1000, 5), (190, 800, 200, 900), (53, 47, 41, 59))
    large = ((60, 140, 140, 60), (500, 600, 600, 500), (1000, 1100, 1100, 1000), (3000, 3050, 3050, 3000), (2000, 100, 100, 2000), (1500, 300, 300, 1500),
             (20000, 20700, 20700, 20000), (12, 988, 90, 8910), (30000, 10, 10, 30000), (1, 99999, 150, 899850), (300, 9700, 200, 9800))
    for counts in small + large:
        yield fisher_case(*counts)
    for counts in ((10**6, 10**6 + 2000, 10**6 + 2000, 10**6), (10**6, 3 * 10**5, 3 * 10**5, 10**6), (100030, 10**9, 900000, 9 * 10**9), (5 * 10**8, 5 * 10**8, 5 * 10**8 + 60000, 5 * 10**8)):
        yield fisher_case(*counts)


def proportions_case(x1, n1, x2, n2, confidence=0.95):
    p1, p2, p = mpf(x1) / n1, mpf(x2) / n2, mpf(x1 + x2) / (n1 + n2)
    case = {"x1": x1, "n1": n1, "x2": x2, "n2": n2, "confidence": confidence, "diff": number(p2 - p1)}
    z = (p2 - p1) / mp.sqrt(p * (1 - p) * (mpf(1) / n1 + mpf(1) / n2)) if 0 < p < 1 else mpf(0)
    if 0 < p < 1:
        # ncdf(-z) = erfc(z/sqrt 2)/2 has its digits far out, too
        case.update(tails(mp.erfc(z / mp.sqrt(2)) / 2, mp.erfc(-z / mp.sqrt(2)) / 2, 1))
    else:
        case.update({"log_greater": "0", "log_less": "0", "log_two_sided": "0"})
    q = mp.sqrt(2) * mp.erfinv(mpf(confidence))

    def wilson(x, n):
        root = q * mp.sqrt(q * q + 4 * x * (1 - mpf(x) / n))
        return [(2 * x + q * q + sign * root) / (2 * (n + q * q)) for sign in (-1, 1)]
    (l1, u1), (l2, u2) = wilson(x1, n1), wilson(x2, n2)
    case.update({"z": number(z), "low": number(p2 - p1 - mp.hypot(p2 - l2, u1 - p1)), "high": number(p2 - p1 + mp.hypot(u2 - p2, p1 - l1))})
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest
    beside = [*proportions_ztest([x2, x1], [n2, n1]), *confint_proportions_2indep(x2, n2, x1, n1, method="newcomb", alpha=1 - confidence)]
    case["statsmodels"] = [float(v) if math.isfinite(v) else None for v in beside]
    return case


def proportions():
    for given in ((12, 1000, 30, 900), (12, 1000, 12, 1000), (0, 100, 3, 20), (0, 100, 0, 20), (100, 100, 20, 20), (5, 5, 0, 7), (1, 1, 0, 1), (1, 3, 2, 3),
                  (500, 1000, 400, 1000), (10, 10**6, 100, 10**5), (10**6, 10**8, 1010000, 10**8), (10**6, 10**8, 1050000, 10**8), (300, 10000, 9000, 10000),
                  (0, 10**9, 1, 10), (1, 10**12, 10**12 - 1, 10**12), (123456789, 987654321, 123456790, 987654321)):
        yield proportions_case(*given)
        yield proportions_case(*given, confidence=0.99)


def psi_case(name, expected, actual):
    kept = [(e, a) for e, a in zip(expected, actual) if e or a]
    e = [mpf(v) or mpf(1) / 2 for v, _ in kept]
    a = [mpf(v) or mpf(1) / 2 for _, v in kept]
    psi = sum((v / sum(a) - u / sum(e)) * mp.log(v / sum(a) / (u / sum(e))) for u, v in zip(e, a))
    return {"name": name, "expected": expected, "actual": actual, "psi": number(psi),
            "noise": number((len(kept) - 1) * (1 / sum(e) + 1 / sum(a))), "halves": sum((u == 0) + (v == 0) for u, v in kept)}


def psis():
    yield psi_case("ten bins", [100] * 10, [90, 95, 105, 110, 100, 98, 102, 99, 101, 100])
    yield psi_case("two bins", [3, 7], [6, 4])
    yield psi_case("the same", [5, 10, 15], [5, 10, 15])
    yield psi_case("the same shares", [5, 10, 15], [1, 2, 3])
    yield psi_case("one bin", [12], [7])
    yield psi_case("empty in actual", [10, 20, 30, 40], [0, 5, 5, 10])
    yield psi_case("empty in expected", [10, 0, 30, 40], [2, 3, 5, 10])
    yield psi_case("empty in both", [10, 0, 30, 40], [2, 0, 5, 10])
    yield psi_case("nothing in common", [10, 20, 0, 0], [0, 0, 5, 5])
    yield psi_case("nearly the same", [10**9, 10**9, 10**9], [10**9, 10**9 + 1, 10**9])
    yield psi_case("a hair", [333333333333, 333333333333, 333333333334], [333333333333, 333333333334, 333333333333])
    yield psi_case("rare bins", [10**9, 1, 10**6], [10**6, 10**6, 1])
    yield psi_case("shifted", [math.floor(1000 * u) for u in noise(20, 61)], [math.floor(100 * u * u) for u in noise(20, 62)])


def main():
    out = {"welch": list(summaries()), "values": list(values()),
           "power": list(powers()), "size": list(sizes()),
           "mann_whitney": list(mann_whitney()), "walks": list(walks()), "kolmogorov_smirnov": list(kolmogorov_smirnov()),
           "fisher": list(fisher()), "proportions": list(proportions()), "psi": list(psis())}
    sections = []
    for name, cases in out.items():
        lines = ",\n".join("  " + json.dumps(case) for case in cases)
        sections.append(json.dumps(name) + ": [\n" + lines + "\n ]")
    sys.stdout.write("{\n " + ",\n ".join(sections) + "\n}\n")


if __name__ == "__main__":
    main()
