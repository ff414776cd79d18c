import re

FIRST = 100  # smaller code points are not decoded
ESCAPE = re.compile("&#([0-9]+);")

# The text with its escapes decoded.
def decode(text):
    pieces = []
    position = 0
    for found in ESCAPE.finditer(text):
        pieces.append(text[position:found.start()])
        pieces.append(decode_escape(found))
        position = found.end()
    pieces.append(text[position:])
    return "".join(pieces)

# What one escape stands for.
def decode_escape(found):
    point = int(found.group(1))
    if not is_known(point):
        return found.group(0)
    return chr(point)

# Whether a code point is decoded.
def is_known(point):
    return point >= FIRST
