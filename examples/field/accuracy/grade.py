"""Asks forty questions, drawn by the run's seed, and prints the share that is answered right."""
import os
import random

import solve

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def right(number):
    if number < 20:
        return ONES[number]
    return TENS[number // 10] + ("" if number % 10 == 0 else "-" + ONES[number % 10])


draw = random.Random(int(os.environ.get("RATCHET_SEED", "1")))
questions = [draw.randrange(100) for _ in range(40)]
answered = sum(solve.answer(q) == right(q) for q in questions)
known = [q for q in range(100) if solve.spell(q) == right(q)]

print(f"METRIC accuracy={answered}/40\nunits: {len(known)}\nchecksum: {sum(known)}")
