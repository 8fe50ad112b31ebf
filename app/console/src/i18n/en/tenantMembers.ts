export default {
  title: "Members",
  about: "Who belongs to this account, and what they may do.",
};
