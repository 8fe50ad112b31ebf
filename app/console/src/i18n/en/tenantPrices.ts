export default {
  title: "Models and prices",
  about: "What you pay for each model, and how it is at the moment.",
  multiplierHint: "Your prices are the list prices times this. With several, it depends on the channel that serves.",
  features: "Features",
  speed: "Tokens/s",
  speedHint: "Of the last 24 hours, on everybody's requests",
  hours: "24 hours",
  unpriced: "Served, but without a price, and so refused: {{models}}.",
  compare: "Price beside speed",
  compareAbout: "The cheapest first: what output costs, and how long the first byte takes.",
  outputPrice: "Output price",
};
