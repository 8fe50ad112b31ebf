export default {
  title: "Audit",
  about: "Who changed what in this account, and when the operator looked.",
};
