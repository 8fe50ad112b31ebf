export default {
  title: "Your link",
  about: "Finish what the mail began.",
};
