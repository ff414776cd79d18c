"use strict";
// Measures the time of a page: the requests that the edited file wants, one after another, over one loopback connection.
const http = require("node:http");
const { performance } = require("node:perf_hooks");
const page = require("./page.js");

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function get(port, path) {
  return new Promise((resolve, reject) => {
    http.get({ host: "127.0.0.1", port, path, agent }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => { text += part; });
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

let answered = 0;

async function load(port, requests) {
  const begin = performance.now();
  let length = 0;
  for (let n = 0; n < requests; n++) length += (await get(port, `/items/${n % 50}`)).length;
  return { ms: performance.now() - begin, length };
}

const server = http.createServer((request, response) => {
  answered++;
  page.answer(request, response);
});
server.listen(0, "127.0.0.1", async () => {
  const { port } = server.address();
  const { length } = await load(port, 150);
  answered = 0;

  const times = [];
  for (let n = 0; n < 5; n++) times.push((await load(port, page.REQUESTS)).ms);
  times.sort((left, right) => left - right);

  console.log(`METRIC page_ms=${times[2].toFixed(4)}\nunits: ${answered / 5}\nchecksum: ${length}`);
  agent.destroy();
  server.close();
});
