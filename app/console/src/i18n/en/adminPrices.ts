export default {
  title: "Price book",
  about: "What each model costs and sells for, with effective dates.",
};
