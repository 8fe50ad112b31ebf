export default {
  title: "Live log",
  about: "Every request as it happens.",
};
