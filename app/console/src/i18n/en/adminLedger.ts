export default {
  title: "Ledger health",
  about: "The invariants of the ledger, the lag of its read models, and how to rebuild them.",
};
