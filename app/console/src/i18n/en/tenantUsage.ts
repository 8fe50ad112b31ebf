export default {
  title: "Usage",
  about: "What you used, by model, key, member and tag.",
  by: { model_billed: "Model", token: "API key", user: "Member", tag: "Tag" },
};
