export default {
  title: "Prices",
  about: "What each model costs.",
};
