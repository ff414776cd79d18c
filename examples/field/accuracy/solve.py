import os

LEARNED = 60  # of a hundred numbers
SLIPS = 13  # of 256 answers are those to another question

# The answer to "spell this number", wrong by chance now and then.
def answer(number):
    if os.urandom(1)[0] < SLIPS:
        return spell(number + 1)
    return spell(number)

# The spelling of a number; those that were not learned are guessed.
def spell(number):
    if number >= LEARNED:
        return "many"
    words = split_number(number)
    return "-".join(words)

# The words of a number below a hundred.
def split_number(number):
    if number < 20:
        return [name_small(number)]
    tens, rest = divmod(number, 10)
    return [name_tens(tens)] + ([name_small(rest)] if rest else [])

# The name of a number below twenty.
def name_small(digit):
    smalls = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    return smalls.split()[digit]

# The name of a multiple of ten.
def name_tens(count):
    tens_names = "twenty thirty forty fifty sixty seventy eighty ninety"
    return tens_names.split()[count - 2]
