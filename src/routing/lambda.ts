/** Where functions of AWS are found, and as which host. */
import type { LambdaTarget, RouteRule } from "../model/routes";

/** An address that speaks Lambda's protocol. */
export interface LambdaAddress {
  tls: boolean;
  host: string;
  port: number;
}

/** The address of a function: that of its region, where nothing else is said. */
export function lambdaAddress({ endpointUrl, region }: LambdaTarget): LambdaAddress {
  const url = new URL(endpointUrl ?? `https://lambda.${region}.amazonaws.com:443`);
  const tls = url.protocol === "https:";
  // A URL leaves out the port that is its scheme's own.
  return { tls, host: url.hostname, port: Number(url.port === "" ? (tls ? 443 : 80) : url.port) };
}

/** The Host header that AWS's own clients send, and sign. */
export function lambdaHost(target: LambdaTarget): string {
  const { tls, host, port } = lambdaAddress(target);
  return port === (tls ? 443 : 80) ? host : `${host}:${port}`;
}

/**
 * The host that a rewrite for a whole route can say: where all destinations of the rule are functions of AWS under one name.
 *
 * kgateway's `autoHostRewrite` would do for each destination on its own, but Envoy does that after the request was signed, with the host of the client:
 * the signature is wrong then (seen with Envoy 1.40).
 */
export function commonLambdaHost({ backends }: RouteRule): string | undefined {
  const hosts = new Set(backends.map(({ destination }) => (destination.kind === "lambda" ? lambdaHost(destination) : undefined)));
  const [host] = hosts;
  // HTTPRoutes take neither ports nor addresses here.
  return hosts.size === 1 && host !== undefined && !/:|^[0-9.]+$/.test(host) ? host : undefined;
}
