/** Kubernetes objects as recorded registrations would send them, and the pods that their templates make. */
import type { Recorder } from "./mocks";

/** Any object; untyped below its metadata, because tests look at and spoil what they like. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [key: string]: any;
}

/** All objects that the recorded program would create, with nothing left out; those that it only reads are no part of it. */
export function objectsOf(recorder: Recorder): KubernetesObject[] {
  return recorder.resources.flatMap(({ type, inputs, custom, readId }) => {
    const [, group, version, kind] = /^kubernetes:([^/]+)\/([^:]+):(.+)$/.exec(type) ?? [];
    if (!custom || readId !== "" || kind === undefined) {
      return [];
    }
    return [{ ...inputs, apiVersion: group === "core" ? version : `${group}/${version}`, kind } as KubernetesObject];
  });
}

/** One pod of each workload, as its controller would make it. */
export function podsOf(objects: readonly KubernetesObject[]): KubernetesObject[] {
  return objects.flatMap(({ kind, metadata, spec }) => {
    // A CronJob's pods are two templates down.
    const template = kind === "CronJob" ? spec.jobTemplate.spec.template : spec?.template;
    if (template === undefined) {
      return [];
    }
    // The controller of a StatefulSet turns claim templates into volumes.
    const claims = (spec.volumeClaimTemplates ?? []).map((claim: KubernetesObject) => ({
      name: claim.metadata.name,
      persistentVolumeClaim: { claimName: `${claim.metadata.name}-${metadata.name}-0` },
    }));
    const volumes = [...(template.spec.volumes ?? []), ...claims];
    const pod = { ...template.metadata, name: `${metadata.name}-0`.slice(-63), namespace: metadata.namespace };
    return [{ apiVersion: "v1", kind: "Pod", metadata: pod, spec: { ...template.spec, volumes } }];
  });
}
