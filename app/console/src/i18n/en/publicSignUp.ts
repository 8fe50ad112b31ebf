export default {
  title: "Sign up",
  about: "An account in two minutes.",
};
