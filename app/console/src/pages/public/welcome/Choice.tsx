import { Text, UnstyledButton } from "@mantine/core";

/** One of a few ways, as a card. */
export function Choice(props: {
  chosen: boolean;
  disabled?: boolean;
  title: string;
  about: string;
  onChoose: () => void;
}) {
  return (
    <UnstyledButton
      role="radio"
      aria-checked={props.chosen}
      disabled={props.disabled}
      className="tg-choice"
      onClick={props.onChoose}
    >
      <Text fw={600}>{props.title}</Text>
      <Text size="sm" c="dimmed">
        {props.about}
      </Text>
    </UnstyledButton>
  );
}
