export default {
  title: "Playground",
  about: "Try models, compare two, and see what a request costs.",
};
