// swc, as in the root: types are checked by tsc.
const swc = {
  jsc: { parser: { syntax: "typescript" }, target: "es2022", transform: { useDefineForClassFields: false } },
  module: { type: "commonjs" },
};

module.exports = {
  displayName: "agent",
  rootDir: __dirname,
  testMatch: ["<rootDir>/tests/**/*.test.ts"],
  transform: { "^.+\\.ts$": ["@swc/jest", swc] },
  testEnvironment: "node",
  modulePathIgnorePatterns: ["<rootDir>/dist"],
};
