export default {
  title: "API keys",
  about: "The keys of all tenants: owner, limits and last use.",
  owner: "Owner",
  oneTenant: "Choose keys of one tenant: they are revoked all or none.",
};
