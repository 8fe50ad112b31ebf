export default {
  title: "Usage",
  about: "Requests, tokens and amounts by any dimension, exact to a billionth.",
  groupByHint_one: "By {{count}} at once.",
  groupByHint_other: "By up to {{count}} at once. A row leads to what is within it, its amount to its requests.",
};
