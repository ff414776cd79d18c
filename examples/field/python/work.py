import json

ROUNDS = 600

# Encodes, decodes and groups the records; the result is a checksum.
def do_unit(records):
    decoded = json.loads(json.dumps(records))
    grouped = group_prices(decoded)
    return sum(key * total for key, total in rank_groups(grouped))

# The sum of the prices under each first tag.
def group_prices(decoded):
    sums = {}
    for record in decoded:
        first = record["tags"][0]
        sums[first] = sums.get(first, 0) + record["price"]
    return sums

# Groups as pairs, the largest sum first.
def rank_groups(grouped):
    pairs = list(grouped.items())
    pairs.sort(key=order_of)
    return pairs

# Where a group stands: by falling sum, then by key.
def order_of(pair):
    return (-pair[1], pair[0])
