/** Resources of Google Cloud. */
import { type Cloud } from "./rule";

export const gcp: Cloud = { name: "gcp", nameSeparator: "-", keptInPreview: "all", deletesFirst: "sameName", rules: {} };
