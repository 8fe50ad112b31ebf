export default {
  title: "Requests",
  about: "Find any request, and see from its receipt how it was priced and served.",
};
