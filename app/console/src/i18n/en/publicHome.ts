export default {
  title: "Welcome",
  frame: "The home page of {{name}}",
};
