import { Typography } from "@mantine/core";
import DOMPurify from "dompurify";
import { marked } from "marked";
import { useMemo } from "react";

const purifier = DOMPurify();

// Links that leave the page tell the other side nothing, and cannot reach back into it.
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("rel", "noopener noreferrer");
    if (!node.getAttribute("href")?.startsWith("#")) node.setAttribute("target", "_blank");
  }
});

const TAG = /<[a-z][^\s/>]*(?:"[^"]*"|'[^']*'|[^'">])*>/gi;
const ATTRIBUTE = /([^\s"'<>/=]+)(\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?/g;

/**
 * HTML without its handlers and styles. The sanitizer takes them out as well, and it is what safety rests on; but it reads the
 * text as a document of this page, and as that is read the content security policy reports each of them in the console.
 */
export const quiet = (html: string): string =>
  html
    .replace(/<style\b[\s\S]*?(?:<\/style\s*>|$)/gi, "")
    .replace(TAG, (tag) =>
      tag.replace(ATTRIBUTE, (attribute, name: string, value?: string) =>
        /^(on[a-z]+|style)$/i.test(name) && value !== undefined ? "" : attribute,
      ),
    );

export const sanitized = (html: string): string =>
  purifier.sanitize(quiet(html), {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "iframe"],
    FORBID_ATTR: ["style", "id", "name"],
  });

export const rendered = (markdown: string): string => sanitized(marked.parse(markdown, { async: false, gfm: true }));

/** Markdown with the HTML in it, or HTML, made harmless: what an operator writes, and nothing that runs. */
export default function Markdown(props: { text: string; isHtml?: boolean }) {
  const html = useMemo(() => (props.isHtml ? sanitized(props.text) : rendered(props.text)), [props.text, props.isHtml]);
  // biome-ignore lint/security/noDangerouslySetInnerHtml: it is sanitized just above; this is the one place.
  return <Typography className="tg-markdown" dangerouslySetInnerHTML={{ __html: html }} />;
}
