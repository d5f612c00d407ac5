/** Metrics of the gatherer in the text format of Prometheus. */
import type { Health } from "../health";
import type { FailureWord } from "./failure";

/** Upper bounds in seconds: from a point query beside the data to a stream of minutes. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export interface AnswerMetrics {
  /** A question has been answered, or refused with its status. */
  answered(status: number, seconds: number, complete: boolean): void;
  /** A partial answer did not come or could not be used. */
  failed(word: FailureWord): void;
  /** Its text, together with that of `health`. */
  text(): string;
}

export function createMetrics(health: Health, gauges: () => Record<string, { help: string; value: number }>): AnswerMetrics {
  const counts = bounds.map(() => 0);
  let sum = 0;
  let total = 0;
  return {
    answered: (status, seconds, complete) => {
      health.count("mesh_answer_questions_total", "Questions by status code.", 1, `status="${status}"`);
      health.count("mesh_answer_incomplete_total", "Answers that lack a shard.", complete ? 0 : 1);
      sum += seconds;
      total += 1;
      bounds.forEach((bound, index) => {
        counts[index] = (counts[index] ?? 0) + (seconds <= bound ? 1 : 0);
      });
    },
    failed: (word) =>
      health.count("mesh_answer_partial_failures_total", "Partial answers that did not come or could not be used.", 1, `reason="${word}"`),
    text: () => {
      for (const [name, { help, value }] of Object.entries(gauges())) {
        health.gauge(name, help, value);
      }
      const name = "mesh_answer_question_seconds";
      const buckets = bounds.map((bound, index) => `${name}_bucket{le="${bound}"} ${counts[index]}\n`).join("");
      return `${health.metrics()}# HELP ${name} Time from the question to the end of its answer.\n# TYPE ${name} histogram\n${buckets}${name}_bucket{le="+Inf"} ${total}\n${name}_sum ${sum}\n${name}_count ${total}\n`;
    },
  };
}
