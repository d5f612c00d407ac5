/** What a test of one feature of routes consists of, and how it is served and asked. */
import { normalizeRoutes, type MeshRoute, type RoutesSpec } from "../../src/model/routes";
import { serviceByAddress } from "./differential";
import { type Answer, type EchoNetwork, grpcPort, oddPort, podPort, type Question, seenBy } from "./echo-network";
import type { Referee, Served } from "./referees";

/** A question to the host of a feature; a GET where nothing else is said. */
export type FeatureQuestion = Partial<Question> & { path: string };
type Ask = (questions: readonly FeatureQuestion[], connections?: number) => Promise<Answer[]>;

/** A promise about one feature. */
export interface Feature {
  promise: string;
  routes: MeshRoute[];
  more?: Partial<RoutesSpec>;
  check(this: void, ask: Ask, network: EchoNetwork): Promise<void>;
}

/** A Service of the tests as a destination. */
export const to = (name: string, weight?: number): NonNullable<MeshRoute["to"]>[number] => ({
  ...(weight === undefined ? {} : { weight }),
  kubernetes: { name, port: name.startsWith("odd") ? oddPort : name.startsWith("grpc") ? grpcPort : podPort },
});
/** Matches that take every request. */
export const any = [{ prefix: "/" }];
/** A list of things that differ by their number. */
export const repeat = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_unused, index) => make(index));
/** The Service that answered, or the status where none did. */
export const placeOf = (answer: Answer): string | number => {
  const seen = seenBy(answer);
  return seen === undefined ? answer.status : (serviceByAddress.get(seen.destination) ?? seen.destination);
};
/** The statuses of answers. */
export const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status);

/** The host that a feature is served under. */
export const featureHost = (name: string): string => `${name.toLowerCase()}.test`;

/** The routes of a feature, checked. Throws where the target cannot say them. */
export function featureSet(referee: Referee, name: string, { routes, more }: Feature): Served {
  const spec = { hosts: [featureHost(name)], services: [], target: referee.target, routes, ...more };
  return { name: `feature-${name.toLowerCase()}`, table: normalizeRoutes(name, spec) };
}

/** Serves features, each under a host of its own. No two of them say different things of one destination. */
export function serveFeatures(referee: Referee, features: Readonly<Record<string, Feature>>): Promise<void> {
  return referee.serve(Object.entries(features).map(([name, feature]) => featureSet(referee, name, feature)));
}

/** Checks a feature that is served. */
export function checkFeature(referee: Referee, name: string, { check }: Feature): Promise<void> {
  const { port, network } = referee;
  return check(
    (questions, connections) =>
      network.ask(
        questions.map((question) => ({ port, method: "GET", host: featureHost(name), headers: {}, ...question })),
        connections,
      ),
    network,
  );
}
