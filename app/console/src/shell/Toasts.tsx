import "@mantine/notifications/styles.css";
import { Notifications } from "@mantine/notifications";

/** Where short messages appear. Those from before it was loaded are shown then. */
export default function Toasts() {
  return <Notifications position="bottom-right" />;
}
