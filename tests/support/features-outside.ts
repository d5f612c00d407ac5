/** Destinations outside of the cluster through a referee: functions of the clouds, and servers whose certificate is checked. */
import type { MeshRoute, WeightedDestination } from "../../src/model/routes";
import { type Answer, seenBy } from "./echo-network";
import { any, type Feature, placeOf, repeat, statuses, to } from "./feature";
import { aws, outsideAddress, outsidePorts } from "./outside-world";
import { awsSecretName, azureSecretName } from "./referees";

const lambda = { region: aws.region, accountId: aws.account, functionName: "scale", credentialsSecret: awsSecretName };
const route = (destination: WeightedDestination, more: Partial<MeshRoute> = {}): MeshRoute[] => [
  { name: "f", match: any, to: [destination], ...more },
];
const read = ({ body }: Answer): Record<string, unknown> => JSON.parse(body) as Record<string, unknown>;
const post = { method: "POST", body: '{"shard":3}', headers: { "content-type": "application/json", "x-hello": "world" } };
/** What the function `scale` says of a request that it was handed on. */
const scaled = (answer: Answer): unknown => [answer.status, answer.headers["x-from"], read(answer)];
const scaleOf = (path: string, more: object = {}): unknown => [
  201,
  "scale",
  { path, method: "POST", query: {}, text: post.body, hello: "world", qualifier: "$LATEST", ...more },
];

