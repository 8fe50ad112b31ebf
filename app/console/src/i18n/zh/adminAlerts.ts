import type en from "../en/adminAlerts";
import type { Same } from "../same";

export default {
  title: "告警",
  about: "需要人工关注的事项及其通知情况。",
} satisfies Same<typeof en>;
