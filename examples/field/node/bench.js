"use strict";
// Measures how long the edited file takes for its units of work, once the compiler is warm.
const { performance } = require("node:perf_hooks");
const work = require("./work.js");

const records = Array.from({ length: 120 }, (_, n) => ({ id: n, name: `item ${n}`, tags: [n % 7, n % 5], price: (n * 37) % 101 }));
const text = JSON.stringify(records);
const warm = work.doUnit(text);
for (let n = 0; n < 200; n++) work.doUnit(text);

let units = 0;
const begin = performance.now();
for (let n = 0; n < work.ROUNDS; n++) {
  if (work.doUnit(text) !== warm) throw new Error("a unit gave another result than the one before");
  units++;
}
const ms = performance.now() - begin;

console.log(`METRIC ms=${ms.toFixed(4)}\nunits: ${units}\nchecksum: ${warm}`);
