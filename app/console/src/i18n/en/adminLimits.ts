export default {
  title: "Budgets and limits",
  about:
    "Every limit with what is used and held, the nearest to its end first. A name leads to where its limit is changed.",
  empty: "Give a tenant, a member or a key a budget or a limit: it appears here, with how much of it is used.",
};
