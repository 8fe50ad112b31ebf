export default {
  title: "Redemption codes",
  about: "Batches of codes that tenants turn into credit.",
};
