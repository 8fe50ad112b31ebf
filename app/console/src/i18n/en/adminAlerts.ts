export default {
  title: "Alerts",
  about: "What needs a person’s eye, and where it was delivered.",
};
