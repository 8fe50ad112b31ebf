export default {
  title: "Status",
  about: "How available the models have been in the last 90 days.",
};
