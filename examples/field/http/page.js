"use strict";
const REQUESTS = 40;
module.exports = { REQUESTS, answer };

// Answers one request with the item that its path names.
function answer(request, response) {
  const item = findItem(request.url);
  const body = JSON.stringify(describe(item));
  response.setHeader("Content-Type", "application/json");
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.end(body);
}

// The number at the end of a path.
function findItem(path) {
  const parts = path.split("/");
  return Number(parts[parts.length - 1]);
}

// What is told of an item.
function describe(item) {
  const related = Array.from({ length: 10 }, (_, step) => (item * 31 + step * 17) % 50);
  return { item, name: `item ${item}`, related, total: addUp(related) };
}

// The sum of a list.
function addUp(list) {
  return list.reduce((sum, one) => sum + one, 0);
}
