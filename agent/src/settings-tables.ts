/** `topics.<topic>.table` of settings.json: the tables as the component has worked them out, checked again by the rules that it used. */
import { checkBoolean, checkKnownKeys, checkList, checkObject, isObject } from "../../src/model/checks";
import { joinPath, keyPath, type Problems } from "../../src/model/errors";
import { type ColumnArgs, normalizeTables, type TableArgs, type TableFacts } from "../../src/model/tables";

/** Topic → table; what is wrong is noted. */
export function checkTables(problems: Problems, topics: unknown): Record<string, TableFacts> {
  const args: Record<string, TableArgs> = {};
  const given: Record<string, TableFacts> = {};
  for (const [topic, facts] of Object.entries(isObject(topics) ? topics : {})) {
    const path = joinPath(keyPath("topics", topic), "table");
    if (isObject(facts) && checkShape(problems, path, facts["table"])) {
      given[topic] = facts["table"];
      args[topic] = argsOf(facts["table"]);
    }
  }
  // Names, types and what two topics share: the rules are those of whoever wrote the settings.
  normalizeTables(problems, "topics", args);
  return given;
}

function checkShape(problems: Problems, path: string, table: unknown): table is TableFacts & Record<string, unknown> {
  const before = problems.all.length;
  if (!checkObject(problems, path, table)) {
    return false;
  }
  checkKnownKeys(problems, path, table, ["name", "columns", "document"]);
  checkBoolean(problems, joinPath(path, "document"), table["document"]);
  const { columns } = table;
  if (typeof table["name"] !== "string") {
    problems.add(joinPath(path, "name"), table["name"], "the name of the table is needed");
  }
  if (checkList(problems, joinPath(path, "columns"), columns)) {
    columns.forEach((column, index) => checkColumn(problems, joinPath(joinPath(path, "columns"), index), column));
    const names = columns.map((column) => (isObject(column) ? column["name"] : undefined));
    if (new Set(names).size < names.length) {
      problems.add(joinPath(path, "columns"), names, "each column once is allowed");
    }
  }
  return problems.all.length === before;
}

function checkColumn(problems: Problems, path: string, column: unknown): void {
  if (!checkObject(problems, path, column)) {
    return;
  }
  checkKnownKeys(problems, path, column, ["name", "type", "from", "required"]);
  if (typeof column["name"] !== "string") {
    problems.add(joinPath(path, "name"), column["name"], "the name of the column is needed");
  }
  checkBoolean(problems, joinPath(path, "required"), column["required"]);
  const { from } = column;
  if (!Array.isArray(from) || from.length === 0 || from.some((member) => typeof member !== "string" || member === "")) {
    problems.add(joinPath(path, "from"), from, "a list of members of the document is needed");
  }
}

function argsOf({ name, columns, document }: TableFacts): TableArgs {
  const entries = columns.map(({ name: column, type, from, required }): [string, ColumnArgs] => [
    column,
    { type, from: from.join("."), required },
  ]);
  return { table: name, columns: Object.fromEntries(entries), document };
}
