export default {
  title: "Models and routes",
  about: "Which channels serve a public model name, in which order, and why.",
};
