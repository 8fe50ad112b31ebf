export default {
  title: "Usage",
  about: "Requests, tokens and amounts by any dimension.",
};
