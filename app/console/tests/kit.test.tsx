import { TextInput } from "@mantine/core";
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { useState } from "react";
import { describe, expect, it, vi } from "vitest";
import { wholeListing } from "~/api/listing";
import { ApiProblem } from "~/api/problem";
import { Chart } from "~/kit/Chart";
import { DataTable } from "~/kit/DataTable";
import { type Call, FormModal } from "~/kit/Form";
import { differences } from "~/kit/JsonDiff";
import { Money } from "~/kit/Money";
import { csvOf } from "~/lib/csv";
import { show } from "./render";

const conflict = () => new ApiProblem("version_conflict", 412, "");

function NameForm(props: { onSubmit: (values: { name: string }, call: Call) => Promise<unknown> }) {
  const [open, setOpen] = useState(true);
  return (
    <FormModal
      opened={open}
      onClose={() => setOpen(false)}
      title="t"
      initial={{ name: "old" }}
      entity={{ version: 1 }}
      reload={async () => ({ version: 5, name: "theirs" })}
      onSubmit={props.onSubmit}
      done=""
    >
      {(form) => <TextInput aria-label="name" {...form.getInputProps("name")} />}
    </FormModal>
  );
}

const typed = async (text: string) => {
  fireEvent.change(await screen.findByLabelText("name"), { target: { value: text } });
};
const save = () => fireEvent.click(screen.getByRole("button", { name: "Save" }));

describe("a form", () => {
  it("shows what somebody else changed, and sends one's own over it with the version that was shown", async () => {
    const calls: [string, string][] = [];
    show(
      <NameForm
        onSubmit={async (values, call) => {
          calls.push([values.name, call.ifMatch]);
          if (calls.length === 1) throw conflict();
        }}
      />,
    );
    await typed("mine");
    save();
    await screen.findByText("Somebody else changed it meanwhile");
    expect(screen.getByText("theirs")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Save mine over theirs" }));
    await waitFor(() =>
      expect(calls).toEqual([
        ["mine", '"1"'],
        ["mine", '"5"'],
      ]),
    );
  });

  it("keeps its idempotency key while the values stay, and takes another for others", async () => {
    const keys: string[] = [];
    show(
      <NameForm
        onSubmit={async (_, call) => {
          keys.push(call.idempotencyKey);
          throw new ApiProblem("network", 0, "");
        }}
      />,
    );
    await typed("one");
    for (const tries of [1, 2]) {
      save();
      await waitFor(() => expect(keys).toHaveLength(tries));
      await waitFor(() =>
        expect(screen.getByRole("button", { name: "Save" }).hasAttribute("data-loading")).toBe(false),
      );
    }
    await typed("two");
    save();
    await waitFor(() => expect(keys).toHaveLength(3));
    expect(keys[0]).toBe(keys[1]);
    expect(keys[2]).not.toBe(keys[0]);
  });

  it("asks before it throws away what was typed", async () => {
    show(<NameForm onSubmit={async () => {}} />);
    await typed("typed");
    fireEvent.click(screen.getByRole("button", { name: "Cancel" }));
    expect(await screen.findByText("Discard what you typed?")).toBeTruthy();
  });
});

describe("a table", () => {
  const rows = [
    { id: "a", name: "Acme", spent: "1.5" },
    { id: "b", name: "Bolt", spent: "0" },
  ];
  const columns = [
    { key: "name", header: "n", sort: "name", cell: (row: (typeof rows)[number]) => row.name },
    { key: "spent", header: "s", hidden: true, cell: (row: (typeof rows)[number]) => row.spent },
  ];

  it("says by which column it is sorted, and turns the order at each click", async () => {
    const sorted = vi.fn();
    const table = {
      id: "t",
      caption: "c",
      columns,
      listing: wholeListing(rows),
      rowId: (row: { id: string }) => row.id,
    };
    show(<DataTable {...table} sort="-name" onSort={sorted} />);
    const header = await screen.findByRole("columnheader", { name: /n/ });
    expect(header.getAttribute("aria-sort")).toBe("descending");
    fireEvent.click(within(header).getByRole("button"));
    expect(sorted).toHaveBeenCalledWith(undefined);
    expect(screen.queryByText("1.5")).toBeNull();
  });

  it("lets one look on where nothing has been found yet", async () => {
    const more = vi.fn();
    const listing = { ...wholeListing<{ id: string }>([]), hasMore: true, more };
    show(<DataTable id="t" caption="c" columns={[]} listing={listing} rowId={(row) => row.id} filtered />);
    fireEvent.click(await screen.findByRole("button", { name: "Load more" }));
    expect(more).toHaveBeenCalled();
  });
});

it("draws an amount with up to six decimals, and none that is not known", async () => {
  show(
    <>
      <Money value="0.123456789" currency="USD" />
      <Money value={null} />
    </>,
  );
  expect(await screen.findByText("$0.123457")).toBeTruthy();
  expect(screen.getByText("–")).toBeTruthy();
});

it("puts the exact sum of amounts into the table under a chart", async () => {
  show(
    <Chart
      title="t"
      unit="u"
      kind="bars"
      totals
      points={[{ at: "2026-11-30T00:00:00Z", values: { a: "0.1", b: "0.2" } }]}
      series={[
        { key: "a", label: "a" },
        { key: "b", label: "b" },
      ]}
      format={String}
    />,
  );
  fireEvent.click(await screen.findByRole("button", { name: "The numbers" }));
  expect(await screen.findByText("0.3")).toBeTruthy();
});

it("finds differences leaf by leaf", () => {
  expect(differences({ a: 1, b: { c: 2 }, d: 3 }, { a: 1, b: { c: 5 }, d: 3 })).toEqual([
    { path: "b.c", before: 2, after: 5 },
  ]);
  expect(differences(null, { a: 1 })).toEqual([{ path: "a", before: undefined, after: 1 }]);
});

it("makes no formula of a name in a file for spreadsheets", () => {
  expect(csvOf(["h"], [["=1+1"], ["-5"], ['a"b,c'], [null]])).toBe(`h\r\n'=1+1\r\n-5\r\n"a""b,c"\r\n\r\n`);
});
