export default {
  title: "Overview",
  about: "How the business is running: spend, margin, requests, errors and who uses what.",
};
