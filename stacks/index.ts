/** The Pulumi program of this repository: one mesh, as the stack's configuration describes it. */
import * as pulumi from "@pulumi/pulumi";
import { ComputeMesh, model } from "../src";
import { pulumiProviders } from "./cloud-providers";
import { readStackSettings } from "./config";

function deploy(): ComputeMesh {
  const project = `${pulumi.getProject()}:`;
  const values = Object.entries(pulumi.runtime.allConfig())
    .filter(([key]) => key.startsWith(project))
    .map(([key, value]) => [key.slice(project.length), value] as const);
  try {
    const { name, cloud, args } = readStackSettings(Object.fromEntries(values), { stack: pulumi.getStack() });
    return new ComputeMesh(name, args, { providers: pulumiProviders(cloud) });
  } catch (error) {
    // A wrong configuration is the user's to mend: its message, without a stack trace.
    throw error instanceof model.MeshInputError ? new pulumi.RunError(error.message) : error;
  }
}

const mesh = deploy();

/** What `npm start` prints at its end. */
export const summary = mesh.summary;
/** True when every workload of the mesh is ready. */
export const ready = mesh.ready;