/** The destinations, by name. */
export const outsideFeatures: Record<string, Feature> = {
  lambda: {
    promise: "sign requests to AWS Lambda with the keys of a Secret, wrap them, and unwrap the answer",
    routes: route({ lambda }),
    check: async (ask, { outside }) => {
      const [answer] = await ask([{ path: "/any?shard=3&key=a%20b", ...post }]);
      expect(scaled(answer)).toEqual(scaleOf("/any?shard=3&key=a%20b", { query: { shard: "3", key: "a%20b" } }));
      expect(outside.notes()).toContainEqual({ invoked: "scale", host: `lambda.${aws.region}.amazonaws.com` });
    },
  },
  lambdaVersion: {
    promise: "call the version of a function that is named",
    routes: route({ lambda: { ...lambda, qualifier: "3" } }),
    check: async (ask) => {
      const [answer] = await ask([{ path: "/any", ...post }]);
      expect(scaled(answer)).toEqual(scaleOf("/any", { qualifier: "3" }));
    },
  },
  lambdaBody: {
    promise: "hand a body through to AWS Lambda and back",
    routes: route({ lambda: { ...lambda, functionName: "upper", payload: "body" } }),
    check: async (ask) => {
      const [full, empty] = await ask([{ path: "/any?a=1", ...post }, { path: "/any" }]);
      expect([full.status, full.body]).toEqual([200, '{"SHARD":3}']);
      expect([empty.status, empty.body]).toEqual([200, ""]);
    },
  },
  lambdaAsync: {
    promise: "hand an event to AWS Lambda without waiting",
    routes: route({ lambda: { ...lambda, functionName: "upper", payload: "body", async: true } }),
    check: async (ask, { outside }) => {
      const body = `event ${process.hrtime.bigint()}`;
      const [answer] = await ask([{ path: "/any", ...post, body }]);
      expect(answer.status).toBe(202);
      expect(outside.notes()).toContainEqual({ event: "upper", body });
    },
  },
  lambdaIdentity: {
    promise: "sign requests to AWS Lambda as the gateway's own pod",
    routes: route({ lambda: { ...lambda, credentialsSecret: undefined } }),
    check: async (ask) => {
      const [answer] = await ask([{ path: "/any", ...post }]);
      expect(scaled(answer)).toEqual(scaleOf("/any"));
    },
  },
  lambdaEndpoint: {
    promise: "speak Lambda's protocol to another address",
    routes: route({ lambda: { ...lambda, endpointUrl: `http://${outsideAddress}:${outsidePorts.plain}` } }),
    check: async (ask) => {
      const [answer] = await ask([{ path: "/any", ...post }]);
      expect(scaled(answer)).toEqual(scaleOf("/any"));
    },
  },
  lambdaStranger: {
    promise: "send no signed request to a server whose certificate is by somebody unknown, or for another name",
    routes: ["stranger", "renamed"].map((name) => ({
      name,
      match: [{ prefix: `/${name}` }],
      to: [{ lambda: { ...lambda, endpointUrl: `https://${name}.example.com:443` } }],
    })),
    check: async (ask) => expect(statuses(await ask([{ path: "/stranger" }, { path: "/renamed" }]))).toEqual([503, 503]),
  },
  lambdaWrong: {
    promise: "give back what AWS answers where it refuses",
    routes: route({ lambda: { ...lambda, functionName: "nobody", payload: "body" } }),
    check: async (ask) => {
      const [answer] = await ask([{ path: "/any", ...post }]);
      expect([answer.status, read(answer)]).toEqual([404, expect.objectContaining({ Type: "User" })]);
    },
  },
  cloudRun: {
    promise: "call Cloud Run with an identity token for it, whatever the client brings",
    routes: route({ cloudRun: { host: "scale-abc123-ew.a.run.app" } }),
    check: async (ask, { outside }) => {
      const host = "scale-abc123-ew.a.run.app";
      const answers = await ask([
        { path: "/any?a=1", ...post },
        { path: "/any", headers: { authorization: "Bearer of.a.client" } },
      ]);
      expect(statuses(answers)).toEqual([200, 200]);
      expect(read(answers[0])).toEqual({ host, method: "POST", url: "/any?a=1", body: post.body, authorized: true });
      expect(outside.notes()).toContainEqual({ token: `https://${host}` });
    },
  },
  cloudRunAudience: {
    promise: "give Cloud Run a token for the audience that is asked for, which the service refuses where it is another one",
    routes: route({ cloudRun: { host: "scale-abc123-ew.a.run.app", audience: "https://other.example.com" } }),
    check: async (ask) => {
      const [answer] = await ask([{ path: "/any" }]);
      expect([answer.status, answer.body]).toEqual([
        401,
        "the token is for https://other.example.com, not for https://scale-abc123-ew.a.run.app",
      ]);
    },
  },
  cloudRunPublic: {
    promise: "call a Cloud Run service for everybody without a token",
    routes: route({ cloudRun: { host: "open.a.run.app", public: true } }),
    check: async (ask) => {
      const [answer] = await ask([{ path: "/any" }]);
      expect(read(answer)).toEqual({ host: "open.a.run.app", method: "GET", url: "/any", body: "", authorized: false });
    },
  },
  cloudRunStranger: {
    promise: "send no token to a server that only says that it is Cloud Run",
    routes: [
      { name: "s", match: [{ prefix: "/stranger" }], to: [{ cloudRun: { host: "stranger.a.run.app" } }] },
      { name: "r", match: [{ prefix: "/renamed" }], to: [{ cloudRun: { host: "renamed.a.run.app" } }] },
    ],
    check: async (ask) => expect(statuses(await ask([{ path: "/stranger" }, { path: "/renamed" }]))).toEqual([503, 503]),
  },
  cloudFunction: {
    promise: "call a Cloud Function with an identity token for it",
    routes: route({ cloudFunction: { region: "europe-west1", project: "mesh-project", function: "scale" } }),
    check: async (ask) => {
      const [answer] = await ask([{ path: "/below?a=1", ...post }]);
      const host = "europe-west1-mesh-project.cloudfunctions.net";
      expect(answer.status).toBe(200);
      expect(read(answer)).toEqual({ host, method: "POST", url: "/scale/below?a=1", body: post.body, authorized: true });
    },
  },
  azureFunction: {
    promise: "call an Azure function with the key of a Secret",
    routes: [
      {
        name: "key",
        match: [{ prefix: "/key" }],
        to: [{ azureFunction: { app: "scaleapp", function: "scale", keySecret: azureSecretName } }],
      },
    ],
    check: async (ask) => {
      const [answer] = await ask([{ path: "/key?a=1", ...post, headers: { "x-functions-key": "of the client" } }]);
      expect(read(answer)).toMatchObject({ host: "scaleapp.azurewebsites.net", method: "POST", url: "/api/scale?a=1", body: post.body });
    },
  },
  azureFunctionOpen: {
    promise: "call an Azure function without a key, which refuses where it wants one",
    routes: route({ azureFunction: { app: "scaleapp", function: "scale" } }, { match: [{ exact: "/open" }] }),
    check: async (ask) => expect(statuses(await ask([{ path: "/open" }]))).toEqual([401]),
  },
  url: {
    promise: "call a server by its URL, with its host, below its path, over TLS",
    routes: route({ url: { url: "https://api.example.com/v1" } }, { match: [{ prefix: "/api" }] }),
    check: async (ask) => {
      const [below, plain] = await ask([{ path: "/api/prices?a=1", ...post }, { path: "/api" }]);
      const host = "api.example.com";
      expect(read(below)).toEqual({ host, method: "POST", url: "/v1/prices?a=1", body: post.body, authorized: false });
      expect(read(plain)).toMatchObject({ host, method: "GET", url: "/v1" });
    },
  },
  urlStranger: {
    promise: "call no server whose certificate is by somebody unknown, or for another name",
    routes: [
      { name: "s", match: [{ prefix: "/stranger" }], to: [{ url: { url: "https://stranger.example.com" } }] },
      { name: "r", match: [{ prefix: "/renamed" }], to: [{ url: { url: "https://renamed.example.com" } }] },
    ],
    check: async (ask) => expect(statuses(await ask([{ path: "/stranger" }, { path: "/renamed" }]))).toEqual([503, 503]),
  },
  lambdaCanary: {
    promise: "share requests between pods and a function of AWS",
    routes: route({ lambda }, { to: [{ lambda }, to("f0")] }),
    check: async (ask) => {
      const answers = await ask(repeat(60, () => ({ path: "/any", ...post })));
      const places = answers.map((answer) => (answer.status === 201 ? "scale" : placeOf(answer)));
      expect([...new Set(places)].sort()).toEqual(["f0", "scale"]);
      const hosts = answers.map((answer) => seenBy(answer)?.host).filter((host) => host !== undefined);
      expect([...new Set(hosts)]).toEqual(["lambdacanary.test"]);
    },
  },
};
