export default {
  title: "Audit timeline",
  about: "Who changed what, when and why, with before and after.",
};
