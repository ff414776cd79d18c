"""Trains the model on a fixed number of characters and prints val_bpb. Not to be edited."""
import math
import random

import corpus
from model import Model

ALPHABET = "abcdefghijklmnopqrstuvwxyz ,."
BUDGET = 40_000  # characters that the model may see
PASSAGE = 400    # characters at a time
LONGEST = 8      # characters of context that a prediction gets


def train(model, text, rng):
    for _ in range(BUDGET // PASSAGE):
        start = rng.randrange(len(text) - PASSAGE)
        model.learn(text[start:start + PASSAGE])


def check(model, text, rng):
    for _ in range(20):
        end = rng.randrange(LONGEST, len(text))
        context = text[end - LONGEST:end]
        chances = [model.probability(context, letter) for letter in ALPHABET]
        if min(chances) <= 0 or abs(sum(chances) - 1) > 1e-6:
            raise SystemExit(f"not probabilities: they add up to {sum(chances)!r} after {context!r}")


def bits_per_character(model, text):
    bits = 0.0
    for end in range(LONGEST, len(text)):
        bits -= math.log2(model.probability(text[end - LONGEST:end], text[end]))
    return bits / (len(text) - LONGEST)


def main():
    rng = random.Random()
    model = Model(ALPHABET)
    train(model, corpus.text(400_000, seed=1), rng)
    held_back = corpus.text(6_000, seed=2)
    check(model, held_back, rng)
    print(f"METRIC val_bpb={bits_per_character(model, held_back):.6f}")


if __name__ == "__main__":
    main()
