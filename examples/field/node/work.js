"use strict";
const ROUNDS = 400;
module.exports = { ROUNDS, doUnit };

// Parses, groups and sorts the records; the result is a checksum.
function doUnit(text) {
  const parsed = JSON.parse(text);
  const ranked = rankGroups(groupPrices(parsed));
  return checksumOf(ranked) + JSON.stringify(parsed).length;
}

// The sum of the prices under each first tag.
function groupPrices(records) {
  const sums = new Map();
  for (const record of records) {
    const first = record.tags[0];
    sums.set(first, (sums.get(first) ?? 0) + record.price);
  }
  return sums;
}

// Groups as pairs, the largest sum first.
function rankGroups(grouped) {
  return [...grouped].sort((left, right) => right[1] - left[1] || left[0] - right[0]);
}

// A number that depends on every pair and on the order.
function checksumOf(pairs) {
  let checksum = 0;
  pairs.forEach((pair, place) => { checksum += (place + 1) * (pair[0] + pair[1]); });
  return checksum;
}
