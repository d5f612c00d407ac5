// Six projects: `unit` is pure or runs on mocks; `agent` is of the package of that name; `contract` needs the embedded API server; `engine` needs the Pulumi CLI as well;
// `referees` holds the emitters of routes against gateways that others wrote; `live` runs real pods on real nodes, where the machine allows it.
// swc, not ts-jest: types are checked once by `npm run lint`, and the memory of ts-jest grows with every file (ts-jest issue 1967).
const swc = {
  jsc: { parser: { syntax: "typescript" }, target: "es2022", transform: { useDefineForClassFields: false } },
  module: { type: "commonjs" },
};
const project = (name, more = {}) => ({
  displayName: name,
  rootDir: __dirname,
  testMatch: [`<rootDir>/tests/${name}/**/*.test.ts`],
  transform: { "^.+\\.ts$": ["@swc/jest", swc] },
  testEnvironment: "node",
  modulePathIgnorePatterns: ["<rootDir>/dist", "<rootDir>/.compute-mesh"],
  ...more,
});

module.exports = {
  projects: [project("unit"), "<rootDir>/agent", project("contract"), project("engine"), project("referees"), project("live")],
  // A machine under load is not a defect: a test that waits for something says so itself. Jest takes no notice of it in a project.
  testTimeout: 30_000,
  workerIdleMemoryLimit: "1GB",
};
