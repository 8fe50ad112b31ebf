export default {
  title: "Quick start",
  about: "From a key to the first answer.",
};
