/** Resources of Azure. */
import { type Cloud } from "./rule";

export const azure: Cloud = {
  name: "azure-native",
  nameSeparator: "",
  keptInPreview: ["name", "location"],
  deletesFirst: "always",
  rules: {},
};
