export default {
  title: "Forgotten password",
  about: "We send you a link that is good for an hour.",
};
