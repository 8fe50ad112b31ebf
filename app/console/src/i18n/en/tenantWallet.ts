export default {
  title: "Wallet",
  about: "Balance, held credit, grants and every movement.",
};
