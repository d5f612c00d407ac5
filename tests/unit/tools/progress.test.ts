import { formatUptime, statusText } from "../../../tools/cluster-command";
import { partNames } from "../../../tools/cluster-parts";
import { formatSeconds, progressText, startProgress } from "../../../tools/progress";

describe("progress text", () => {
  it("says what, how far, how long so far and how long the last time", () => {
    const what = "building kubernetes 1.36.3 from Go modules (2 of 4)";
    expect(progressText({ what, elapsedSeconds: 45.3, lastSeconds: 250 })).toBe(`${what} … 45 s, last time 4 min 10 s`);
    expect(progressText({ what, detail: "312 of about 1450 packages", elapsedSeconds: 45 })).toBe(
      `${what} – 312 of about 1450 packages … 45 s`,
    );
  });

  it("writes times for people", () => {
    expect([0.04, 5.2, 9.96, 45.4, 119, 120, 250].map(formatSeconds)).toEqual([
      "0.0 s",
      "5.2 s",
      "10 s",
      "45 s",
      "119 s",
      "2 min 0 s",
      "4 min 10 s",
    ]);
    expect([-1, 42, 61, 3 * 3600 + 60, 90_000].map(formatUptime)).toEqual(["0 s", "42 s", "1 min", "3 h 1 min", "1 d 1 h"]);
  });

  it("is a line at the start, every 15 s and at the end where the output is no terminal", () => {
    jest.useFakeTimers();
    try {
      const written: string[] = [];
      const progress = startProgress("working", { lastSeconds: 50, output: { write: (text) => written.push(text) } });
      progress.detail("1 of 2");
      jest.advanceTimersByTime(31_000);
      progress.done();
      progress.done();
      jest.advanceTimersByTime(60_000);
      expect(written).toEqual([
        "working (last time 50 s)\n",
        "working – 1 of 2 … 15 s, last time 50 s\n",
        "working – 1 of 2 … 30 s, last time 50 s\n",
        "working: done in 31 s\n",
      ]);
    } finally {
      jest.useRealTimers();
    }
  });

  it("rewrites one line on a terminal and never wraps it", () => {
    jest.useFakeTimers();
    try {
      const written: string[] = [];
      const progress = startProgress("a long description of the work", {
        output: { isTTY: true, columns: 20, write: (text) => written.push(text) },
      });
      jest.advanceTimersByTime(400);
      progress.fail();
      expect(written.slice(0, -1).every((text) => text.startsWith("\r\u001b[2K") && text.length <= 5 + 19 && !text.includes("\n"))).toBe(
        true,
      );
      expect(written.at(-1)).toBe("\r\u001b[2Ka long description of the work: failed in 0.4 s\n");
    } finally {
      jest.useRealTimers();
    }
  });
});

describe("the status table", () => {
  it("shows part, pid, port, state and uptime, and how to repair a crashed cluster", () => {
    const parts = partNames.map((part, index) =>
      index === 1
        ? { part, running: false, ports: [23456] }
        : { part, running: true, pid: 100 + index, ports: index === 0 ? [20001, 20002] : [], startedAt: "2026-01-01T00:00:00Z" },
    );
    const text = statusText(
      { name: "local", dir: "/d", state: "partial", parts, kubeconfigPath: "/d/kubeconfig" },
      new Date("2026-01-01T00:03:00Z"),
    );
    expect(text.split("\n")).toEqual([
      "cluster local: partial",
      "folder: /d",
      "",
      "part                     pid  port          state    uptime",
      "etcd                     100  20001, 20002  running  3 min",
      "kube-apiserver           -    23456         stopped  -",
      "kube-controller-manager  102  -             running  3 min",
      "kube-scheduler           103  -             running  3 min",
      "kwok                     104  -             running  3 min",
      "some parts do not run: npm run cluster -- up repairs it",
    ]);
  });
});
