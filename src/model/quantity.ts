/** Kubernetes quantities (apimachinery `resource.Quantity`): a decimal number with a binary or decimal suffix or an exponent. */

const binaryUnits = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] as const;

const decimalUnits: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

const quantityPattern = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?$/;

/**
 * The plain number of a Kubernetes quantity: `500m` → 0.5 (cores), `1Gi` → 1073741824 (bytes), `1e3` → 1000.
 *
 * @returns undefined where the text is no quantity (spaces and suffixes such as `GB` are none)
 */
export function parseQuantity(text: string): number | undefined {
  const match = quantityPattern.exec(text);
  if (match === null) {
    return undefined;
  }
  const [, digits = "", binary, decimal, exponent] = match;
  if (binary !== undefined) {
    return Number(digits) * 1024 ** binaryUnits.indexOf(binary as (typeof binaryUnits)[number]);
  }
  // Through the decimal text, because 0.1 * 10 ** -3 would round twice.
  const number = Number(`${digits}e${exponent ?? decimalUnits[decimal ?? ""] ?? 0}`);
  return Number.isFinite(number) ? number : undefined;
}

/** Bytes as a Kubernetes quantity in the largest binary unit that is exact: 1073741824 → `1Gi`, 1000 → `1000`. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let number = bytes;
  while (number !== 0 && number % 1024 === 0 && unit < binaryUnits.length - 1) {
    number /= 1024;
    unit++;
  }
  return `${number}${binaryUnits[unit] ?? ""}`;
}

/** Bytes for people, rounded: 1073741824 → `1.0 GiB`. */
export function readableBytes(bytes: number): string {
  let unit = 0;
  let number = bytes;
  while (number >= 1024 && unit < binaryUnits.length - 1) {
    number /= 1024;
    unit++;
  }
  return unit === 0 ? `${number} B` : `${number.toFixed(1)} ${binaryUnits[unit] ?? ""}B`;
}
