export default {
  title: "API keys",
  about: "The keys of all tenants: owner, limits and last use.",
  owner: "Owner",
  oneTenant: "Choose keys of one tenant: they are revoked all or none.",
  revokeMany_one: "Revoke {{count}} key",
  revokeMany_other: "Revoke {{count}} keys",
  revokeEffect_one: "{{count}} key is refused at once, on every node. It cannot be taken back.",
  revokeEffect_other: "{{count}} keys are refused at once, on every node. It cannot be taken back.",
  revokeUse: "In the last 30 days: {{requests}} requests, spending",
};
