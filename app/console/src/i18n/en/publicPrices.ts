export default {
  title: "Prices",
  about: "What each model costs: the list prices, before any discount of your account.",
  closed: "Prices are shown after signing in",
  closedText: "The operator shows them in the console only.",
  since: "In force since",
  json: "As JSON",
  hash: "Fingerprint",
  rule: "You pay for tokens that were really read and written, to a billionth of the currency; each request has a receipt that shows the sum. Requests without an answer cost nothing.",
};
