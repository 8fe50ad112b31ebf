export default {
  title: "Groups and multipliers",
  about: "What each group of users pays on each group of channels.",
};
