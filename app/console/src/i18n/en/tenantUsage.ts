export default {
  title: "Usage",
  about: "What you used, by model, key, member and tag.",
};
