export default {
  title: "Users and sessions",
  about: "Who may sign in, and what they may do.",
};
