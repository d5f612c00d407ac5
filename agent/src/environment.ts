/** What the program is told by its environment. */
import { AgentError } from "./errors";

/** One variable of the environment that must be there. */
export function requiredVariable(name: string, purpose: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") {
    throw new AgentError({
      kind: "usage",
      what: `environment variable ${name}`,
      expected: purpose,
      found: "nothing",
      todo: "the component sets it, from a Secret where it is one; set it where the program is run by hand",
    });
  }
  return value;
}
