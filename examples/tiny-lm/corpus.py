"""Makes the text: sentences from a small grammar, always the same for a seed."""
import random

NOUNS = "river garden engine letter winter captain mountain harbour teacher window market forest lantern sailor kitchen".split()
VERBS = "watches follows remembers carries measures crosses answers repairs leaves paints".split()
ADJECTIVES = "old quiet narrow silver northern patient broken early distant clever".split()
LINKS = "and while because before although".split()
PLACES = "by the sea,in the evening,under the bridge,at the station,behind the mill,near the old town".split(",")


def text(characters, seed):
    """At least that many characters, in lower case, of letters, blanks, ',' and '.'."""
    rng = random.Random(seed)

    def noun():
        adjective = rng.choice(ADJECTIVES) + " " if rng.random() < 0.4 else ""
        return rng.choice(["the ", "a "]) + adjective + rng.choice(NOUNS)

    def clause():
        place = " " + rng.choice(PLACES) if rng.random() < 0.5 else ""
        return noun() + " " + rng.choice(VERBS) + " " + noun() + place

    parts, length = [], 0
    while length < characters:
        sentence = clause()
        if rng.random() < 0.6:
            sentence += ", " + rng.choice(LINKS) + " " + clause()
        parts.append(sentence + ". ")
        length += len(parts[-1])
    return "".join(parts)
