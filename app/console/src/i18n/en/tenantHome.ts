export default {
  title: "Home",
  about: "Your balance, your spend and what happened last.",
};
