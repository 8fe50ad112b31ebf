export default {
  title: "Requests",
  about: "Your requests, each with its receipt.",
};
