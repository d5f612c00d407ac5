import fc from "fast-check";
import { Problems } from "../../../src/model/errors";
import { checkSchedule, describeSchedule, expandSchedule, parseSchedule } from "../../../src/model/schedule";

function problemOf(text: unknown): string | undefined {
  const problems = new Problems("group");
  checkSchedule(problems, "schedule", text);
  return problems.all[0]?.allowed;
}

describe("schedules", () => {
  it.each([
    ["0 * * * *", "2026-11-21T06:00:00Z", "2026-11-21T07:00:00Z"],
    ["0 2 * * *", "2026-11-21T06:00:00Z", "2026-11-22T02:00:00Z"],
    ["*/15 * * * *", "2026-11-21T06:14:59.999Z", "2026-11-21T06:15:00Z"],
    ["30 2 29 3 *", "2026-01-01T00:00:00Z", "2026-03-29T02:30:00Z"],
    ["0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"],
    ["0 9 13 * fri", "2026-11-01T00:00:00Z", "2026-11-06T09:00:00Z"],
    ["@daily", "2026-12-31T23:59:00Z", "2027-01-01T00:00:00Z"],
  ])("%s after %s fires at %s", (text, from, next) => {
    expect(parseSchedule(text).next(new Date(from))).toEqual(new Date(next));
  });

  it("fire after the given time, at the start of a minute of their own", () => {
    const times = fc.date({ min: new Date("1990-01-01"), max: new Date("2090-01-01"), noInvalidDate: true });
    fc.assert(
      fc.property(times, fc.nat(59), fc.nat(23), (from, minute, hour) => {
        const next = parseSchedule(`${minute} ${hour} * * *`).next(from);
        const distance = next.getTime() - from.getTime();
        expect(distance > 0 && distance <= 86_400_000).toBe(true);
        expect([next.getUTCHours(), next.getUTCMinutes(), next.getTime() % 60_000]).toEqual([hour, minute, 0]);
      }),
    );
  });

  it.each(["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30-31 feb *"])("%s never fires, and the error says so", (text) => {
    expect(problemOf(text)).toBe("it never fires, because no month that is asked for has such a day");
  });

  it.each(["0 0 29 2 *", "0 0 31 2,3 *", "0 0 31 2 1", "59 23 31 12 7", "0 0 * JAN-MAR mon"])("%s is allowed", (text) => {
    expect(problemOf(text)).toBeUndefined();
  });

  it.each([
    "",
    "0 * * *",
    "0 0 * * * *",
    "60 * * * *",
    "* 24 * * *",
    "0 0 0 * *",
    "0 0 L * *",
    "0 0 ? * *",
    "H * * * *",
    "0 0 * * 5#2",
    "0 0 * * 1L",
    "mon * * * *",
    "@reboot",
    "*/0 * * * *",
    "5-1 * * * *",
    7,
    undefined,
  ])("%p is refused", (text) => {
    expect(problemOf(text)).toBeDefined();
  });

  it("say that seconds are not known, and which field is strange", () => {
    expect(problemOf("0 0 * * * *")).toContain("a sixth field for seconds is not known");
    expect(problemOf("0 0 L * *")).toContain('the field day of month is "L"');
    expect(() => parseSchedule("0 0 31 2 *")).toThrow('schedule: "0 0 31 2 *" is not allowed: it never fires');
  });

  it.each([
    ["0 * * * *", "every hour at minute 0"],
    ["@hourly", "every hour at minute 0"],
    ["* * * * *", "every minute"],
    ["*/5 * * * *", "every 5 minutes"],
    ["15 */6 * * *", "every 6 hours at minute 15"],
    ["0 2 * * *", "every day at 02:00 UTC"],
    ["5 4 * * 0", "every Sunday at 04:05 UTC"],
    ["5 4 * * mon-fri", "every Monday to Friday at 04:05 UTC"],
    ["0 0 1 * *", "on day 1 of every month at 00:00 UTC"],
    ["*/7 * * * *", "*/7 * * * *"],
    ["0 0 1 1 *", "0 0 1 1 *"],
    ["0 0 1 * 1", "0 0 1 * 1"],
    ["0  1-5   * * *", "0 1-5 * * *"],
  ])("%s is %s", (text, words) => {
    expect(describeSchedule(text)).toBe(words);
  });

  it("spell out their aliases", () => {
    expect(["@Daily", " 0  2 * * * "].map(expandSchedule)).toEqual(["0 0 * * *", "0 2 * * *"]);
  });
});
