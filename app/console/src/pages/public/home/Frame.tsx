import { Title } from "@mantine/core";

/** The operator's own page, in a frame of its origin: it may run what it likes, and reach nothing of this one. */
export function Frame(props: { url: string; title: string }) {
  return (
    <>
      <Title order={1} className="tg-hidden">
        {props.title}
      </Title>
      <iframe
        src={props.url}
        title={props.title}
        className="tg-home-frame"
        sandbox="allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox"
        referrerPolicy="no-referrer"
        loading="eager"
      />
    </>
  );
}
