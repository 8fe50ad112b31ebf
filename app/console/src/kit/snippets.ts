import { apiBase } from "~/site";

/** A first call, ready to paste: curl, Python and Node, with the base URL that this page is served at. */
export function snippets(
  secret: string,
  model: string,
  base: string = apiBase(),
): { id: string; name: string; text: string }[] {
  const greeting = "Hello!";
  return [
    {
      id: "curl",
      name: "curl",
      text: [
        `curl ${base}/chat/completions \\`,
        `  -H "Authorization: Bearer ${secret}" \\`,
        `  -H "Content-Type: application/json" \\`,
        `  -d '{"model": "${model}", "messages": [{"role": "user", "content": "${greeting}"}]}'`,
      ].join("\n"),
    },
    {
      id: "python",
      name: "Python",
      text: [
        "from openai import OpenAI",
        "",
        `client = OpenAI(base_url="${base}", api_key="${secret}")`,
        "answer = client.chat.completions.create(",
        `    model="${model}",`,
        `    messages=[{"role": "user", "content": "${greeting}"}],`,
        ")",
        "print(answer.choices[0].message.content)",
      ].join("\n"),
    },
    {
      id: "node",
      name: "Node",
      text: [
        'import OpenAI from "openai";',
        "",
        `const client = new OpenAI({ baseURL: "${base}", apiKey: "${secret}" });`,
        "const answer = await client.chat.completions.create({",
        `  model: "${model}",`,
        `  messages: [{ role: "user", content: "${greeting}" }],`,
        "});",
        "console.log(answer.choices[0].message.content);",
      ].join("\n"),
    },
  ];
}
