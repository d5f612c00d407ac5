/** The pure model: plain values in, plain values out; no Pulumi, no clock, no files. */
export * from "./checks";
export * from "./cut";
export { apiVersion } from "./documents";
export * from "./errors";
export * from "./facts";
export * from "./images";
export * from "./manifest";
export * from "./names";
export * from "./offsets";
export { computeShardMap, zoneOf, type PlacementRequest, type PlacementResult } from "./placement";
export * from "./quantity";
export * from "./schedule";
export * from "./shard-map";
export * from "./shards";
export * from "./snapshot-id";
export * from "./snapshot-store";
export * from "./summary";
export * from "./topology";
