/** Schedules: cron expressions of five fields (POSIX crontab), always in UTC, so that every node computes the same times. */
import type * as CronParser from "cron-parser";
import { Problems } from "./errors";

/** A schedule that is known to fire. */
export interface Schedule {
  /** The first time after `from`, at the start of a minute. */
  next(from: Date): Date;
}

const aliases: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
};

const fieldNames = ["minute", "hour", "day of month", "month", "day of week"];

/** Numbers, names of months and weekdays, ranges, lists and steps. Quartz signs (L, W, #, ?) and Jenkins' H mean different things to different programs. */
const plainField = /^[0-9a-z*,/-]+$/i;
const words = /[a-z]+/gi;
const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** From here it is tried whether a schedule fires; any fixed time will do, because the Gregorian calendar repeats. */
const probe = new Date("2024-01-01T00:00:00Z");

/** What a schedule must look like, for error messages. */
export const scheduleRule =
  'a cron expression of five fields in UTC is allowed (minute, hour, day of month, month, day of week), for example "0 * * * *", or @hourly, @daily, @weekly, @monthly, @yearly';

/** The five fields of a schedule: an alias is spelled out, spaces are single. */
export function expandSchedule(text: string): string {
  const trimmed = text.trim();
  return aliases[trimmed.toLowerCase()] ?? trimmed.split(/\s+/).join(" ");
}

/**
 * Reads a schedule.
 *
 * @throws MeshInputError where it is none or never fires
 */
export function parseSchedule(text: string): Schedule {
  const problems = new Problems("schedule");
  checkSchedule(problems, "", text);
  problems.throwIfAny();
  const expression = expandSchedule(text);
  return { next: (from) => nextTime(expression, from) };
}

/** Notes what is wrong with a schedule, also where it can never fire, like the 31st of February. */
export function checkSchedule(problems: Problems, path: string, text: unknown): void {
  if (typeof text !== "string") {
    problems.add(path, text, scheduleRule);
    return;
  }
  const expression = expandSchedule(text);
  const fields = expression.split(" ");
  if (fields.length !== fieldNames.length) {
    const seconds = fields.length === 6 ? "; a sixth field for seconds is not known, snapshots have minutes" : "";
    problems.add(path, text, `${scheduleRule}${seconds}`);
    return;
  }
  const strange = fields.findIndex((field, index) => !isPlainField(field, index));
  if (strange >= 0) {
    problems.add(
      path,
      text,
      `the field ${fieldNames[strange]} is "${fields[strange]}"; numbers${strange > 2 ? ", names" : ""}, *, ranges (1-5), lists (1,3) and steps (*/10) are allowed`,
    );
    return;
  }
  try {
    cronExpressions().parse(expression, { tz: "UTC", currentDate: probe });
  } catch (error) {
    problems.add(path, text, isImpossibleDay(error) ? neverFires : `${scheduleRule} (${messageOf(error)})`);
    return;
  }
  try {
    nextTime(expression, probe);
  } catch {
    problems.add(path, text, neverFires);
  }
}

/** A schedule in plain words where it has a common form, for example `every hour at minute 0`; else the five fields themselves. */
export function describeSchedule(text: string): string {
  const expression = expandSchedule(text);
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = expression.split(" ");
  if (month !== "*" || (day !== "*" && weekday !== "*")) {
    return expression;
  }
  const everyDay = day === "*" && weekday === "*";
  if (everyDay && hour === "*" && minute === "*") {
    return "every minute";
  }
  const minutes = stepOf(minute, 60);
  if (everyDay && hour === "*" && minutes !== undefined) {
    return minutes === 1 ? "every minute" : `every ${minutes} minutes`;
  }
  if (!isNumber(minute)) {
    return expression;
  }
  const hours = hour === "*" ? 1 : stepOf(hour, 24);
  if (everyDay && hours !== undefined) {
    return `${hours === 1 ? "every hour" : `every ${hours} hours`} at minute ${Number(minute)}`;
  }
  if (!isNumber(hour)) {
    return expression;
  }
  const time = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")} UTC`;
  if (everyDay) {
    return `every day at ${time}`;
  }
  if (day === "*") {
    const names = describeWeekdays(weekday);
    return names === undefined ? expression : `every ${names} at ${time}`;
  }
  return isNumber(day) ? `on day ${Number(day)} of every month at ${time}` : expression;
}

const neverFires = "it never fires, because no month that is asked for has such a day";

/** Loaded with the first schedule that is read: with its library of dates it would be half of what an import of this library adds to that of `@pulumi/kubernetes`. */
function cronExpressions(): typeof CronParser.CronExpressionParser {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import, wherever it stands, would be done at once
  return (require("cron-parser") as typeof CronParser).CronExpressionParser;
}

function nextTime(expression: string, from: Date): Date {
  return cronExpressions().parse(expression, { tz: "UTC", currentDate: from }).next().toDate();
}

function isPlainField(field: string, index: number): boolean {
  const known = index === 3 ? months : index === 4 ? weekdays : [];
  return plainField.test(field) && (field.match(words) ?? []).every((word) => known.includes(word.toLowerCase()));
}

/** cron-parser itself finds some days that no month has. */
function isImpossibleDay(error: unknown): boolean {
  return messageOf(error).includes("explicit day of month");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isNumber(field: string): boolean {
  return /^\d+$/.test(field);
}

// The step of */n where it divides the range, so that the distances are all the same.
function stepOf(field: string, range: number): number | undefined {
  const step = /^\*\/(\d+)$/.exec(field);
  const number = step === null ? 0 : Number(step[1]);
  return number > 0 && range % number === 0 ? number : undefined;
}

function describeWeekdays(field: string): string | undefined {
  const full = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
  const nameOf = (part: string): string | undefined =>
    /^[0-7]$/.test(part) ? full[Number(part)] : full[weekdays.indexOf(part.toLowerCase())];
  const ends = field.split("-").map(nameOf);
  return ends.length > 2 || ends.includes(undefined) ? undefined : ends.join(" to ");
}
