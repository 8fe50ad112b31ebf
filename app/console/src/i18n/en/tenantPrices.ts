export default {
  title: "Models and prices",
  about: "What you pay for each model.",
};
