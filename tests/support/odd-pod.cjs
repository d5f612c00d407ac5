// Pods, at every address, that behave as their questions ask them to: `node odd-pod.cjs <port>`.
//   /ill?pod=198.18.2.3 answers 503 at that address
//   /slow?ms=300        answers after that time
//   /flaky?key=a&bad=2  answers 503 to the first two requests with that key, then 200
//   /reset              ends the connection without an answer
//   /seen?key=a         how many requests with that key it has had, not counting these; and the host that the last one named
// Everything else gets 200 at once. A request to become a WebSocket is granted, and every byte comes back.
const { createServer } = require("node:http");

const [port] = process.argv.slice(2);
const seen = new Map();

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://pod");
  const key = searchParams.get("key");
  const last = seen.get(key) ?? { count: 0, host: "" };
  if (pathname === "/seen") return void response.end(JSON.stringify(last));
  if (key !== null) seen.set(key, { count: last.count + 1, host: request.headers.host });
  if (pathname === "/reset") return void request.socket.destroy();
  if (pathname === "/slow") return void setTimeout(() => response.end("slow"), Number(searchParams.get("ms")));
  const ill = pathname === "/ill" && searchParams.get("pod") === request.socket.localAddress;
  const flaky = pathname === "/flaky" && last.count < Number(searchParams.get("bad"));
  response.statusCode = ill || flaky ? 503 : 200;
  response.end(`${response.statusCode}`);
});
server.on("upgrade", (_request, socket, head) => {
  socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
  socket.write(head);
  socket.pipe(socket);
  socket.on("error", () => socket.destroy());
});
server.listen(Number(port), "0.0.0.0");
