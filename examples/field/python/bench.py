"""Measures how long the edited file takes for its units of work."""
import time

import work

records = [{"id": n, "name": f"item {n}", "tags": [n % 7, n % 5], "price": n * 37 % 101} for n in range(60)]
warm = work.do_unit(records)

units, begin = 0, time.perf_counter()
for _ in range(work.ROUNDS):
    if work.do_unit(records) != warm:
        raise SystemExit("a unit gave another result than the one before")
    units += 1
ms = 1000 * (time.perf_counter() - begin)

print(f"METRIC ms={ms:.4f}\nunits: {units}\nchecksum: {warm}")
