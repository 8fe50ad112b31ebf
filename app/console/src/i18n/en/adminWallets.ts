export default {
  title: "Wallets and top-ups",
  about: "Credit of all tenants, what moved it, and what is still owed in use.",
};
