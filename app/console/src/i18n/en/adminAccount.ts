export default {
  title: "Your account",
  about: "Signed in as {{login}}: your preferences, where you are signed in, and tokens for programs of yours.",
};
