/**
 * Makes the JSON Schema of `mesh.yaml` (hosts, services, routes, islands) from the types of the model, with their docstrings, so that editors complete and
 * explain what the compiler accepts.
 *
 * To write it anew: node -r ts-node/register/transpile-only tools/schema.ts
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { projectRoot } from "./paths";

/** Where the schema lies; editors find it by a first line `# yaml-language-server: $schema=…/schemas/mesh.schema.json`. */
export const schemaFile = join(projectRoot, "schemas", "mesh.schema.json");

type Schema = Record<string, unknown>;

/** The schema as text. */
export function makeSchema(): string {
  const source = join(projectRoot, "src", "model", "route-types.ts");
  const program = ts.createProgram([source], { strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, types: [] });
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(source);
  const module = file && checker.getSymbolAtLocation(file);
  const root = module && checker.getExportsOfModule(module).find(({ name }) => name === "RoutesSpec");
  if (root === undefined) throw new Error(`${source} has no RoutesSpec`);
  const definitions: Record<string, Schema> = {};
  const { properties, required, description } = objectSchema(checker, checker.getDeclaredTypeOfSymbol(root), definitions, root);
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "mesh.yaml",
    description,
    type: "object",
    additionalProperties: false,
    required,
    properties,
    definitions: Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

function docOf(checker: ts.TypeChecker, symbol: ts.Symbol | undefined): Schema {
  const text = symbol === undefined ? "" : ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\s+/g, " ").trim();
  return text === "" ? {} : { description: text };
}

function objectSchema(checker: ts.TypeChecker, type: ts.Type, definitions: Record<string, Schema>, symbol = type.getSymbol()): Schema {
  const members = checker.getPropertiesOfType(type);
  const optional = (member: ts.Symbol): boolean => (member.flags & ts.SymbolFlags.Optional) !== 0;
  const needed = members.filter((member) => !optional(member)).map(({ name }) => name);
  return {
    ...docOf(checker, symbol),
    type: "object",
    additionalProperties: false,
    ...(needed.length === 0 ? {} : { required: needed }),
    properties: Object.fromEntries(
      members.map((member) => {
        const own = checker.getNonNullableType(checker.getTypeOfSymbol(member));
        const schema = schemaOf(checker, own, definitions);
        const doc = docOf(checker, member);
        // Beside a reference draft 7 takes no other keyword.
        return [member.name, "$ref" in schema && "description" in doc ? { ...doc, allOf: [schema] } : { ...schema, ...doc }];
      }),
    ),
  };
}

function schemaOf(checker: ts.TypeChecker, type: ts.Type, definitions: Record<string, Schema>): Schema {
  if (type.flags & ts.TypeFlags.BooleanLike) return { type: "boolean" };
  if (type.isStringLiteral()) return { enum: [type.value] };
  if (type.isUnion()) {
    const words = type.types.flatMap((part) => (part.isStringLiteral() ? [part.value] : []));
    const others = type.types.filter((part) => !part.isStringLiteral()).map((part) => schemaOf(checker, part, definitions));
    if (others.length === 0) return { enum: words };
    return { anyOf: [...others, ...(words.length === 0 ? [] : [{ enum: words }])] };
  }
  if (type.flags & ts.TypeFlags.StringLike) return { type: "string" };
  if (type.flags & ts.TypeFlags.NumberLike) return { type: "number" };
  const element = checker.isArrayType(type) ? checker.getTypeArguments(type as ts.TypeReference)[0] : undefined;
  if (element !== undefined) return { type: "array", items: schemaOf(checker, element, definitions) };
  const values = type.getStringIndexType();
  if (values !== undefined) return { type: "object", additionalProperties: schemaOf(checker, values, definitions) };
  const name = type.getSymbol()?.name ?? "__type";
  if (name === "__type") return objectSchema(checker, type, definitions, undefined);
  if (!(name in definitions)) {
    // Taken before it is made, for types that contain themselves.
    definitions[name] = {};
    definitions[name] = objectSchema(checker, type, definitions);
  }
  return { $ref: `#/definitions/${name}` };
}

if (require.main === module) writeFileSync(schemaFile, makeSchema());
