export default {
  title: "API keys",
  about: "The keys of all tenants: owner, limits and last use.",
};
