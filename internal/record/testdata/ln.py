"""Reference values for fixedLn, at 50 digits: python ln.py > ln.txt

Needs mpmath; written against mpmath 1.4.1. A line "part" has, for a 128th of an
octave, the inverse of its middle as 2^127 over it, rounded down, and the
middle's ln in 2^-48; a line "ln" has a whole number of ns and its ln in 2^-32.
"""

import random

from mpmath import mp, mpf

mp.dps = 50

for i in range(128):
    inverse = 2**127 // ((2 * (128 + i) + 1) << 55)
    print("part", inverse, int(mp.nint(mp.log(1 + (mpf(i) + mpf(1) / 2) / 128) * 2**48)))

random.seed(1)
ns = set(range(1, 100))
for octave in range(2, 41):
    ns |= {2**octave - 1, 2**octave, 2**octave + 1}
    for part in random.sample(range(128), 5):
        edge = (128 + part) << octave >> 7
        ns |= {edge - 1, edge, edge + 1, random.randrange(2**(octave - 1), 2**octave)}
for n in sorted(n for n in ns if 1 <= n <= 2**40):
    print("ln", n, mp.nstr(mp.log(n) * 2**32, 20))
