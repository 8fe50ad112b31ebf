export default {
  title: "Sign in",
  about: "",
};
