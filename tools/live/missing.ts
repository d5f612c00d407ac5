/** Whether the live tests can run here, without building anything that takes longer than the tests themselves. */
import { findOnPath } from "../path-lookup";
import { refereeEnvironment } from "../referees";
import { findKafka } from "./kafka";
import { findVersitygw } from "./object-store";
import { checkLiveRequirements } from "./requirements";

/** Why no live test can run here; undefined where they can. */
export async function liveMissing(): Promise<string | undefined> {
  const env = refereeEnvironment();
  if (findKafka(env) === undefined || findVersitygw(env) === undefined || env["MESH_LOAD"] === undefined) {
    return "Kafka, versitygw or mesh-load is not cached: npm run test:all gets them";
  }
  if (findOnPath("kubectl", env) === undefined) {
    return "kubectl is not on PATH; the tests look into pods with it";
  }
  return checkLiveRequirements().then(
    () => undefined,
    (error: Error) => error.message,
  );
}
