/** The user's choice of machine families. */
import { checkList, checkOneOf } from "../../src/model/checks";
import { joinPath, type Problems } from "../../src/model/errors";
import type { InstanceType } from "./instance-choice";

/** The types where only `families` may be chosen, former ones too; without families, the table as it is. */
export function ofFamilies(types: readonly InstanceType[], families: readonly string[] | undefined): readonly InstanceType[] {
  return families === undefined ? types : types.map((type) => ({ ...type, current: families.includes(type.family) }));
}

/** Notes families that the table does not know. */
export function checkFamilies(problems: Problems, path: string, families: unknown, types: readonly InstanceType[]): void {
  if (families === undefined || !checkList(problems, path, families)) {
    return;
  }
  const known = [...new Set(types.map((type) => type.family))];
  families.forEach((family, index) => checkOneOf(problems, joinPath(path, index), family, known));
  if (families.length === 0) {
    problems.add(path, [], "at least one family is needed");
  }
}
