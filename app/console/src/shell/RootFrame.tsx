import { Outlet } from "@tanstack/react-router";
import { Challenges } from "~/session/Challenges";
import { usePreferences } from "~/session/preferences";

export function RootFrame() {
  usePreferences();
  return (
    <>
      <Outlet />
      <Challenges />
    </>
  );
}
