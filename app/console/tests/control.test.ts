import { describe, expect, it } from "vitest";
import { changePoints } from "~/pages/admin/audit/page";
import { hoursOf } from "~/pages/admin/ledger/Holds";
import { shareOf, stateOfCheck, verdict } from "~/pages/admin/ledger/ledger";

describe("the books", () => {
  it("are sound only if a verification has said so", () => {
    expect(verdict({ verification: null }).state).toBe("never");
    expect(verdict({ verification: { clean: true } as never }).state).toBe("sound");
    expect(verdict({ verification: { clean: false } as never }).state).toBe("broken");
  });

  it("have checks that hold, are broken, or were not made", () => {
    const check = { check: "time", meaning: "", checked_at: "2026-11-30T10:00:00Z" };
    expect(stateOfCheck({ ...check, findings: 0 })).toBe("held");
    expect(stateOfCheck({ ...check, findings: 2 })).toBe("broken");
    expect(stateOfCheck({ ...check, findings: null, checked_at: null })).toBe("unchecked");
  });

  it("know nothing of a run's share before it has counted", () => {
    expect(shareOf(0, 0)).toBeNull();
    expect(shareOf(5, 10)).toBe(0.5);
    expect(shareOf(12, 10)).toBe(1);
  });

  it("show every hour of a day, those without an expired hold too", () => {
    const hours = hoursOf({ at: "2026-11-30T10:30:00Z", expired: [{ at: "2026-11-30T09:00:00Z", expired: 3 }] });
    expect(hours).toHaveLength(24);
    expect(hours.at(-1)).toEqual({ at: "2026-11-30T10:00:00.000Z", expired: 0 });
    expect(hours.at(-2)?.expired).toBe(3);
  });
});

describe("changes over time", () => {
  it("lose none when the rarest kinds share a color", () => {
    const buckets = [{ starts_at: "2026-11-29T00:00:00Z", ends_at: "2026-11-30T00:00:00Z" }];
    const rows = Array.from({ length: 12 }, (_, n) => ({
      bucket: 0,
      kind: `k${n}`,
      action: "changed",
      changes: n + 1,
    }));
    const { points, kinds } = changePoints({ buckets, rows });
    expect(kinds).toHaveLength(8);
    expect(kinds.at(-1)).toBe("(rest)");
    const sum = Object.values(points[0]?.values ?? {}).reduce<number>((all, each) => all + Number(each), 0);
    expect(sum).toBe(78);
  });
});
