export default {
  title: "Sign up",
  heading: "Sign up to {{name}}",
  about: "We send a link to your address. Following it makes your account.",
  email: "E-mail",
  submit: "Send me the link",
  hasAccount: "You have an account?",
  sent: "Look into your mail",
  sentText: "If {{email}} can have an account here, a link is on its way to it. It is good for a day.",
  sentHint: "Nothing there? Look among the spam, and check the address for a typing error.",
  otherAddress: "Use another address",
  closed: "Signing up is closed",
  closedText: "Accounts are made by invitation. Ask whoever runs this service, or a colleague who has one.",
};
