export default {
  title: "Budgets and limits",
  about: "Every limit with what is used and held, the nearest to its end first.",
};
