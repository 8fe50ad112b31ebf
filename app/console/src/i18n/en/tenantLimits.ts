export default {
  title: "Budgets and limits",
  about: "What may be spent, by whom, and how much of it is used.",
};
