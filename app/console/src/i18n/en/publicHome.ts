export default {
  title: "Welcome",
  about: "",
};
