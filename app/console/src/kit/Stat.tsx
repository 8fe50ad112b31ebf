import { Paper, Skeleton, Text, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import { Icon } from "./Icon";

/** A figure with its name; `note` says what it is compared with, `hint` what it means. */
export function Stat(props: { label: string; value: ReactNode; note?: ReactNode; hint?: string; loading?: boolean }) {
  return (
    <Paper p="md" className="tg-stat">
      <Text component="h3" className="tg-stat-label">
        {props.label}
        {props.hint && (
          <Tooltip label={props.hint} multiline maw={280}>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what is explained must be reached by the keyboard. */}
            <span className="tg-hint" tabIndex={0} role="note" aria-label={props.hint}>
              <Icon name="info" size={13} />
            </span>
          </Tooltip>
        )}
      </Text>
      {props.loading ? <Skeleton h={28} w="60%" mt={4} /> : <div className="tg-stat-value">{props.value}</div>}
      {props.note && <div className="tg-stat-note">{props.note}</div>}
    </Paper>
  );
}

/** Tiles side by side, as many as fit. */
export function Stats(props: { children: ReactNode }) {
  return <div className="tg-stats">{props.children}</div>;
}
