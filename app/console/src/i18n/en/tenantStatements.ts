export default {
  title: "Statements",
  about: "Your periods, for download and checking.",
};
