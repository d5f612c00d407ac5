/** Routes of another team through a referee that has objects of others. */
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import { podPort } from "./echo-network";
import { checkFeature, type Feature, placeOf, serveFeatures, to } from "./feature";
import type { Referee } from "./referees";

const child = "team-routes";

/** What the other team has written: two paths below the one that is theirs. */
const theirs: Record<string, (namespace: string) => CustomObject<string, unknown>> = {
  gatewayApi: (namespace) => ({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: { name: child, namespace, labels: {} },
    spec: {
      rules: ["a", "b"].map((name, index) => ({
        matches: [{ path: { type: "PathPrefix", value: `/team/${name}` } }],
        backendRefs: [{ name: `f${6 + index}`, port: podPort }],
      })),
    },
  }),
  istio: (namespace) => ({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: child, namespace, labels: {} },
    spec: {
      http: ["a", "b"].map((name, index) => ({
        match: [{ uri: { prefix: `/team/${name}` } }],
        route: [{ destination: { host: `f${6 + index}`, port: { number: podPort } } }],
      })),
    },
  }),
};

const feature: Feature = {
  promise: "hand a part of the paths to the routes of another team",
  routes: [
    { name: "team", match: [{ prefix: "/team" }], delegate: { name: child } },
    { name: "rest", match: [{ prefix: "/" }], to: [to("f8")] },
  ],
  check: async (ask) => {
    const answers = await ask(["/team/a/x", "/team/b", "/team/c", "/other", "/teams"].map((path) => ({ path })));
    // What they have no route for goes where it would go without them.
    expect(answers.map(placeOf)).toEqual(["f6", "f7", "f8", "f8", "f8"]);
  },
};

/** Declares the test. */
export function describeDelegation(referee: () => Referee, namespace: string): void {
  it(feature.promise, async () => {
    await referee().apply([theirs[referee().target](namespace)]);
    await serveFeatures(referee(), { delegation: feature });
    await checkFeature(referee(), "delegation", feature);
    expect(await referee().problems()).toEqual([]);
  });
}
