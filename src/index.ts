/**
 * compute-mesh: Pulumi components for shared-nothing compute meshes.
 *
 * Node providers are imported one by one (`compute-mesh/providers/local`, …), so that a program loads only the cloud that it uses.
 */
export * from "./components/compute-mesh";
export * from "./components/compute-mesh-node";
export * from "./components/gloo-routes";
export * from "./components/islands";
export * from "./components/local-db-daemon-set";
export * from "./components/sharded-ingest";
export * from "./components/snapshot-group";
export * from "./components/versioned-service";
export type { ClickhouseArgs, EngineArgs, PostgresArgs, SecretKeyArgs, SinglestoreArgs, ValkeyArgs } from "./engines";
export * from "./lock-file";
export { type MeshFile, readMeshFile } from "./mesh-file";
export type { ChildTransform, DataProtection } from "./kubernetes/children";
export type * from "../providers/provider";
/** The pure model: placement, shard maps, snapshot ids, cuts, manifests, routes; also at `compute-mesh/model`. */
export * as model from "./model";
