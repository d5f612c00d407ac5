/** Features through a referee that are about protocols: browsers, WebSockets, HTTP/2, hosts. */
import { podPort, seenBy } from "./echo-network";
import { any, type Feature, featureHost, type FeatureQuestion, placeOf, to } from "./feature";
import { secure } from "./referees";

/** The features, by name. */
export const protocolFeatures: Record<string, Feature> = {
  cors: {
    promise: "answer browsers of the origins that are named, and no others",
    routes: [
      {
        name: "c",
        match: any,
        to: [to("f0")],
        cors: {
          origins: ["https://app.example.com"],
          methods: ["GET", "PUT"],
          headers: ["x-a"],
          exposeHeaders: ["x-b"],
          maxAgeSeconds: 60,
          credentials: true,
        },
      },
    ],
    check: async (ask) => {
      const preflight = (origin: string): FeatureQuestion => ({
        path: "/",
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "PUT" },
      });
      const [ours, theirs, plain] = await ask([
        preflight("https://app.example.com"),
        preflight("https://evil.example.com"),
        { path: "/", headers: { origin: "https://app.example.com" } },
      ]);
      const words = (text: string | undefined): string[] => (text ?? "").split(/\s*,\s*/).sort();
      expect(ours.status).toBe(200);
      expect(ours.headers["access-control-allow-origin"]).toBe("https://app.example.com");
      expect(words(ours.headers["access-control-allow-methods"])).toEqual(["GET", "PUT"]);
      expect(words(ours.headers["access-control-allow-headers"])).toEqual(["x-a"]);
      expect(ours.headers).toMatchObject({ "access-control-max-age": "60", "access-control-allow-credentials": "true" });
      expect(theirs.headers["access-control-allow-origin"]).toBeUndefined();
      expect(placeOf(plain)).toBe("f0");
      expect(plain.headers).toMatchObject({
        "access-control-allow-origin": "https://app.example.com",
        "access-control-expose-headers": "x-b",
      });
    },
  },
  webSocket: {
    promise: "let a connection become a WebSocket, with TLS as without",
    routes: [{ name: "ws", match: any, to: [to("odd")], webSocket: true }],
    more: { hosts: [featureHost("webSocket"), "ws.secure.test"] },
    check: async (ask) => {
      const [plain, safe] = await ask([
        { path: "/", upgrade: "hello" },
        { path: "/", upgrade: "hello", port: secure.port, tls: true, host: "ws.secure.test" },
      ]);
      expect([plain.status, plain.body]).toEqual([101, "hello"]);
      expect([safe.status, safe.body]).toEqual([101, "hello"]);
    },
  },
  http2: {
    promise: "speak HTTP/2 to pods that want it, and HTTP/1.1 to others",
    routes: [
      { name: "two", match: [{ prefix: "/two" }], to: [to("two")] },
      { name: "one", match: [{ prefix: "/one" }], to: [to("f4")] },
    ],
    more: { upstreams: [{ kubernetes: { name: "two", port: podPort }, protocol: "grpc" }] },
    check: async (ask) => {
      const answers = await ask([{ path: "/two" }, { path: "/one" }]);
      expect(answers.map((answer) => seenBy(answer)?.protocol)).toEqual(["HTTP/2", "HTTP/1.1"]);
    },
  },
  hostWithPort: {
    promise: "take a host with and without its port",
    routes: [{ name: "p", match: any, to: [to("f0")] }],
    check: async (ask) => {
      const [bare] = await ask([{ path: "/" }]);
      expect(placeOf(bare)).toBe("f0");
      const [withPort] = await ask([{ path: "/", host: "hostwithport.test:8000" }]);
      expect(placeOf(withPort)).toBe("f0");
    },
  },
};
