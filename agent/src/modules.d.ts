/** Libraries without types of their own; only what is used here. */
declare module "pg-copy-streams" {
  import type { Submittable } from "pg";
  import type { Readable, Writable } from "node:stream";
  export function to(sql: string): Submittable & Readable;
  export function from(sql: string): Submittable & Writable;
}
declare module "snappyjs" {
  export function uncompress(bytes: Buffer): Buffer;
}
declare module "lz4js" {
  export function decompress(bytes: Uint8Array): Uint8Array;
}
declare module "kafkajs/src/protocol/requests/fetch" {
  export function protocol(version: { version: number }): (args: object) => unknown;
}
