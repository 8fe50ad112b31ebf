export default {
  title: "Tenants",
  about: "Who buys: balances, limits and status of every account.",
};
