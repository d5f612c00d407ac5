// Type-aware rules, and the walls between the rooms (docs/rooms.md says what each room is for).
import importX, { createNodeResolver } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** Forbids imports that match the patterns, with the reason. */
const wall = (files, groups, message) => ({
  files,
  rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns: groups.map((regex) => ({ regex, message })) }] },
});
const pulumi = "^@pulumi/";
const nodeWorld = "^(node:)?(fs|child_process|net|http|https|os|worker_threads)(/|$)";

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", "coverage/**", ".compute-mesh/**", "tests/fixtures/**"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    plugins: { "import-x": importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "import-x/no-cycle": "error",
      "import-x/no-duplicates": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports", disallowTypeAnnotations: false }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      eqeqeq: "error",
    },
    settings: { "import-x/resolver-next": [createNodeResolver({ extensions: [".ts", ".js", ".mjs"] })] },
  },
  {
    // A resource made inside apply vanishes from preview (pulumi issue 16140).
    files: ["src/**/*.ts", "providers/**/*.ts", "stacks/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: "CallExpression[callee.property.name='apply'] NewExpression[callee.object.type='MemberExpression']",
          message: "Create no resource inside apply: it would be missing from preview. Decide the graph's shape from plain values.",
        },
      ],
    },
  },
  wall(
    ["src/model/**"],
    [pulumi, nodeWorld, "/(components|engines|routing|kubernetes|ingest|providers|tools)/"],
    "src/model is pure: plain values in, plain values out.",
  ),
  wall(
    ["src/routing/**"],
    [pulumi, nodeWorld, "/(components|providers|tools)/"],
    "src/routing turns one checked model into plain objects; it knows no Pulumi.",
  ),
  wall(
    ["src/kubernetes/**", "src/engines/**", "src/ingest/**"],
    [nodeWorld, "/(components|tools|stacks)/"],
    "Small shared functions below the components.",
  ),
  wall(
    ["src/components/**"],
    [nodeWorld, "/(tools|stacks)/", "/providers/(?!provider$)"],
    "Components know the provider interface, never one cloud.",
  ),
  wall(["providers/**/*.ts"], ["/(components|tools|stacks)/"], "A provider makes nodes and says facts; it knows nothing above them."),
  wall(
    ["agent/src/**/*.ts"],
    [pulumi, "^\\.\\..*/src/(?!model/)"],
    "The agent runs in the mesh: of the library it knows the pure model only.",
  ),
  wall(["tools/**/*.ts"], ["/(components|stacks|tests)/"], "The tool chain runs programs; it is none."),
  {
    // Tests look into recorded inputs, which are untyped by nature.
    files: ["tests/**/*.ts", "agent/tests/**/*.ts"],
    rules: {
      "@typescript-eslint/no-explicit-any": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/explicit-module-boundary-types": "off",
      "@typescript-eslint/no-require-imports": "off",
    },
  },
);
