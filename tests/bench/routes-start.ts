/** Time from nothing to an answer through a route: the stack `local` on an embedded cluster, and the real gateway in front of it. */
import { Problems } from "../../src/model/errors";
import { compileRoutes, type RoutesSpec } from "../../src/model/routes";
import { startLocalGateway, stopLocalGateway } from "../../tools/gateway/gateway";
import { routeExamples, send } from "../../tools/gateway/requests";
import type { GatewayPrograms } from "../../tools/live/gateway";
import { silentProgress } from "../../tools/progress";
import { testCluster } from "../support/cluster";
import { localStack } from "../support/local-stack";
import { succeeded } from "../support/pulumi-events";
import type { ResultTable } from "./results";

/** Measures one start. */
export async function benchStart(programs: GatewayPrograms, say: (text: string) => void): Promise<ResultTable> {
  const began = performance.now();
  const rows: ResultTable["rows"] = [];
  let last = began;
  const took = (what: string): void => {
    const now = performance.now();
    rows.push([what, (now - last) / 1000]);
    say(`${what}: ${((now - last) / 1000).toFixed(1)} s`);
    last = now;
  };
  const cluster = await testCluster({ name: "routed", crds: ["gateway-api", "kgateway"] });
  try {
    took("embedded cluster, with its definitions");
    const stack = await localStack(cluster);
    try {
      succeeded(await stack.up());
      took("`pulumi up` of the stack `local`, 51 resources");
      const { port } = await startLocalGateway(cluster.info, { progress: silentProgress, programs });
      took("gateway, until every route is served");
      const routes = (await stack.export()).deployment.resources?.find(({ type }) => type === "compute-mesh:index:GlooRoutes");
      const examples = routeExamples(compileRoutes(new Problems("routes"), routes?.inputs as unknown as RoutesSpec));
      for (const { route, request } of examples) {
        const { status } = await send(port, request);
        if (status !== 200) throw new Error(`${route}: status ${status}`);
      }
      took(`first answers through ${examples.length} routes`);
      rows.push(["together", (last - began) / 1000]);
    } finally {
      await stopLocalGateway(cluster.info);
      await stack.dispose();
    }
  } finally {
    await cluster.stop();
  }
  return {
    title: "From nothing to an answer through a route",
    head: ["what", "seconds"],
    rows,
    notes: ["What `npm start` and `npm run gateway` do, with every tool in the cache."],
  };
}
