import { Outlet } from "@tanstack/react-router";
import { Challenges } from "~/session/Challenges";

export function RootFrame() {
  return (
    <>
      <Outlet />
      <Challenges />
    </>
  );
}
