/** The engine's event log (`--event-log`) as data. */

/** One thing the engine does, or in a preview would do, to one resource. */
export interface Step {
  /** `create`, `update`, `delete`, `replace`, `create-replacement`, `delete-replaced`, `read`, `refresh`, `import` … */
  op: string;
  urn: string;
  type: string;
  /** The resource's own name, the last part of its URN. */
  name: string;
  /** Property paths that change, where the provider says so. */
  changes: string[];
}

export interface Message {
  severity: string;
  text: string;
  urn: string;
  /** Progress that leaves no trace on the screen. */
  ephemeral: boolean;
}

export interface Violation {
  policy: string;
  level: string;
  urn: string;
  message: string;
}

export interface Outcome {
  code: number;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Steps in the order in which they began, without those that leave their resource as it is. */
  steps: Step[];
  /** Resources that stay as they are. */
  unchanged: Step[];
  /** Steps that failed. */
  failed: Step[];
  /** Messages in order, without the engine's debug ones. */
  messages: Message[];
  violations: Violation[];
  /** The summary's counts by operation; `same` is there too. */
  changeSummary: Record<string, number>;
  /** Everything a reader of a failed test wants to see. */
  text: string;
}

interface StepMetadata {
  op: string;
  urn: string;
  type: string;
  detailedDiff?: Record<string, unknown> | null;
  diffs?: string[] | null;
}

interface EngineEvent {
  resourcePreEvent?: { metadata: StepMetadata };
  resOpFailedEvent?: { metadata: StepMetadata };
  diagnosticEvent?: { severity: string; message: string; prefix?: string; urn?: string; ephemeral?: boolean };
  policyEvent?: { policyName: string; enforcementLevel: string; resourceUrn?: string; message: string };
  summaryEvent?: { resourceChanges?: Record<string, number> };
}

/** @param log the lines of the event log; the last one may be torn where the engine was killed */
export function readOutcome(code: number, signal: NodeJS.Signals | null, output: { stdout: string; stderr: string }, log: string): Outcome {
  const events = log.split("\n").flatMap(parseLine);
  const begun = events.flatMap((event) => (event.resourcePreEvent ? [stepOf(event.resourcePreEvent.metadata)] : []));
  return {
    code,
    signal,
    ...output,
    steps: begun.filter((step) => step.op !== "same"),
    unchanged: begun.filter((step) => step.op === "same"),
    failed: events.flatMap((event) => (event.resOpFailedEvent ? [stepOf(event.resOpFailedEvent.metadata)] : [])),
    messages: events.flatMap(({ diagnosticEvent: event }) =>
      event && event.severity !== "debug"
        ? [{ severity: event.severity, text: event.message.trim(), urn: event.urn ?? "", ephemeral: event.ephemeral ?? false }]
        : [],
    ),
    violations: events.flatMap(({ policyEvent: event }) =>
      event
        ? [{ policy: event.policyName, level: event.enforcementLevel, urn: event.resourceUrn ?? "", message: event.message.trim() }]
        : [],
    ),
    changeSummary: events.findLast((event) => event.summaryEvent)?.summaryEvent?.resourceChanges ?? {},
    text: `exit code ${code}${signal ? ` (${signal})` : ""}\n${output.stdout}\n${output.stderr}`,
  };
}

/** The outcome of a command that must succeed; otherwise the test fails with everything that the command printed. */
export function succeeded(outcome: Outcome): Outcome {
  if (outcome.code !== 0) {
    throw new Error(outcome.text);
  }
  return outcome;
}

/** `op name` of every step, sorted: what most tests compare. */
export function summary(outcome: Outcome): string[] {
  return outcome.steps.map((step) => `${step.op} ${step.name}`).sort();
}

function stepOf({ op, urn, type, detailedDiff, diffs }: StepMetadata): Step {
  return { op, urn, type, name: urn.split("::").at(-1) ?? "", changes: detailedDiff ? Object.keys(detailedDiff) : (diffs ?? []) };
}

function parseLine(line: string): EngineEvent[] {
  try {
    return [JSON.parse(line) as EngineEvent];
  } catch {
    return [];
  }
}
