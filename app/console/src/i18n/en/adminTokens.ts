export default {
  title: "API keys",
  about: "The keys of all tenants: owner, limits and last use.",
  spend: "Spend by key, 30 days",
  keyOf: "{{key}}, {{tenant}}",
  owner: "Owner",
  oneTenant: "Choose keys of one tenant: they are revoked all or none.",
};
