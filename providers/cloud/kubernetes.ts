/** The door to a cluster: its kubeconfig and the Kubernetes provider through which everything in it is made. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

/** How a client proves who it is: by a program of the cloud on the machine that deploys, never by a key in the file. */
export interface ExecAuthentication {
  /** Program, for example `aws`. */
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** What to do where the program is missing. */
  installHint: string;
}

/** A cluster as a kubeconfig describes it. */
export interface KubeconfigParts {
  /** `https://…` */
  server: pulumi.Input<string>;
  /** Certificate authority, base64. */
  certificateAuthority: pulumi.Input<string>;
  /** Name of cluster, user and context. */
  name: string;
  exec: ExecAuthentication;
}

/**
 * The text of a kubeconfig, as JSON, which is YAML; a secret.
 *
 * Exec credential plugins: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
export function execKubeconfig(parts: KubeconfigParts): pulumi.Output<string> {
  const { name, exec } = parts;
  const text = pulumi.all([parts.server, parts.certificateAuthority]).apply(([server, authority]) =>
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name, cluster: { server, "certificate-authority-data": authority } }],
      users: [
        {
          name,
          user: {
            exec: {
              apiVersion: "client.authentication.k8s.io/v1beta1",
              command: exec.command,
              args: exec.args,
              ...(exec.env === undefined ? {} : { env: Object.entries(exec.env).map(([key, value]) => ({ name: key, value })) }),
              installHint: exec.installHint,
              interactiveMode: "Never",
              provideClusterInfo: false,
            },
          },
        },
      ],
      contexts: [{ name, context: { cluster: name, user: name } }],
      "current-context": name,
    }),
  );
  return pulumi.secret(text);
}

/**
 * The Kubernetes provider of a cluster. Without a kubeconfig it is the ambient one, without a context the kubeconfig's current one.
 *
 * `identifier` is known in preview: without it a change of the cluster, whose kubeconfig is then unknown, previews the replacement of everything in the
 * cluster (pulumi-kubernetes issues 1148 and 4019).
 */
export function kubernetesProvider(
  name: string,
  args: { kubeconfig?: pulumi.Input<string>; context?: string; identifier: string },
  opts?: pulumi.ResourceOptions,
): k8s.Provider {
  return new k8s.Provider(
    `${name}-kubernetes`,
    {
      ...(args.kubeconfig === undefined ? {} : { kubeconfig: pulumi.secret(args.kubeconfig) }),
      ...(args.context === undefined ? {} : { context: args.context }),
      clusterIdentifier: args.identifier,
      enableServerSideApply: true,
      enableConfigMapMutable: true,
      enableSecretMutable: true,
    },
    opts,
  );
}
