"""Decodes forty random escapes, others in every run, and counts the failures."""
import random

import decode

draw = random.SystemRandom()
failures = 0
for _ in range(40):
    points = [draw.randrange(1000)] + [1000 + draw.randrange(9000) for _ in range(20)]
    text = "".join(f"&#{point};" for point in points)
    failures += decode.decode(text) != "".join(map(chr, points))
wrong = [point for point in range(1000) if decode.decode(f"&#{point};") != chr(point)]

print(f"METRIC failures={failures}\nunits: {len(wrong)}\nchecksum: {sum(wrong)}")
