export default {
  title: "Statements",
  about: "Periods by tenant, with their totals and signed files.",
};
