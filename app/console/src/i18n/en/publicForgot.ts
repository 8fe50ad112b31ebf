export default {
  title: "Forgotten password",
  about: "We send you a link that is good for an hour.",
  submit: "Send me the link",
  sent: "If there is an account {{login}}, a link is on its way to it. It is good for an hour, and once.",
  noMail: "This server sends no e-mail. Ask whoever runs it for a new first password.",
  back: "Back to signing in",
};
