/** Shapes of the custom resources that we emit: only the fields that we write. `N` is the type of a namespace, which may be known later than the rest. */

/** Metadata of an emitted object. */
export interface ObjectMeta<N> {
  name: string;
  namespace: N;
  labels: Record<string, string>;
}

/** An emitted object. */
export interface CustomObject<N, Spec> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta<N>;
  spec: Spec;
}

export type * from "./gateway-resources";
export type * from "./gloo-resources";
