"""A character model: how often each letter followed the letters before it."""

ORDER = 1      # letters of context
SMOOTH = 1.0   # added to every count


class Model:
    def __init__(self, alphabet):
        self.alphabet = alphabet
        self.counts = {}

    def learn(self, text):
        """Takes in one passage of text."""
        for end in range(ORDER, len(text)):
            after = self.counts.setdefault(text[end - ORDER:end], {})
            after[text[end]] = after.get(text[end], 0) + 1

    def probability(self, context, letter):
        """The chance that letter comes after context; over the alphabet they add up to one."""
        after = self.counts.get(context[-ORDER:], {})
        total = sum(after.values()) + SMOOTH * len(self.alphabet)
        return (after.get(letter, 0) + SMOOTH) / total
