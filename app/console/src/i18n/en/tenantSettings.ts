export default {
  title: "Settings",
  about: "Name, time zone and how this account behaves.",
};
